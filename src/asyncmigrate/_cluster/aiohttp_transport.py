"""The default transport: a plain aiohttp session, and a connector of our own or of a caller's ApiClient.

An ApiClient's own session is left out of the hot path: it reads .netrc and the proxy variables anew for each request,
most of the CPU that a request costs.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import aiohttp
from yarl import URL

from asyncmigrate._cluster import translate as say
from asyncmigrate._cluster.error_status import is_denied
from asyncmigrate._cluster.identity import Headers, basic, check_header
from asyncmigrate._cluster.transport import CONNECT_SECONDS, MOST_BYTES, Request, Response
from asyncmigrate._rules.decisions.proxies import Proxy, environment_proxy, read_proxy
from asyncmigrate.errors import ConfigError, TransportError

_UNAUTHORIZED = 401
# For the server's name, a proxy, the connection and TLS together; as much as client-go gives to the first three alone.
_ALL_CONNECT_SECONDS = 30.0
_RENEW_PAUSE = 10.0  # seconds between attempts to renew that brought nothing
_POOL = 1024  # what is in flight is bounded by the engine's budget, not by the connection pool


@dataclass(frozen=True, slots=True)
class Access:
    """Where to, as whom, and by which way.

    Attributes:
        server: the base URL.
        trust: for our own connections to it; None without TLS.
        tls_server_name: what its certificate is checked against, if not its host name.
        authorization: the header that says who we are.
        ask: brings that header for each request, in its place.
        certificate: the client certificate in `trust`, to tell whether it is another one.
        headers: sent with every request, such as whom to act as; a name may be there several times.
        ask_headers: brings more of them for each request, each name once.
        proxy: the address of the proxy that was named for this cluster; empty for what the environment says.
        proxy_headers: what that proxy is sent besides.
        connector: a caller's connections, left open on close; None makes new ones.
    """

    server: str
    trust: ssl.SSLContext | None = None
    tls_server_name: str = ""
    authorization: str | None = field(default=None, repr=False)
    ask: Callable[[], Awaitable[str | None]] | None = None
    certificate: bytes = field(default=b"", repr=False)
    headers: Headers = field(default=(), repr=False)
    ask_headers: Callable[[], Headers] | None = None
    proxy: str = field(default="", repr=False)
    proxy_headers: Mapping[str, str] | None = field(default=None, repr=False)
    connector: aiohttp.BaseConnector | None = None


Reload = Callable[[], Awaitable[Access]]


class AiohttpTransport:
    """Requests to a server with some credentials, which can be renewed."""

    def __init__(self, access: Access, *, reload: Reload | None = None) -> None:
        """Take over an access.

        Args:
            access: where to, and as whom.
            reload: reads it anew when the server says 401; None where only `access.ask` can bring a newer token.
        """
        self._reload = reload
        self._renewing = asyncio.Lock()
        self._epoch = 0
        self._renewed_in_vain = -_RENEW_PAUSE
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self._proxy_errors: tuple[type[Exception], ...] = ()  # what a socks5 proxy adds to aiohttp's own
        self._checked = ""  # the last Authorization that HTTP can carry
        self._open(access)

    def _open(self, access: Access) -> None:
        self._access = access
        self._base = access.server
        self._authorization = access.authorization
        proxy = _proxy(access)
        is_tls = access.server.startswith("https://")
        connector = access.connector
        if connector is None:
            connector = self._connector(access, proxy)
            self._closing.append(connector.close)
        elif proxy is not None and proxy.is_socks:
            raise ConfigError(f"{proxy.url}: the connections of an ApiClient cannot go through a socks5 proxy")
        # aiohttp counts waiting for a place in the pool too, and a caller's may be small.
        self._connect_within = _ALL_CONNECT_SECONDS if access.connector is None else None
        self._session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            # Without TLS the proxy reads the request itself.
            headers=_session_headers(access.headers) + (() if is_tls else _proxy_headers(proxy)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._closing.append(self._session.close)
        self._extra: dict[str, Any] = {}
        if proxy is not None and not proxy.is_socks:
            to_proxy = dict(access.proxy_headers or {}) | (dict(_proxy_headers(proxy)) if is_tls else {})
            self._extra |= {"proxy": proxy.url, "proxy_headers": to_proxy or None}
        if access.tls_server_name:
            self._extra["server_hostname"] = access.tls_server_name

    def _connector(self, access: Access, proxy: Proxy | None) -> aiohttp.BaseConnector:
        trust: ssl.SSLContext | bool = access.trust or True
        if proxy is None or not proxy.is_socks:
            return aiohttp.TCPConnector(limit=_POOL, ssl=trust)
        try:
            from asyncmigrate._cluster.socks import ERRORS, socks_connector  # noqa: PLC0415 -- an optional extra
        except ImportError:
            raise ConfigError(f"{proxy.url}: a socks5 proxy needs `pip install asyncmigrate[socks]`") from None
        if access.tls_server_name:
            raise ConfigError(f"{proxy.url}: a socks5 proxy and tls-server-name do not work together")
        self._proxy_errors = ERRORS
        return socks_connector(proxy, trust=trust, limit=_POOL)

    async def send(self, request: Request, *, within: float | None) -> Response:
        epoch = self._epoch
        sent = self._authorization if self._access.ask is None else await self._ask()
        response = await self._exchange(request, sent, within)
        # An admission webhook may deny with a 401: that is no word about our credentials.
        if response.status == _UNAUTHORIZED and not is_denied(response.body):
            fresh = await self._renewed(epoch, sent)
            if fresh is not None:
                response = await self._exchange(request, fresh, within)
        return response

    async def _exchange(self, request: Request, authorization: str | None, within: float | None) -> Response:
        headers = request.headers
        if self._access.ask_headers is not None:
            headers = {**headers, **dict(self._access.ask_headers())}
        if authorization:
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
        except self._proxy_errors as error:
            raise say.unreachable(self._base, f"through its socks5 proxy: {say.one_line(error)}") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise translate(error, self._base, within) from error

    async def _ask(self) -> str | None:
        """What a caller's client has for this request; it may be anything."""
        found = None if self._access.ask is None else await self._access.ask()
        if found and found != self._checked:
            check_header(found, "the token")
            self._checked = found
        return found

    async def _renewed(self, epoch: int, sent: str | None) -> str | None:
        """Newer credentials than those of `epoch`, None if there are none.

        Many requests fail at once, and one of them renews for all.
        """
        if self._reload is None:
            found = await self._ask()  # its owner may have renewed it meanwhile
            return None if found == sent else found
        async with self._renewing:
            if self._epoch != epoch:
                return self._authorization or ""
            if time.monotonic() - self._renewed_in_vain < _RENEW_PAUSE:
                return None
            try:
                fresh = self._checked_access(await self._reload())
            except ConfigError:
                self._renewed_in_vain = time.monotonic()  # who waits for the lock does not try in turn
                raise
            if fresh.certificate != self._access.certificate:
                self._open(fresh)
            elif fresh.authorization != self._authorization:
                self._authorization = fresh.authorization
            else:
                self._renewed_in_vain = time.monotonic()
                return None
            self._epoch += 1
            return self._authorization or ""

    def _checked_access(self, fresh: Access) -> Access:
        """New credentials, only if they are still for the cluster and the user to act as that all began with."""
        if (fresh.server, fresh.headers) != (self._access.server, self._access.headers):
            raise ConfigError(f"{self._base}: the kubeconfig now names another server, or another user to act as")
        return fresh

    async def aclose(self) -> None:
        while self._closing:
            await self._closing.pop()()


