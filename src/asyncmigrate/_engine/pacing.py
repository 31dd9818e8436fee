"""`--rate`: at most so many objects a second over all CRDs, of which only what goes out takes a place."""

from __future__ import annotations

from typing import Protocol

import anyio

from asyncmigrate._engine.pool import Lane
from asyncmigrate._rules.flow.lane_share import Kind
from asyncmigrate._rules.flow.rate_limit import RateLimit

_PAUSE = 0.02  # between looks at a lane that does not move


class Sender(Protocol):
    """What sends one CRD's objects; `until_free` raises where it is stopped."""

    lane: Lane

    async def until_free(self) -> None: ...


class Pace:
    """Gives places to objects of all CRDs in turn. None for a rate sets no bound."""

    def __init__(self, rate: float | None, *, most_ready: int) -> None:
        """Set a pace.

        Args:
            rate: objects a second.
            most_ready: how many objects of a CRD that answers quickly may have a place and not be sent yet. Of one that
                hangs, or of which nothing is known, only those have a place that its window has room for: the others
                would use up what other CRDs could send.
        """
        self._limit = RateLimit(rate) if rate is not None else None
        self._most_ready = most_ready
        self._turn = anyio.Lock(fast_acquire=True)
        self._has_place = False  # that nobody wanted in the end

    async def until_due(self, sender: Sender) -> None:
        """Wait until one more object may be sent; a wait holds no slot and no worker.

        Raises:
            Stopped: by then nothing of it is to be sent, and it has taken no place.
        """
        await sender.until_free()
        while self._limit is not None and not await self._takes_place(self._limit, sender.lane):
            await anyio.sleep(_PAUSE)  # no event tells that a lane has moved on
            await sender.until_free()

    async def _takes_place(self, limit: RateLimit, lane: Lane) -> bool:
        if not self._is_wanted(lane):
            return False
        async with self._turn:
            if not self._has_place:
                wait = limit.wait(anyio.current_time())
                self._has_place = True
                await anyio.sleep(wait)
            if not self._is_wanted(lane):
                return False
            self._has_place = False
            return True

    def _is_wanted(self, lane: Lane) -> bool:
        if lane.held or lane.closed:
            return False
        if lane.kind is Kind.QUICK or lane.window is None:
            return len(lane.ready) <= self._most_ready
        return lane.in_flight + len(lane.ready) < lane.window.size
