"""The seam between us and the network: a request in, a response out, bytes both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec


class Request(msgspec.Struct, frozen=True):
    """One HTTP request to the API server.

    Attributes:
        method: an HTTP method, upper case.
        target: the path and query below the server's base URL, percent-encoded, beginning with `/`.
        headers: sent as they are; the transport adds credentials, User-Agent and Host.
        body: the bytes to send.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class Response(msgspec.Struct, frozen=True):
    """One whole HTTP response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Moves bytes to one API server and back, with the caller's credentials; renewing those is its affair."""

    async def send(self, request: Request, *, within: float | None) -> Response:
        """Send one request and read the whole response, whatever its status.

        A 401 comes back only after credentials that can be renewed have been renewed and tried once.

        Args:
            request: what to send.
            within: seconds for the whole exchange; None waits for as long as the server does.

        Raises:
            TransportError: no whole answer came; the subclass says why.
        """
        ...

    async def aclose(self) -> None:
        """Close what this transport opened, and nothing that its caller brought."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A transport, and what it leads to."""

    transport: Transport
    server: str
    context: str = ""
