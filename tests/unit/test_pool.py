"""The pool under attack: few permits, many lanes, lanes that are held, closed, probing, or whose jobs raise."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from asyncmigrate._engine.pool import Job, Lane, LaneClosedError, Pool
from asyncmigrate._rules.errors.classify import Health
from asyncmigrate.errors import UsageError

pytestmark = pytest.mark.timeout(30)


class Done:
    """Jobs that count themselves, and say when so many are done."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.now = self.most = 0
        self._changed = anyio.Event()

    def job(self, name: str, *, turns: int = 1, health: Health = Health.GOOD, until: anyio.Event | None = None) -> Job:
        async def run() -> Health:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                if until is not None:
                    await until.wait()
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
            finally:
                self.now -= 1
            self.names.append(name)
            self._changed.set()
            return health

        return run

    async def reach(self, count: int) -> None:
        while len(self.names) < count:
            self._changed = anyio.Event()
            await self._changed.wait()


@asynccontextmanager
async def crew(size: int) -> AsyncIterator[tuple[Pool, Done]]:
    pool = Pool(size)
    async with pool.crew():
        yield pool, Done()


@pytest.mark.parametrize("size", [1, 2, 3, 32])
async def test_every_job_of_every_lane_is_run(size: int) -> None:
    async with crew(size) as (pool, done):
        lanes = [pool.lane(windowed=n % 3 > 0) for n in range(50)]
        for number in range(1000):
            health = Health.STRAINED if number % 7 == 0 else Health.GOOD
            pool.add(lanes[number % 50], done.job(str(number), turns=number % 4, health=health))
        await done.reach(1000)
        assert sorted(map(int, done.names)) == list(range(1000))
        assert done.most <= size + size // 2  # more than `size` only where this machine stands still


@pytest.mark.parametrize("size", [1, 2])
async def test_calls_and_jobs_beside_each_other_do_not_wait_for_ever(size: int) -> None:
    async with crew(size) as (pool, done):
        lane, other = pool.lane(), pool.lane(windowed=False)

        async def ask() -> int:
            await anyio.lowlevel.checkpoint()
            return 7

        for number in range(20):
            pool.add(lane, done.job(str(number), health=Health.FULL))
        assert [await pool.call(x, ask) for x in (lane, other, lane, other)] == [7] * 4
        await done.reach(20)


async def test_thousands_of_lanes_cost_little_each() -> None:
    async with crew(32) as (pool, done):
        for number in range(5000):
            pool.add(pool.lane(), done.job(str(number)))
        began = anyio.current_time()
        await done.reach(5000)
        assert anyio.current_time() - began < 10


async def test_a_held_lane_sends_nothing_though_it_had_permits() -> None:
    async with crew(4) as (pool, done):
        lane, other = pool.lane(windowed=False), pool.lane()
        for number in range(3):
            pool.add(lane, done.job(f"held-{number}"))
        pool.hold(lane, held=True)  # before any of them began
        for number in range(20):
            pool.add(other, done.job(str(number)))
        await done.reach(20)
        assert not any(name.startswith("held") for name in done.names)
        pool.hold(lane, held=False)
        await done.reach(23)


async def test_a_closed_lane_drops_its_jobs_and_gives_its_permits_back() -> None:
    async with crew(2) as (pool, done):
        go = anyio.Event()
        lane = pool.lane(windowed=False)
        pool.add(lane, done.job("in flight", until=go))
        await anyio.wait_all_tasks_blocked()
        for number in range(5):
            pool.add(lane, done.job(str(number)))
        pool.add_later(0.01, lane, done.job("later"))
        lane.close()  # it has a permit for another by now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.drain, lane)
            await anyio.wait_all_tasks_blocked()
            go.set()
        with pytest.raises(LaneClosedError):
            await pool.call(lane, anyio.sleep_forever)
        other = pool.lane(windowed=False)
        for number in range(5):
            pool.add(other, done.job(f"other-{number}"))
        await done.reach(6)
        assert done.names == ["in flight", *(f"other-{n}" for n in range(5))]


async def test_lanes_that_open_and_close_at_random_leave_nothing_behind() -> None:
    chance = random.Random(5)  # noqa: S311 -- what is drawn must repeat
    async with crew(3) as (pool, done):
        for number in range(300):
            lane = pool.lane(windowed=chance.random() < 0.5)
            for job in range(chance.randrange(6)):
                pool.add(lane, done.job(f"{number}-{job}", turns=chance.randrange(3)))
            await anyio.lowlevel.checkpoint()
            if chance.random() < 0.5:
                await pool.drain(lane)
        last = pool.lane()
        pool.add(last, done.job("last"))
        while "last" not in done.names:
            await done.reach(len(done.names) + 1)


async def with_job(job: Job) -> None:
    async with crew(2) as (pool, _):
        pool.add(pool.lane(), job)
        await anyio.sleep_forever()


async def test_a_job_that_raises_ends_the_crew() -> None:
    async def bad() -> Health:
        raise UsageError("no")

    with pytest.raises(UsageError):
        await with_job(bad)


async def test_a_cancelled_crew_ends_what_is_in_flight() -> None:
    with anyio.move_on_after(0.05) as scope:
        async with crew(2) as (pool, done):
            for _ in range(20):
                pool.add(pool.lane(), done.job("never", until=anyio.Event()))
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_requests_that_hang_leave_the_budget_to_others() -> None:
    async with crew(2) as (pool, done):
        go = anyio.Event()
        for _ in range(5):
            pool.add(pool.lane(), done.job("hung", until=go))
        await anyio.wait_all_tasks_blocked()
        other = pool.lane(windowed=False)
        for number in range(20):
            pool.add(other, done.job(str(number)))
        await done.reach(20)
        go.set()
        await done.reach(25)
        assert done.most <= 3


async def test_a_probing_lane_sends_one_at_a_time_and_no_fresh_job_without_a_retry() -> None:
    async with crew(8) as (pool, done):
        lane: Lane = pool.lane(windowed=False)
        pool.probe(lane, probing=True)
        pool.add_later(0.01, lane, done.job("retry"))
        for number in range(5):
            pool.add(lane, done.job(f"fresh-{number}"))
        await done.reach(2)
        assert done.names[:2] == ["retry", "fresh-0"]
        await done.reach(6)  # nothing is tried again any more: the others are the only witnesses
        assert done.most == 1
        pool.add(lane, done.job("last"))
        pool.probe(lane, probing=False)
        await done.reach(7)


def test_timers_act_under_asyncio_run_too() -> None:
    """Only anyio.run sets what anyio.current_time needs in a timer's callback."""
    failures: list[dict[str, object]] = []

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        pool, done, never = Pool(8), Done(), anyio.Event()
        async with pool.crew():
            for number in range(7):  # an eighth is kept, so that the next one waits until these are known to be long
                pool.add(pool.lane(), done.job(f"hangs-{number}", until=never))
            await anyio.wait_all_tasks_blocked()
            pool.add(pool.lane(), done.job("other"))
            held = pool.lane()
            loop.call_soon(lambda: pool.hold(held, held=True))
            await done.reach(1)
            never.set()
        return done.names

    assert asyncio.run(main()) == ["other"]
    assert not failures
