"""The shared budget of requests in flight: a fixed crew of workers, and a lane with its own window for each CRD.

The budget is a window too: a server that is full cuts it for all, whichever CRD was told so. A job that waits for its
next try is in neither: it holds no worker, no slot and no place in its lane's window.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import TypeVar

import anyio

from asyncmigrate._engine.tasks import open_tasks
from asyncmigrate._rules.errors.classify import Health, health_of
from asyncmigrate._rules.flow.latency_window import LatencyWindow
from asyncmigrate._rules.flow.window import Window
from asyncmigrate.errors import MigrateError

T = TypeVar("T")


class LaneClosedError(MigrateError):
    """A call was dropped with its lane."""


Job = Callable[[], Awaitable[Health]]


class Lane:
    """The jobs of one CRD, and how many of them may run at once; without a window, as many as there are workers."""

    def __init__(self, window: Window | None, depth: LatencyWindow | None) -> None:
        self.window = window
        self.depth = depth
        self.ready: deque[Job] = deque()
        self.in_flight = 0
        self.permits = 0
        self.closed = False
        self.held = False  # nothing more is sent for now
        self.callers: set[anyio.Event] = set()
        self.landed = anyio.Event()

    @property
    def room(self) -> float:
        if self.held:
            return 0
        most = min(self.window.size, self.depth.size) if self.window and self.depth else math.inf
        return most - self.in_flight

    def close(self) -> None:
        """Drop what has not begun, and tell who waits for it; what comes back later from a wait is dropped too."""
        self.closed = True
        self.ready.clear()
        for caller in self.callers:
            caller.set()


class Pool:
    """Runs jobs, at most `size` at once. Permits pass through one queue, so that no lane can starve another."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._window = Window(size, first=size)
        self._in_flight = 0
        self._busy = 0  # lanes with something in flight
        self._permits: asyncio.Queue[Lane] = asyncio.Queue()
        self._parked: deque[Lane] = deque()  # permits that the server is too full for
        self._waiting: list[tuple[float, int, Lane, Job]] = []
        self._number = count()
        self._sooner = anyio.Event()

    @asynccontextmanager
    async def crew(self) -> AsyncIterator[None]:
        """Keep the workers at it for as long as the scope lasts."""
        async with open_tasks() as tasks:
            tasks.start_soon(self._keep_time)
            for _ in range(self.size):
                tasks.start_soon(self._work)
            yield
            tasks.cancel_scope.cancel()

    def lane(self, *, windowed: bool = True) -> Lane:
        return Lane(Window(self.size), LatencyWindow(self.size)) if windowed else Lane(None, None)

    def answered(self, lane: Lane, seconds: float) -> None:
        """Note how long an answer took that says how busy the server is: one of many of the same kind."""
        if lane.depth is not None:
            lane.depth.answered(seconds, crds=self._busy)

    def add(self, lane: Lane, job: Job, *, first: bool = False) -> None:
        """Queue a job behind (or before) the others of its lane."""
        if lane.closed:
            return
        (lane.ready.appendleft if first else lane.ready.append)(job)
        self._grant(lane)

    def add_later(self, wait: float, lane: Lane, job: Job) -> None:
        """Queue a job in `wait` seconds."""
        due = anyio.current_time() + wait
        heapq.heappush(self._waiting, (due, next(self._number), lane, job))
        if self._waiting[0][0] == due:
            self._sooner.set()

    async def call(self, lane: Lane, ask: Callable[[], Awaitable[T]]) -> T:
        """Run `ask` as the next job of its lane, and return or raise as it does.

        Raises:
            LaneClosedError: the lane was closed before an answer came.
        """
        if lane.closed:
            raise LaneClosedError
        done = anyio.Event()
        result: list[T] = []
        failure: list[MigrateError] = []

        async def job() -> Health:
            try:
                result.append(await ask())
            except MigrateError as error:
                failure.append(error)
                return health_of(error)
            finally:
                done.set()
            return Health.GOOD

        lane.callers.add(done)
        try:
            self.add(lane, job, first=True)
            await done.wait()
        finally:
            lane.callers.discard(done)
        if failure:
            raise failure.pop()  # not kept: its traceback leads here, and only the garbage collector would free the two
        if not result:
            raise LaneClosedError
        return result[0]

    def hold(self, lane: Lane, *, held: bool) -> None:
        """Send nothing more of a lane, or go on with it."""
        lane.held = held
        self._grant(lane)

    async def drain(self, lane: Lane) -> None:
        """Close a lane and wait for the answers to what it has in flight: they still count."""
        lane.close()
        while lane.in_flight:
            lane.landed = anyio.Event()
            await lane.landed.wait()

    def _grant(self, lane: Lane) -> None:
        while lane.permits < len(lane.ready) and lane.permits < lane.room:
            lane.permits += 1
            self._permits.put_nowait(lane)

    async def _work(self) -> None:
        while True:
            lane = await self._permits.get()
            if self._in_flight >= self._window.size:
                self._parked.append(lane)
                continue
            lane.permits -= 1
            if lane.ready and lane.room >= 1:
                await self._run(lane, lane.ready.popleft())
                self._grant(lane)
            while self._parked and self._in_flight + self._permits.qsize() < self._window.size:
                self._permits.put_nowait(self._parked.popleft())

    async def _run(self, lane: Lane, job: Job) -> None:
        window = lane.window
        epochs = self._window.epoch, window.epoch if window else 0
        self._busy += not lane.in_flight
        lane.in_flight += 1
        self._in_flight += 1
        full = False
        try:
            health = await job()
            full = window is not None and lane.in_flight >= window.size
        finally:
            lane.in_flight -= 1
            self._in_flight -= 1
            self._busy -= not lane.in_flight
            lane.landed.set()
        if health is Health.GOOD:
            self._window.good()
        elif health is Health.FULL:
            self._window.bad(epochs[0])
        if window and health is not Health.GOOD:
            window.bad(epochs[1])
        elif window and full:  # what was never tried proves nothing
            window.good()

    async def _keep_time(self) -> None:
        while True:
            wait = self._waiting[0][0] - anyio.current_time() if self._waiting else math.inf
            if wait > 0:
                self._sooner = anyio.Event()
                with anyio.move_on_after(wait):
                    await self._sooner.wait()
                continue
            _, _, lane, job = heapq.heappop(self._waiting)
            self.add(lane, job)
