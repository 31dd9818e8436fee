"""The auth-provider `oidc` of a kubeconfig: its id-token, renewed by its refresh token once it has expired.

After client-go's plugin/pkg/client/auth/oidc/oidc.go. What is renewed is not written back to the kubeconfig.
"""

from __future__ import annotations

import base64
import binascii
import json
import ssl
import time
from typing import Any, ClassVar

import aiohttp

from asyncmigrate._cluster.identity import basic
from asyncmigrate._cluster.translate import one_line
from asyncmigrate._rules.errors.secrets import Discreet, without_credentials
from asyncmigrate.errors import ConfigError

_EARLY_SECONDS = 10  # expiryDelta in client-go's plugin/pkg/client/auth/oidc/oidc.go
_SECONDS = 30.0


class OIDC(Discreet, frozen=True, rename="kebab"):
    """`auth-provider.config`; a path is as it is to be opened."""

    idp_issuer_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    id_token: str = ""
    refresh_token: str = ""
    idp_certificate_authority: str = ""
    idp_certificate_authority_data: str = ""

    _hidden: ClassVar = frozenset({"client_secret", "id_token", "refresh_token"})


async def id_token(config: OIDC, newer: dict[str, str]) -> str:
    """A token that has not expired.

    Args:
        config: the user's.
        newer: refresh tokens by those that they replace; the provider may give a new one at each use, and forget the
            old one that the file has.

    Raises:
        ConfigError: it has, and cannot be renewed.
    """
    if config.id_token and _expiry(config.id_token) > time.time() + _EARLY_SECONDS:
        return config.id_token
    if not (config.refresh_token and config.idp_issuer_url and config.client_id):
        raise ConfigError("oidc: its id-token has expired, and there is no refresh-token: log in again")
    if not config.idp_issuer_url.startswith("https://"):
        raise ConfigError("oidc: idp-issuer-url does not begin with https://")
    try:
        return await _renewed(config, newer)
    except (aiohttp.ClientError, OSError, TimeoutError, KeyError, TypeError, ValueError) as error:
        issuer = without_credentials(config.idp_issuer_url)
        raise ConfigError(f"oidc: {issuer} did not renew the id-token: {one_line(error)}") from error


async def _renewed(config: OIDC, newer: dict[str, str]) -> str:
    headers = {"Authorization": basic(config.client_id, config.client_secret)} if config.client_secret else {}
    form = {
        "grant_type": "refresh_token",
        "refresh_token": newer.get(config.refresh_token, config.refresh_token),
        **({} if headers else {"client_id": config.client_id}),
    }
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_trust(config)),
        timeout=aiohttp.ClientTimeout(total=_SECONDS),
        raise_for_status=True,
        trust_env=True,
    ) as session:
        async with session.get(f"{config.idp_issuer_url.rstrip('/')}/.well-known/openid-configuration") as answer:
            endpoint = str((await answer.json(content_type=None))["token_endpoint"])
        if not endpoint.startswith("https://"):
            raise ConfigError("oidc: the identity provider's token_endpoint does not begin with https://")
        async with session.post(endpoint, data=form, headers=headers, allow_redirects=False) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
    if found.get("refresh_token"):
        newer[config.refresh_token] = str(found["refresh_token"])
    return str(found["id_token"])


def _trust(config: OIDC) -> ssl.SSLContext:
    try:
        if not config.idp_certificate_authority_data:
            return ssl.create_default_context(cafile=config.idp_certificate_authority or None)
        data = "".join(config.idp_certificate_authority_data.split())
        return ssl.create_default_context(cadata=base64.b64decode(data, validate=True).decode())
    except (OSError, ValueError, binascii.Error) as error:
        raise ConfigError(f"oidc: the identity provider's certificate cannot be loaded: {error}") from error


def _expiry(token: str) -> float:
    """Seconds since the epoch, from a JWT's `exp`; as in client-go, one that has none has expired."""
    try:
        body = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))).get("exp", 0))
    except (LookupError, ValueError, TypeError, AttributeError):
        raise ConfigError("oidc: its id-token is not a JWT") from None
