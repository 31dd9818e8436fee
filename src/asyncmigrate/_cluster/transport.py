"""The seam between us and the network: a request in, a response out, bytes both ways."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol

import msgspec

from asyncmigrate._rules.safety.move_age import Sightings

# A page of fifty CRDs, each as large as etcd lets it be, with some to spare: what is larger is no API server's answer.
MOST_BYTES = 128 * 1024 * 1024
CONNECT_SECONDS = 10.0  # for a connection: where none comes by then, nothing listens there


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
    """One whole HTTP response; `headers` finds names in lower case, and may find them in any."""

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


class ServerClock:
    """What the server's clock shows, from the `Date` of its answers; never ahead of it.

    Of several answers that which shows the earliest time counts: there may be several servers, and what stands in front
    of them may have a clock of its own.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None  # of our monotonic clock, in seconds

    def note(self, headers: Mapping[str, str]) -> None:
        """Take the time of an answer of the API server's own."""
        if not (date := headers.get("date")):
            return
        try:
            ahead = parsedate_to_datetime(date).timestamp() - time.monotonic()
        except ValueError:
            return
        self._ahead = ahead if self._ahead is None else min(self._ahead, ahead)

    @property
    def now(self) -> float | None:
        """Seconds since the epoch; None where no answer has told yet."""
        return None if self._ahead is None else self._ahead + time.monotonic()


class Traffic:
    """How many requests are in flight now. To count costs next to nothing, an event for each start would not."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        self.in_flight = 0


@dataclass(frozen=True, slots=True)
class OpenCluster:
    """A transport, what it leads to, what time it is there, and since when its CRDs are known as they are."""

    transport: Transport
    server: str
    context: str = ""
    clock: ServerClock = field(default_factory=ServerClock)
    sightings: Sightings = field(default_factory=Sightings)
    traffic: Traffic = field(default_factory=Traffic)
