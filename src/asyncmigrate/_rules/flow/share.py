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
- One dead webhook may serve a hundred lanes. A lane is a suspect while requests of its kin are out for long: it goes
  after all others of which nothing is known, and these may have half of the eighth that is kept.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from itertools import count
from typing import Generic, TypeVar

from asyncmigrate._rules.flow.lane_share import LONG, LONG_AT_FIRST, Kind, LaneShare, Sent

_LEAST = 0.001  # what a request costs at least, and so how often others can go before a lane that is in debt
_KEPT = 8  # the part that is kept for lanes that have answered; of it half for lanes that are no suspects
_RECENT_OF_ALL = 0.02
_ALL = tuple(Kind)

L = TypeVar("L", bound=LaneShare)


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
        self._late_kin: Counter[str] = Counter()
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
        found = self._best_of_quick_and_unknown(now, most) if room else None
        slow = self._waiting[Kind.SLOW]
        if found is not None or not slow:
            return found
        alone = room and self._apart < most and not any(self._waiting[: Kind.SLOW])
        return self._best(now, Kind.SLOW) if alone or self._apart < max(1, most // 2) else None

    def _best_of_quick_and_unknown(self, now: float, most: int) -> L | None:
        self._suspect()
        kept = math.ceil(most / _KEPT)
        taken = self._unknown + max(0, self._apart - self._beside)  # what may hang for long
        if taken < max(1, most - kept):
            return self._best(now, Kind.QUICK, Kind.UNKNOWN if self._waiting[Kind.UNKNOWN] else Kind.SUSPECT)
        if self._late_kin and taken < most - max(1, kept // 2):
            return self._best(now, Kind.QUICK, Kind.UNKNOWN)
        return self._best(now, Kind.QUICK) or self._alone(now)

    def _suspect(self) -> None:
        """Have the lane of which nothing is known, and that is next, wait with the suspects if it is one."""
        unknown = self._waiting[Kind.UNKNOWN]
        while (first := unknown.first_idle) is not None and self._late_kin[first[2].kin]:
            first[2].kind = Kind.SUSPECT
            self._put(first[2])

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
        first = kind in {Kind.UNKNOWN, Kind.SUSPECT}
        self._young[first][1].append(sent)
        if kind is Kind.SLOW:
            self._set_apart(sent)
        elif first:
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
        if sent.late and lane.kin:
            self._late_kin[lane.kin] -= 1
            if not self._late_kin[lane.kin]:
                del self._late_kin[lane.kin]
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
                    if sent.lane.kin:
                        self._late_kin[sent.lane.kin] += 1
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
        found = self._best(now, Kind.UNKNOWN, Kind.SUSPECT)
        return found if found is not None and found.in_flight == self.in_flight else None
