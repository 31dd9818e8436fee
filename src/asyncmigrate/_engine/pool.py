"""The shared budget of requests in flight: a fixed crew of workers, and a lane with its own window for each CRD.

The budget is a window too: a server that is full cuts it for all, whichever CRD was told so. Which lane is next is for
`Share` to say. A job that waits for its next try is in none of these: it holds no worker, no slot and no place in its
lane's window.
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
from asyncmigrate._rules.flow.lane_queue import LaneQueue
from asyncmigrate._rules.flow.lane_share import LaneShare, Sent
from asyncmigrate._rules.flow.latency_window import LatencyWindow
from asyncmigrate._rules.flow.share import Share
from asyncmigrate._rules.flow.window import Window
from asyncmigrate.errors import MigrateError

T = TypeVar("T")


def _now() -> float:
    """The loop's time, as anyio has it; anyio.current_time does not work in a timer's callback under asyncio.run."""
    return asyncio.get_running_loop().time()


class LaneClosedError(MigrateError):
    """A call was dropped with its lane."""


Job = Callable[[], Awaitable[Health]]


class Lane(LaneShare):
    """The jobs of one CRD, and how many of them may run at once; without a window, as many as there are workers."""

    def __init__(self, window: Window | None, depth: LatencyWindow | None, *, kin: str = "") -> None:
        super().__init__(known=window is None, kin=kin)
        self.window = window
        self.depth = depth
        self.ready = LaneQueue[Job]()
        self.closed = False
        self.held = False  # nothing more is sent for now
        self.begun = 0  # of what is in flight; the others have a permit only
        self.callers: set[anyio.Event] = set()
        self.landed = anyio.Event()

    @property
    def wants(self) -> bool:
        """Something is to be sent now, beside what is in flight."""
        if self.held or self.in_flight - self.begun >= self.ready.sendable or (self.ready.probing and self.in_flight):
            return False
        return not self.window or not self.depth or self.in_flight < min(self.window.size, self.depth.size)

    def take(self) -> Job | None:
        """The next job, where one may begin by now."""
        return None if self.held else self.ready.take()

    def close(self) -> None:
        """Drop what has not begun, and tell who waits for it; what comes back later from a wait is dropped too."""
        self.closed = True
        self.ready.clear()
        for caller in self.callers:
            caller.set()


class Pool:
    """Runs jobs: at most `size` at once, and up to half as many again that are out for long."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._window = Window(size, first=size)
        self._share: Share[Lane] = Share(size)
        self._permits: deque[tuple[Lane, Sent]] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()  # workers
        self._roused = 0  # of them, those that are told and have not come yet
        self._aging: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[float, int, Lane, Job]] = []
        self._number = count()
        self._sooner = anyio.Event()

    @asynccontextmanager
    async def crew(self) -> AsyncIterator[None]:
        """Keep the workers at it for as long as the scope lasts."""
        async with open_tasks() as tasks:
            tasks.start_soon(self._keep_time)
            for _ in range(self.size + self.size // 2):
                tasks.start_soon(self._work)
            try:
                yield
            finally:
                if self._aging is not None:
                    self._aging.cancel()
                tasks.cancel_scope.cancel()

    def lane(self, *, windowed: bool = True, kin: str = "") -> Lane:
        """A lane; if lanes of the same `kin` hang, it is tried after others of which nothing is known."""
        return Lane(Window(self.size), LatencyWindow(self.size), kin=kin) if windowed else Lane(None, None)

    def answered(self, lane: Lane, seconds: float) -> None:
        """Note how long an answer took that says how busy the server is: one of many of the same kind."""
        self._share.prove(lane)
        if lane.depth is not None:
            lane.depth.answered(seconds, crds=self._share.queueing)

    def add(self, lane: Lane, job: Job, *, first: bool = False) -> None:
        """Queue a job behind (or before) the others of its lane."""
        if lane.closed:
            return
        (lane.ready.add_first if first else lane.ready.add)(job)
        self._look_at(lane)

    def add_later(self, wait: float, lane: Lane, job: Job) -> None:
        """Queue a job in `wait` seconds."""
        due = _now() + wait
        lane.ready.later += 1
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
        self._look_at(lane)

    def probe(self, lane: Lane, *, probing: bool) -> None:
        """Have a lane send one request at a time until it gets better, or go on with it."""
        if lane.ready.probing != probing:
            lane.ready.probing = probing
            self._look_at(lane)

    async def drain(self, lane: Lane) -> None:
        """Close a lane and wait for the answers to what it has in flight: they still count."""
        lane.close()
        while lane.in_flight:
            lane.landed = anyio.Event()
            await lane.landed.wait()

    def _look_at(self, lane: Lane) -> None:
        """Give permits, if a lane wants one by now that did not want any before."""
        if self._share.wait(lane, waits=lane.wants):
            self._give_permits(_now())

    def _give_permits(self, now: float, *, workers: int = 0) -> None:
        """Give what may be given; so many workers come for it without being told."""
        while (lane := self._share.next(now, self._window.size)) is not None:
            self._permits.append((lane, self._share.send(lane, now)))
            self._share.wait(lane, waits=lane.wants)
        while self._idle and len(self._permits) > self._roused + workers:
            worker = self._idle.popleft()
            if not worker.done():
                worker.set_result(None)
                self._roused += 1
        if self._aging is None and (late := self._share.late_at()) < math.inf:
            self._aging = asyncio.get_running_loop().call_at(late, self._aged)

    def _aged(self) -> None:
        self._aging = None
        self._give_permits(_now())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._permits:
                told = loop.create_future()
                self._idle.append(told)
                await told
                self._roused -= 1
            lane, sent = self._permits.popleft()
            job = lane.take()
            try:
                if job is not None:
                    lane.begun += 1
                    await self._run(lane, job)
            finally:
                lane.begun -= job is not None
                now = loop.time()
                self._share.land(lane, sent, now, used=job is not None)
                lane.landed.set()
            self._share.wait(lane, waits=lane.wants)
            self._give_permits(now, workers=1)

    async def _run(self, lane: Lane, job: Job) -> None:
        window = lane.window
        epochs = self._window.epoch, window.epoch if window else 0
        health = await job()
        if health is Health.GOOD:
            self._window.good()
        elif health is Health.FULL:
            self._window.bad(epochs[0])
        if window and health is not Health.GOOD:
            window.bad(epochs[1])
        elif window and lane.in_flight >= window.size:  # what was never tried proves nothing
            window.good()

    async def _keep_time(self) -> None:
        while True:
            wait = self._waiting[0][0] - _now() if self._waiting else math.inf
            if wait > 0:
                self._sooner = anyio.Event()
                with anyio.move_on_after(wait):
                    await self._sooner.wait()
                continue
            _, _, lane, job = heapq.heappop(self._waiting)
            if not lane.closed:
                lane.ready.add_due(job)
                self._look_at(lane)
