"""Whose turn it is: permits to send, by fair share of the server's time.

- The lane with the least goes first: the least that it holds now (what it has in flight, times the seconds that each
  takes) and has had lately beyond others. So no lane starves; one whose answers take 0.5 s gets as much time as one
  whose answers take 5 ms, not as many requests; and a slow lane has at most its share when others want theirs, and all
  there is when none does.
- A request that is out for LONG leaves the shared budget: up to half as many again are out apart from it. A lane whose
  requests are known to take so long draws on those alone while others wait. When none does it has as much as others
  would, which leaves half of the shared budget free: whoever comes next waits for nobody's webhook.
- A lane of which nothing is known yet may turn out to be such. So an eighth is kept for those that have answered, and
  its first request is taken for one of these sooner.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from enum import IntEnum
from itertools import count
from typing import Generic, TypeVar

LONG = 1.0  # seconds
LONG_AT_FIRST = 0.15  # for a lane's first request; a guess: most servers are quicker, and it costs little if not
_LEAST = 0.001  # what a request costs at least, and so how often others can go before a lane that is in debt
_KEPT = 8  # the part that is kept for lanes that have answered
_RECENT = 0.2  # the weight of a lane's newest answer in its mean
_RECENT_OF_ALL = 0.02


class Kind(IntEnum):
    """What is known of a lane."""

    QUICK = 0
    UNKNOWN = 1
    SLOW = 2


_ALL = tuple(Kind)


class LaneShare:
    """What one lane holds and has had; `known` tells one that needs no first answer to be trusted."""

    def __init__(self, *, known: bool = False) -> None:
        self.known = known
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


L = TypeVar("L", bound=LaneShare)


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


class _Waiting(Generic[L]):
    """The lanes of one kind that wait: those that hold nothing by the time they have had, and the others."""

    def __init__(self) -> None:
        self.idle: list[tuple[float, int, L]] = []
        self.busy: dict[L, None] = {}

    @property
    def first_idle(self) -> tuple[float, int, L] | None:
        while self.idle and self.idle[0][2].place != self.idle[0][1]:
            heapq.heappop(self.idle)
        return self.idle[0] if self.idle else None

    def __bool__(self) -> bool:
        return bool(self.busy) or self.first_idle is not None


class Share(Generic[L]):
    """Gives each permit to the lane whose turn it is; `size` is the shared budget while the server is not full."""

    def __init__(self, size: int) -> None:
        self._beside = size // 2  # as many may be out apart
        self.in_flight = 0
        self._apart = 0  # of them
        self._unknown = 0
        self._busy = 0  # lanes
        self._busy_apart = 0
        self._waiters = 0
        self._waiting = tuple(_Waiting[L]() for _ in Kind)
        # By how long each may be out, the oldest first.
        self._young: tuple[tuple[float, deque[Sent]], ...] = ((LONG, deque()), (LONG_AT_FIRST, deque()))
        self._number = count()
        self.virtual = 0.0  # what the lane that was last sent for had had by then
        self.usual = 0.0  # seconds, over all lanes

    @property
    def queueing(self) -> int:
        """How many lanes have requests in flight that may be waiting for the server, and not for a webhook."""
        return max(1, self._busy - self._busy_apart)

    def wait(self, lane: L, *, waits: bool) -> bool:
        """Note that a lane has something to send, or has not; True where that is news."""
        news = lane.waits != waits
        if news:
            lane.waits = waits
            self._waiters += 1 if waits else -1
            self._put(lane)
        return news

    def next(self, now: float, most: int) -> L | None:
        """The lane to send for, where one may: `most` is the shared budget as it is now."""
        if not self._waiters:
            return None
        self._age(now)
        beside = self._beside
        if not beside:  # too few to set any apart
            return self._best(now, *_ALL) if self.in_flight < most else None
        room = self.in_flight - min(self._apart, beside) < most
        quick, unknown, slow = self._waiting
        found = None
        if room and self._unknown + max(0, self._apart - beside) < most - math.ceil(most / _KEPT):
            found = self._best(now, Kind.QUICK, Kind.UNKNOWN)
        elif room:
            found = self._best(now, Kind.QUICK) or self._alone(now)
        if found is not None or not slow:
            return found
        alone = room and self._apart < most and not quick and not unknown
        return self._best(now, Kind.SLOW) if alone or self._apart < max(1, most // 2) else None

    def late_at(self) -> float:
        """When a request that is out leaves the shared budget; inf where no lane waits for that."""
        if not self._waiters:
            return math.inf
        return min((young[0].at + most for most, young in self._young if young), default=math.inf)

    def send(self, lane: L, now: float) -> Sent:
        """Give a lane one permit."""
        lane.had = max(lane.had, self.virtual)
        self.virtual = lane.had
        cost = min(LONG, max(_LEAST, lane.seconds(self.usual)))
        lane.had += cost
        sent = Sent(lane, now, cost)
        self._busy += not lane.out
        lane.out[sent] = None
        self.in_flight += 1
        kind = lane.kind
        self._young[kind is Kind.UNKNOWN][1].append(sent)
        if kind is Kind.SLOW:
            self._set_apart(sent)
        elif kind is Kind.UNKNOWN:
            sent.unknown = True
            self._unknown += 1
        self._put(lane)
        return sent

    def land(self, lane: L, sent: Sent, now: float, *, used: bool = True) -> None:
        """Take a permit back; what was never `used` tells nothing."""
        sent.landed = True
        del lane.out[sent]
        self.in_flight -= 1
        self._busy -= not lane.out
        if sent.apart:
            self._apart -= 1
            lane.apart -= 1
            self._busy_apart -= not lane.apart
        self._unknown -= sent.unknown
        if used:
            seconds = now - sent.at
            lane.had += min(LONG, max(_LEAST, seconds)) - sent.cost
            self.usual += _RECENT_OF_ALL * (seconds - self.usual)
            lane.answered(seconds, late=sent.late)
        else:
            lane.had -= sent.cost
            lane.given_back(late=sent.late)
        lane.had = min(lane.had, self.virtual + LONG)
        self._put(lane)

    def prove(self, lane: L) -> None:
        """Trust a lane from now on: it answers."""
        if not lane.known:
            lane.prove()
            self._put(lane)

    def _age(self, now: float) -> None:
        """Set apart what has been out for long by now."""
        for most, young in self._young:
            while young and (young[0].landed or now >= young[0].at + most):
                sent = young.popleft()
                if not sent.landed:
                    sent.late = True
                    sent.lane.turned_late()
                    self._set_apart(sent)
                    self._put(sent.lane)  # type: ignore[arg-type]  # it came from an L

    def _set_apart(self, sent: Sent) -> None:
        self._unknown -= sent.unknown
        sent.unknown = False
        if not sent.apart:
            sent.apart = True
            self._apart += 1
            self._busy_apart += not sent.lane.apart
            sent.lane.apart += 1

    def _put(self, lane: L) -> None:
        """Have a lane wait where it belongs, if it does wait."""
        if lane.waits and lane.out and lane.place < 0 and lane.queued is lane.kind:
            return
        if lane.queued is not None:
            self._waiting[lane.queued].busy.pop(lane, None)
            lane.queued = None
        lane.place = -1
        if not lane.waits:
            return
        lane.queued = lane.kind
        waiting = self._waiting[lane.kind]
        if lane.out:
            waiting.busy[lane] = None
        else:
            lane.place = next(self._number)
            lane.had = max(lane.had, self.virtual)
            heapq.heappush(waiting.idle, (lane.had, lane.place, lane))

    def _best(self, now: float, *kinds: Kind) -> L | None:
        lanes: list[L] = []
        first: tuple[float, int, L] | None = None
        for kind in kinds:
            waiting = self._waiting[kind]
            lanes += waiting.busy
            idle = waiting.first_idle
            if idle is not None and (first is None or idle < first):
                first = idle
        virtual, usual = self.virtual, self.usual
        if first is not None:
            if first[0] <= virtual:
                return first[2]
            lanes.insert(0, first[2])
        if len(lanes) < 2:  # noqa: PLR2004 -- then nothing is to be compared
            return lanes[0] if lanes else None
        return min(lanes, key=lambda lane: lane.weight(now, virtual, usual))

    def _alone(self, now: float) -> L | None:
        """The lane that nobody else is beside: all there is may be its."""
        found = self._best(now, Kind.UNKNOWN)
        return found if found is not None and found.in_flight == self.in_flight else None
