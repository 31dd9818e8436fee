"""A transport over a caller's own `httpx.AsyncClient`: base URL, credentials, proxies and TLS are the client's."""

from __future__ import annotations

import ssl

import anyio
import httpx

from asyncmigrate._cluster.transport import CONNECT_SECONDS, MOST_BYTES, Request, Response
from asyncmigrate.errors import (
    BadAnswerError,
    ConnectionLostError,
    RequestTimeoutError,
    TLSError,
    TransportError,
    UnreachableError,
)


class HttpxTransport:
    """Requests through a client that stays its caller's; `aclose` leaves it open."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._base = str(client.base_url).rstrip("/")

    async def send(self, request: Request, *, within: float | None) -> Response:
        try:
            with anyio.fail_after(within):  # httpx bounds each read by itself, and so no answer that trickles in
                return await self._exchange(request, within)
        except (httpx.HTTPError, TimeoutError) as error:
            raise translate(error, self._base, within) from error

    async def _exchange(self, request: Request, within: float | None) -> Response:
        async with self._client.stream(
            request.method,
            self._base + request.target,
            headers=dict(request.headers),
            content=request.body or None,
            timeout=httpx.Timeout(None, connect=min(CONNECT_SECONDS, within or CONNECT_SECONDS)),
            follow_redirects=False,
        ) as answer:
            body = await self._whole_body(answer)
        return Response(answer.status_code, answer.headers, body)

    async def _whole_body(self, answer: httpx.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in answer.aiter_bytes():
            size += len(chunk)
            if size > MOST_BYTES:
                message = f"{self._base}: the answer is larger than {MOST_BYTES:,} bytes, as no API server's is"
                raise BadAnswerError(message)
            chunks.append(chunk)
        return b"".join(chunks)

    async def aclose(self) -> None:
        """Leave the client to its owner."""


def translate(error: httpx.HTTPError | TimeoutError, base: str, within: float | None) -> TransportError:
    words = " ".join(str(error).split()) or type(error).__name__
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLCertVerificationError):
            return TLSError(f"{base}: no trust between client and server: {link}")
        link = link.__cause__ or link.__context__
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError() | httpx.UnsupportedProtocol():
            return UnreachableError(f"{base} cannot be reached: {words}")
        case httpx.TimeoutException() | TimeoutError():
            return RequestTimeoutError(f"{base}: no answer within {within or 0:g} s")
        case httpx.RemoteProtocolError() if "disconnected" not in words and "closed" not in words:
            return BadAnswerError(f"{base}: the answer is not HTTP: {words}")
        case httpx.DecodingError():
            return BadAnswerError(f"{base}: the answer cannot be decompressed: {words}")
    return ConnectionLostError(f"{base}: the connection was lost: {words}")
