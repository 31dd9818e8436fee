"""A transport over a caller's own `httpx.AsyncClient`: base URL, credentials, proxies and TLS are the client's.

httpx2 has the same names, so a client of it will do. The client tells which of the two it is; the other is not needed.
"""

from __future__ import annotations

import ssl
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio

from asyncmigrate._cluster.transport import CONNECT_SECONDS, MOST_BYTES, Request, Response
from asyncmigrate.errors import (
    BadAnswerError,
    ConfigError,
    ConnectionLostError,
    MigrateError,
    RequestTimeoutError,
    TLSError,
    UnreachableError,
    UsageError,
)

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
    """Requests through a client that stays its caller's; `aclose` leaves it open."""

    def __init__(self, client: Client) -> None:
        if client.is_closed:
            raise UsageError("the httpx client is closed: open the cluster inside its `async with` block")
        self._client: Any = client  # of either library
        names = (c.__module__.partition(".")[0] for c in type(client).__mro__)
        self._library: Any = import_module(next(name for name in names if name in _LIBRARIES))
        self._base = str(client.base_url).rstrip("/")

    async def send(self, request: Request, *, within: float | None) -> Response:
        try:
            with anyio.fail_after(within):  # httpx bounds each read by itself, and so no answer that trickles in
                return await self._exchange(request, within)
        except (self._library.HTTPError, TimeoutError) as error:
            raise translate(error, self._base, within) from error
        except RuntimeError as error:
            if self._client.is_closed:
                raise ConfigError(f"{self._base}: the httpx client was closed while it was in use") from error
            raise

    async def _exchange(self, request: Request, within: float | None) -> Response:
        async with self._client.stream(
            request.method,
            self._base + request.target,
            headers=dict(request.headers),
            content=request.body or None,
            timeout=self._library.Timeout(None, connect=min(CONNECT_SECONDS, within or CONNECT_SECONDS)),
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


def translate(error: Exception, base: str, within: float | None) -> MigrateError:
    """Say in our words why a request got no answer; both libraries' errors have the same names."""
    words = " ".join(str(error).split()) or type(error).__name__
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLCertVerificationError):
            return TLSError(f"{base}: no trust between client and server: {link}")
        link = link.__cause__ or link.__context__
    names = {c.__name__ for c in type(error).__mro__}
    if names & {"ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol"}:
        return UnreachableError(f"{base} cannot be reached: {words}")
    if names & {"TimeoutException", "TimeoutError"}:
        return RequestTimeoutError(f"{base}: no answer within {within or 0:g} s")
    if "RemoteProtocolError" in names and "disconnected" not in words and "closed" not in words:
        return BadAnswerError(f"{base}: the answer is not HTTP: {words}")
    if "DecodingError" in names:
        return BadAnswerError(f"{base}: the answer cannot be decompressed: {words}")
    return ConnectionLostError(f"{base}: the connection was lost: {words}")
