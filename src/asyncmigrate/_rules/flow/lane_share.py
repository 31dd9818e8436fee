"""What one lane holds of the server's time, and what is known of it from its answers."""

from __future__ import annotations

from enum import IntEnum

LONG = 1.0  # seconds
LONG_AT_FIRST = 0.15  # for a lane's first request; a guess: most servers are quicker, and it costs little if not
_RECENT = 0.2  # the weight of a lane's newest answer in its mean


class Kind(IntEnum):
    """What is known of a lane."""

    QUICK = 0
    UNKNOWN = 1
    SUSPECT = 2  # unknown, and requests of its kin are out for long
    SLOW = 3


class LaneShare:
    """What one lane holds and has had.

    Attributes:
        known: it needs no first answer to be trusted.
        kin: what it shares with lanes that most likely hang if it does; empty where it shares nothing.
    """

    def __init__(self, *, known: bool = False, kin: str = "") -> None:
        self.known = known
        self.kin = kin
        self.kind = Kind.QUICK if known else Kind.UNKNOWN
        self.out: dict[Sent, None] = {}  # the oldest first
        self.apart = 0  # of them
        self._mean: float | None = None
        self._was_long = False
        self._late = 0
        self.had = 0.0  # virtual time
        self.waits = False
        self.place = -1  # among those that hold nothing
        self.queued: Kind | None = None

    @property
    def in_flight(self) -> int:
        return len(self.out)

    def seconds(self, usual: float) -> float:
        """What a request of it takes."""
        return usual if self._mean is None else self._mean

    def weight(self, now: float, virtual: float, usual: float) -> float:
        """What it holds (in flight, times the seconds or the longer wait of each), and had beyond others."""
        weight = max(0.0, self.had - virtual)
        for oldest in self.out:
            seconds = usual if self._mean is None else self._mean
            return weight + len(self.out) * max(seconds, now - oldest.at)
        return weight

    def prove(self) -> None:
        self.known = True
        self._note_kind()

    def turned_late(self) -> None:
        self._late += 1
        self._note_kind()

    def answered(self, seconds: float, *, late: bool) -> None:
        self._was_long = seconds >= LONG
        self._mean = seconds if self._mean is None else self._mean + _RECENT * (seconds - self._mean)
        self.given_back(late=late)

    def given_back(self, *, late: bool) -> None:
        self._late -= late
        self._note_kind()

    def _note_kind(self) -> None:
        if self._late or self._was_long:
            self.kind = Kind.SLOW
        else:
            self.kind = Kind.QUICK if self.known else Kind.UNKNOWN


class Sent:
    """One permit, from when it is given until the answer."""

    __slots__ = ("apart", "at", "cost", "landed", "lane", "late", "unknown")

    def __init__(self, lane: LaneShare, at: float, cost: float) -> None:
        self.lane = lane
        self.at = at
        self.cost = cost
        self.apart = False
        self.late = False
        self.unknown = False
        self.landed = False
