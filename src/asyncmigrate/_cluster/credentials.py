"""What we show to the server, a token, a password or a certificate: from a kubeconfig's user, or from a pod's files."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from asyncmigrate._cluster.exec_plugin import run_plugin
from asyncmigrate._cluster.identity import basic
from asyncmigrate._cluster.kubeconfig_choice import Choice, ClusterInfo, UserInfo
from asyncmigrate._cluster.oidc import OIDC, id_token
from asyncmigrate.errors import ConfigError

_EXEC_EXTENSION = "client.authentication.k8s.io/exec"  # of a cluster: what its plugins are told


@dataclass(frozen=True, slots=True)
class Credentials:
    """An Authorization header, and a client certificate with its key in PEM; what there is of them."""

    authorization: str | None = field(default=None, repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


async def credentials_of(choice: Choice, *, stdin_is_taken: bool, newer: dict[str, str]) -> Credentials:
    """Read a user's credentials: run its plugin, renew its token. A token that is written down comes first, as in Go.

    Raises:
        ConfigError: they cannot be had.
    """
    user, cluster = choice.user, choice.cluster
    # In a thread: what is mounted may hang. Who waits is bounded by our caller.
    token = await asyncio.get_running_loop().run_in_executor(None, _token, user)
    if not token and user.exec is not None:
        told = _cluster_for_plugins(cluster) if user.exec.provide_cluster_info else None
        found = await run_plugin(user.exec, told, stdin_is_taken=stdin_is_taken)
        token = found.pop("token", "")
        user = msgspec.structs.replace(user, **{k.replace("-", "_"): v for k, v in found.items()})
    if not token and user.auth_provider is not None:
        token = await id_token(_oidc(user.auth_provider), newer)
    authorization = f"Bearer {token}" if token else _basic(user)
    if cluster.server.startswith("http://"):
        return Credentials(authorization)
    return Credentials(
        authorization,
        _pem(user.client_certificate_data, user.client_certificate, "client-certificate"),
        _pem(user.client_key_data, user.client_key, "client-key"),
    )


def _token(user: UserInfo) -> str:
    """A token that is written down; that of the file first, for it may be newer (transport/token_source.go)."""
    if not user.token_file:
        return user.token
    try:
        found = read_token(user.token_file)
    except ConfigError:
        if user.token:
            return user.token
        raise
    return found


def read_token(path: str) -> str:
    """The token in a file, without the line break that many end with."""
    try:
        found = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"the token file {path}: {error.strerror}") from error
    except ValueError:
        raise ConfigError(f"the token file {path} is not text") from None
    if not found:
        raise ConfigError(f"the token file {path} is empty")
    return found


def _basic(user: UserInfo) -> str | None:
    if not (user.username or user.password):
        return None
    return basic(user.username, user.password)


def _oidc(provider: dict[str, Any]) -> OIDC:
    try:
        return msgspec.convert(provider.get("config") or {}, OIDC)
    except msgspec.ValidationError as error:
        raise ConfigError(f"oidc: its configuration cannot be used: {error}") from None


def _pem(data: str, path: str, what: str) -> bytes:
    """What stands in a kubeconfig in base64, or in a file; the former first, as in client-go."""
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except ValueError:
            raise ConfigError(f"{what}-data is not base64") from None
    try:
        return Path(path).read_bytes() if path else b""
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror}") from error


def _cluster_for_plugins(cluster: ClusterInfo) -> dict[str, Any]:
    """The cluster as plugins are told of it: client-go's ConfigToExecCluster in rest/exec.go."""
    authority = _pem(cluster.certificate_authority_data, cluster.certificate_authority, "certificate-authority")
    config = next((e.get("extension") for e in cluster.extensions if e.get("name") == _EXEC_EXTENSION), None)
    told = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(authority).decode(),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": config,
    }
    return {k: v for k, v in told.items() if v}


def trust(cluster: ClusterInfo, credentials: Credentials) -> ssl.SSLContext:
    """Whom we trust, and the certificate that we show.

    Raises:
        ConfigError: a certificate or key cannot be loaded.
    """
    authority = _pem(cluster.certificate_authority_data, cluster.certificate_authority, "certificate-authority")
    try:
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if credentials.certificate:
            _show(context, credentials)
    except (ssl.SSLError, ValueError) as error:
        said = error.reason if isinstance(error, ssl.SSLError) and error.reason else "it is not PEM"
        raise ConfigError(f"cannot load the certificates of {cluster.server}: {said}") from None
    if cluster.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # Go accepts certificates without the extensions that Python 3.13 began to insist on, and so do clusters.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _show(context: ssl.SSLContext, credentials: Credentials) -> None:
    """Load a certificate and its key; `ssl` takes them from a file only, which is gone again at once."""
    handle, path = tempfile.mkstemp(prefix="asyncmigrate-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(credentials.key + b"\n" + credentials.certificate)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
