"""The auth-provider oidc: an id-token that has expired is renewed, by a provider whose certificate is right."""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from aiohttp import web

from asyncmigrate import Cluster, plan
from asyncmigrate.errors import ConfigError
from asyncmigrate.testing import Rule
from tests.bed.bed import EmbeddedBed

EVERYTHING = (Rule(verbs=("*",)),)


def jwt(**claims: object) -> str:
    body = urlsafe_b64encode(json.dumps({"name": "ÿ?>"} | claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


class Provider:
    """An identity provider that gives a new refresh token at each use, and forgets the old one."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.refresh_token = "r-0"  # noqa: S105
        self.id_token = jwt(exp=time.time() + 3600)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.url = ""

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/.well-known/openid-configuration":
            return web.json_response({"token_endpoint": f"{self.url}/token"})
        form = dict(await request.post())
        self.asked.append((request.headers.get("Authorization", ""), form))
        if form["refresh_token"] != self.refresh_token:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.refresh_token = f"r-{len(self.asked)}"
        return web.json_response({"id_token": self.id_token, "refresh_token": self.refresh_token})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    found = Provider()
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.authority.issue_cert("127.0.0.1").configure_cert(trust)
    runner = web.ServerRunner(web.Server(found.serve, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trust).start()
    found.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


def kubeconfig(bed: EmbeddedBed, provider: Provider, **config: str) -> dict[str, Any]:
    given = bed.server.kubeconfig()
    ours = {"idp-issuer-url": provider.url, "client-id": "c", "refresh-token": "r-0"}
    ours["idp-certificate-authority-data"] = b64encode(provider.authority.cert_pem.bytes()).decode()
    given["users"][0]["user"] = {"auth-provider": {"name": "oidc", "config": ours | config}}
    return given


async def test_an_id_token_that_holds_is_used(embedded: EmbeddedBed, provider: Provider) -> None:
    embedded.server.add_user("jane", EVERYTHING, token=provider.id_token)
    async with Cluster.from_kubeconfig(kubeconfig(embedded, provider, **{"id-token": provider.id_token})) as cluster:
        await plan(cluster)
    assert provider.asked == []


@pytest.mark.parametrize("secret", ["", "s"])
async def test_one_that_has_expired_is_renewed_again_and_again(
    embedded: EmbeddedBed, provider: Provider, secret: str
) -> None:
    old = jwt(exp=time.time() - 1)
    given = kubeconfig(embedded, provider, **{"id-token": old, "client-secret": secret})
    embedded.server.add_user("jane", EVERYTHING, token=provider.id_token)
    async with Cluster.from_kubeconfig(given) as cluster:
        await plan(cluster)
        embedded.server.revoke(provider.id_token)
        provider.id_token = jwt(exp=time.time() + 7200)
        embedded.server.add_user("jane", EVERYTHING, token=provider.id_token)
        await plan(cluster)
    header = f"Basic {b64encode(b'c:s').decode()}" if secret else ""
    assert [(auth, form["refresh_token"], form.get("client_id")) for auth, form in provider.asked] == [
        (header, "r-0", None if secret else "c"),
        (header, "r-1", None if secret else "c"),
    ]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"refresh-token": "used-up"}, "did not renew the id-token: 400"),
        ({"refresh-token": ""}, "its id-token has expired, and there is no refresh-token: log in again"),
        ({"id-token": "no.jwt"}, "oidc: its id-token is not a JWT"),
        ({"idp-certificate-authority-data": ""}, "did not renew the id-token: .*certificate verify failed"),
        ({"idp-certificate-authority-data": "%"}, "the identity provider's certificate cannot be loaded"),
        ({"idp-issuer-url": "http://127.0.0.1:1"}, "idp-issuer-url does not begin with https://"),
    ],
)
async def test_what_cannot_be_renewed_is_one_line(
    embedded: EmbeddedBed, provider: Provider, config: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        async with Cluster.from_kubeconfig(kubeconfig(embedded, provider, **config)):
            pass