def _proxy(access: Access) -> Proxy | None:
    """The proxy to use; one that is named for the cluster is used whatever NO_PROXY says, as in client-go."""
    return read_proxy(access.proxy, "proxy-url") if access.proxy else environment_proxy(access.server, os.environ)


def _proxy_headers(proxy: Proxy | None) -> Headers:
    """Who we are to a proxy: not in its URL, which aiohttp's errors show."""
    if proxy is None or proxy.is_socks or proxy.username is None:
        return ()
    return (("Proxy-Authorization", basic(proxy.username, proxy.password)),)


def _session_headers(headers: Headers) -> Headers:
    """What goes along with every request; a name may be there several times."""
    ours = (("User-Agent", f"asyncmigrate/{version('asyncmigrate')}"),)
    return headers if any(name.lower() == "user-agent" for name, _ in headers) else ours + headers


@lru_cache(maxsize=64)
def _timeout(within: float | None, connect: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=within, connect=connect, sock_connect=min(CONNECT_SECONDS, within or CONNECT_SECONDS)
    )


async def _whole_body(answer: aiohttp.ClientResponse, base: str) -> bytes:
    if (answer.content_length or MOST_BYTES) < MOST_BYTES and "Content-Encoding" not in answer.headers:
        return await answer.read()
    return await say.whole_body(answer.content.iter_any(), base)


def translate(error: Exception, base: str, within: float | None) -> TransportError:
    """Say in our words, and in one line, why a request got no answer."""
    words = say.one_line(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return say.no_trust(base, str(error.certificate_error))
    if isinstance(error, aiohttp.ClientSSLError):
        return say.no_trust(base, words)
    if (tls := say.distrust(error)) is not None:
        return say.no_trust(base, tls)
    match error:
        case aiohttp.ClientProxyConnectionError():
            return say.unreachable(base, f"its proxy does not answer: {words}")
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError() | aiohttp.InvalidURL():
            return say.unreachable(base, words)
        case aiohttp.ConnectionTimeoutError():
            return say.unreachable(base, "no connection in time")
        case TimeoutError():
            return say.no_answer(base, within)
        case aiohttp.ClientResponseError():
            return say.not_http(base, words)
    return say.connection_lost(base, words)
