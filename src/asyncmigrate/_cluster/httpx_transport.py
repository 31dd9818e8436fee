"""A transport over a caller's own `httpx.AsyncClient`: URL, headers, credentials, proxies and TLS are the client's.

httpx2 has the same names, so a client of it will do. The client tells which of the two it is; the other is not needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio

from asyncmigrate._cluster import translate as say
from asyncmigrate._cluster.transport import CONNECT_SECONDS, Request, Response
from asyncmigrate.errors import ConfigError, TransportError, UsageError

if TYPE_CHECKING:
    import httpx
    import httpx2

    Client = httpx.AsyncClient | httpx2.AsyncClient

_LIBRARIES = frozenset({"httpx", "httpx2"})


def check_client(client: object) -> None:
    """Refuse what is no usable client.

    Raises:
        UsageError: it is a synchronous client, something else, or has no base_url.
    """
    kinds = {(c.__module__.partition(".")[0], c.__name__) for c in type(client).__mro__}
    if any((library, "Client") in kinds for library in _LIBRARIES):
        raise UsageError("the httpx client is a synchronous one: give an httpx.AsyncClient")
    if not any((library, "AsyncClient") in kinds for library in _LIBRARIES):
        raise UsageError(f"from_httpx takes an httpx.AsyncClient or httpx2.AsyncClient, not {type(client).__name__}")
    if not str(getattr(client, "base_url", "")):
        raise UsageError("the httpx client has no base_url: give it the API server's, such as https://10.0.0.1:6443")


class HttpxTransport:
    """Requests through a client that stays its caller's; `aclose` leaves it open.

    Attributes:
        server: the client's base URL, without any credentials that it may hold.
    """

    def __init__(self, client: Client) -> None:
        if client.is_closed:
            raise UsageError("the httpx client is closed: open the cluster inside its `async with` block")
        self._client: Any = client  # of either library
        names = (c.__module__.partition(".")[0] for c in type(client).__mro__)
        self._library: Any = import_module(next(name for name in names if name in _LIBRARIES))
        self._base = str(client.base_url).rstrip("/")
        self.server = str(client.base_url.copy_with(userinfo=b"")).rstrip("/")

    async def send(self, request: Request, *, within: float | None) -> Response:
        try:
            with anyio.fail_after(within):  # httpx bounds each read by itself, and so no answer that trickles in
                return await self._exchange(request, within)
        except (self._library.HTTPError, TimeoutError) as error:
            raise translate(error, self.server, within) from error
        except RuntimeError as error:
            if self._client.is_closed:
                raise ConfigError(f"{self.server}: the httpx client was closed while it was in use") from error
            raise

    async def _exchange(self, request: Request, within: float | None) -> Response:
        # The client's own headers, such as Impersonate-User, go along: httpx adds them to ours.
        async with self._client.stream(
            request.method,
            self._base + request.target,
            headers=dict(request.headers),
            content=request.body or None,
            timeout=self._library.Timeout(None, connect=min(CONNECT_SECONDS, within or CONNECT_SECONDS)),
            follow_redirects=False,
        ) as answer:
            body = await say.whole_body(answer.aiter_bytes(), self.server)
        return Response(answer.status_code, answer.headers, body)

    async def aclose(self) -> None:
        """Leave the client to its owner."""


def translate(error: Exception, base: str, within: float | None) -> TransportError:
    """Say in our words why a request got no answer; both libraries' errors have the same names."""
    words = say.one_line(error)
    if (tls := say.distrust(error)) is not None:
        return say.no_trust(base, tls)
    names = {c.__name__ for c in type(error).__mro__}
    if names & {"ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol"}:
        return say.unreachable(base, words)
    if names & {"TimeoutException", "TimeoutError"}:
        return say.no_answer(base, within)
    if "RemoteProtocolError" in names and "disconnected" not in words and "closed" not in words:
        # httpx quotes what it takes for the port of a redirect's target, which may be a piece of a password.
        return say.not_http(base, "a redirect to no URL" if "location header" in words else words)
    if "DecodingError" in names:
        return say.not_decompressed(base, words)
    return say.connection_lost(base, words)
