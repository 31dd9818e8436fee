"""A transport over a caller's own `httpx.AsyncClient`: URL, headers, credentials, proxies and TLS are the client's."""

from __future__ import annotations

import anyio
import httpx

from asyncmigrate._cluster import translate as say
from asyncmigrate._cluster.transport import CONNECT_SECONDS, Request, Response
from asyncmigrate.errors import TransportError


class HttpxTransport:
    """Requests through a client that stays its caller's; `aclose` leaves it open.

    Attributes:
        server: the client's base URL, without any credentials that it may hold.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._base = str(client.base_url).rstrip("/")
        self.server = str(client.base_url.copy_with(userinfo=b"")).rstrip("/")

    async def send(self, request: Request, *, within: float | None) -> Response:
        try:
            with anyio.fail_after(within):  # httpx bounds each read by itself, and so no answer that trickles in
                return await self._exchange(request, within)
        except (httpx.HTTPError, TimeoutError) as error:
            raise translate(error, self.server, within) from error

    async def _exchange(self, request: Request, within: float | None) -> Response:
        # The client's own headers, such as Impersonate-User, go along: httpx adds them to ours.
        async with self._client.stream(
            request.method,
            self._base + request.target,
            headers=dict(request.headers),
            content=request.body or None,
            timeout=httpx.Timeout(None, connect=min(CONNECT_SECONDS, within or CONNECT_SECONDS)),
            follow_redirects=False,
        ) as answer:
            body = await say.whole_body(answer.aiter_bytes(), self.server)
        return Response(answer.status_code, answer.headers, body)

    async def aclose(self) -> None:
        """Leave the client to its owner."""


def translate(error: httpx.HTTPError | TimeoutError, base: str, within: float | None) -> TransportError:
    words = say.one_line(error)
    if (tls := say.distrust(error)) is not None:
        return say.no_trust(base, tls)
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError() | httpx.UnsupportedProtocol():
            return say.unreachable(base, words)
        case httpx.TimeoutException() | TimeoutError():
            return say.no_answer(base, within)
        case httpx.RemoteProtocolError() if "disconnected" not in words and "closed" not in words:
            return say.not_http(base, words)
        case httpx.DecodingError():
            return say.not_decompressed(base, words)
    return say.connection_lost(base, words)
