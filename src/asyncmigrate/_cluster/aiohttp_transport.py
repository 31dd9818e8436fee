"""The default transport: kubernetes-asyncio's configuration and connector, and a plain aiohttp session on top of them.

kubernetes-asyncio does kubeconfig, exec plugins, certificates and tokens. Its ApiClient is left out of the hot path:
its session reads .netrc and the proxy variables anew for each request, most of the CPU that a request costs.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes_asyncio.client.rest import RESTClientObject
from yarl import URL

from asyncmigrate._cluster.error_status import is_denied
from asyncmigrate._cluster.transport import CONNECT_SECONDS, MOST_BYTES, Request, Response
from asyncmigrate.errors import (
    BadAnswerError,
    ConfigError,
    ConnectionLostError,
    RequestTimeoutError,
    TLSError,
    TransportError,
    UnreachableError,
)

_UNAUTHORIZED = 401
# For the server's name, a proxy, the connection and TLS together; as much as client-go gives to the first three alone.
_ALL_CONNECT_SECONDS = 30.0
_RENEW_PAUSE = 10.0  # seconds between attempts to renew that brought nothing

# kubernetes-asyncio ships a py.typed marker but leaves these untyped: a Configuration and a RESTClientObject.
Configuration = Any
Reload = Callable[[], Awaitable[Configuration]]


class AiohttpTransport:
    """Requests with the credentials of a kubernetes-asyncio Configuration."""

    def __init__(
        self, configuration: Configuration, *, rest: RESTClientObject | None = None, reload: Reload | None = None
    ) -> None:
        """Take over a configuration.

        Args:
            configuration: where to, and as whom.
            rest: a caller's own connections, left open on close; None makes new ones.
            reload: builds the configuration anew when the server says 401; None where only the configuration's own
                refresh hook can bring a newer token.
        """
        self._reload = reload
        self._renewing = asyncio.Lock()
        self._epoch = 0
        self._renewed_in_vain = -_RENEW_PAUSE
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self._open(configuration, rest)

    def _open(self, configuration: Configuration, rest: RESTClientObject | None) -> None:
        # aiohttp counts waiting for a place in the pool too, and a caller's may be small.
        self._connect_within = _ALL_CONNECT_SECONDS if rest is None else None
        if rest is None:
            try:
                rest = RESTClientObject(configuration)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"cannot load the certificates of {configuration.host}: {error}") from error
            self._closing.append(rest.close)
        self._configuration = configuration
        self._base = configuration.host.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=rest.pool_manager.connector,
            connector_owner=False,
            headers={"User-Agent": f"asyncmigrate/{version('asyncmigrate')}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._closing.append(self._session.close)
        self._extra: dict[str, Any] = {}
        if proxy := rest.proxy or environment_proxy(self._base):
            self._extra |= {"proxy": proxy, "proxy_headers": rest.proxy_headers}
        if rest.server_hostname:
            self._extra["server_hostname"] = rest.server_hostname

    async def send(self, request: Request, *, within: float | None) -> Response:
        epoch = self._epoch
        response = await self._exchange(request, within)
        # An admission webhook may deny with a 401: that is no word about our credentials.
        if response.status == _UNAUTHORIZED and not is_denied(response.body) and await self._renew(epoch):
            response = await self._exchange(request, within)
        return response

    async def _exchange(self, request: Request, within: float | None) -> Response:
        headers = request.headers
        if authorization := await self._authorization():
            headers = {**headers, "Authorization": authorization}
        try:
            async with self._session.request(
                request.method,
                URL(self._base + request.target, encoded=True),
                headers=headers,
                data=request.body or None,
                timeout=_timeout(within, self._connect_within),
                allow_redirects=False,
                **self._extra,
            ) as answer:
                body = await _whole_body(answer, self._base)
                return Response(answer.status, answer.headers, body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise translate(error, self._base, within) from error

    async def _authorization(self) -> str | None:
        configuration = self._configuration
        if configuration.refresh_api_key_hook is None and not configuration.api_key_prefix:
            token: str | None = configuration.api_key.get("BearerToken")
        else:
            token = await configuration.get_api_key_with_prefix("BearerToken")
        return token

    async def _renew(self, epoch: int) -> bool:
        """Get newer credentials than those of `epoch`; many requests fail at once, and one of them renews for all."""
        async with self._renewing:
            if self._epoch != epoch:
                return True
            if self._reload is None or time.monotonic() - self._renewed_in_vain < _RENEW_PAUSE:
                return False
            try:
                fresh = await self._reload()
            except ConfigError:
                self._renewed_in_vain = time.monotonic()  # who waits for the lock does not try in turn
                raise
            if fresh.cert_file:
                self._open(fresh, None)
            elif fresh.api_key != self._configuration.api_key:
                self._configuration = fresh
            else:
                self._renewed_in_vain = time.monotonic()
                return False
            self._epoch += 1
            return True

    async def aclose(self) -> None:
        while self._closing:
            await self._closing.pop()()


@lru_cache(maxsize=64)
def _timeout(within: float | None, connect: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=within, connect=connect, sock_connect=min(CONNECT_SECONDS, within or CONNECT_SECONDS)
    )


async def _whole_body(answer: aiohttp.ClientResponse, base: str) -> bytes:
    if (answer.content_length or MOST_BYTES) < MOST_BYTES and "Content-Encoding" not in answer.headers:
        return await answer.read()
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MOST_BYTES:
            raise BadAnswerError(f"{base}: the answer is larger than {MOST_BYTES:,} bytes, as no API server's is")
        chunks.append(chunk)
    return b"".join(chunks)


def environment_proxy(base: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for a server; as in Go, never one for loopback."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    if host in {"localhost", "::1"} or host.startswith("127.") or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def translate(error: Exception, base: str, within: float | None) -> TransportError:
    """Say in our words, and in one line, why a request got no answer."""
    words = " ".join(str(error).split()) or type(error).__name__
    tls = _tls_cause(error)
    if tls is not None:
        return TLSError(f"{base}: no trust between client and server: {tls}")
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError() | aiohttp.InvalidURL():
            return UnreachableError(f"{base} cannot be reached: {words}")
        case aiohttp.ConnectionTimeoutError():
            return UnreachableError(f"{base} cannot be reached: no connection in time")
        case TimeoutError():
            return RequestTimeoutError(f"{base}: no answer within {within or 0:g} s")
        case aiohttp.ClientResponseError():
            return BadAnswerError(f"{base}: the answer is not HTTP: {words}")
    return ConnectionLostError(f"{base}: the connection was lost: {words}")


def _tls_cause(error: BaseException) -> str | None:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    chain: list[BaseException | None] = [error, error.__cause__, error.__context__]
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError) or isinstance(error, aiohttp.ClientSSLError):
            return str(link)
        if isinstance(link, ssl.SSLError) and "ALERT" in (link.reason or ""):
            return str(link)
    return None
