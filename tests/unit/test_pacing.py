"""`--rate` in the engine: who is stopped, held or does not get on takes no place of others."""

from __future__ import annotations

import anyio
import pytest

from asyncmigrate._engine.crd_result import CRDResult, Stopped
from asyncmigrate._engine.pacing import Pace
from asyncmigrate._engine.pool import Pool
from asyncmigrate._results.report import Outcome
from asyncmigrate._rules.errors.classify import Health

RATE = 20.0


async def nothing() -> Health:
    return Health.GOOD


class FakeSender:
    """One CRD's objects, which go out at once or not at all."""

    def __init__(self, *, gets_on: bool = True, unknown: bool = False) -> None:
        self.lane = Pool(1).lane(windowed=unknown)
        self.gets_on = gets_on
        self.sent = 0

    async def until_free(self) -> None:
        while self.lane.held:
            await anyio.sleep(0.001)
        if self.lane.closed:
            raise Stopped(CRDResult(Outcome.FAILED, "Test", "stopped"))

    async def send(self, pace: Pace, count: int) -> None:
        for _ in range(count):
            await pace.until_due(self)
            self.sent += 1
            if not self.gets_on:
                self.lane.ready.add(nothing)


async def test_a_crd_whose_requests_hang_leaves_the_rate_to_the_others() -> None:
    pace = Pace(1000, most_ready=4)
    hanging, healthy = FakeSender(gets_on=False), FakeSender()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hanging.send, pace, 500)
            await healthy.send(pace, 200)
            tasks.cancel_scope.cancel()
    assert (hanging.sent, healthy.sent) == (5, 200)


async def test_a_crd_of_which_nothing_is_known_has_no_more_places_than_its_window_has_room_for() -> None:
    pace = Pace(1000, most_ready=32)
    hanging, healthy = FakeSender(gets_on=False, unknown=True), FakeSender()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hanging.send, pace, 500)
            await healthy.send(pace, 200)
            tasks.cancel_scope.cancel()
    assert (hanging.sent, healthy.sent) == (1, 200)


async def test_a_crd_that_is_stopped_while_it_waits_takes_no_place() -> None:
    pace = Pace(RATE, most_ready=4)
    await FakeSender().send(pace, 1)
    stopped = [FakeSender() for _ in range(30)]
    ended = 0

    async def until_stopped(sender: FakeSender) -> None:
        nonlocal ended
        with pytest.raises(Stopped):
            await sender.send(pace, 1000)
        ended += 1

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for sender in stopped:
                tasks.start_soon(until_stopped, sender)
            await anyio.wait_all_tasks_blocked()
            before = sum(s.sent for s in stopped)
            for sender in stopped:
                sender.lane.close()
            began = anyio.current_time()
            healthy = FakeSender()
            await healthy.send(pace, 2)
            took = anyio.current_time() - began
    assert (ended, sum(s.sent for s in stopped)) == (30, before)
    assert took < 30 / RATE / 2  # the places of thirty would take that twice


async def test_a_crd_that_is_held_takes_its_place_when_it_is_free() -> None:
    pace = Pace(1000, most_ready=4)
    held, other = FakeSender(), FakeSender()
    held.lane.held = True
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(held.send, pace, 3)
            await other.send(pace, 50)
            assert held.sent == 0
            held.lane.held = False
    assert held.sent == 3


async def test_without_a_rate_nobody_waits() -> None:
    with anyio.fail_after(5):
        await FakeSender(gets_on=False).send(Pace(None, most_ready=4), 10_000)
