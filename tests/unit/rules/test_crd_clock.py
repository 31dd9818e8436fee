"""When a CRD is given up, when it is probed, how the next object is asked about, and in which order jobs go."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._rules.errors.causes import Cause
from asyncmigrate._rules.flow.crd_clock import FIRST, CRDClock
from asyncmigrate._rules.flow.first_request import FirstRequest
from asyncmigrate._rules.flow.lane_queue import LaneQueue


def fail(
    clock: CRDClock, times: int, *, began: float = 0.0, takes: float = 0.0, cause: Cause = Cause.WEBHOOK_DOWN
) -> None:
    for _ in range(times):
        clock.failed(cause, began=began, now=began + takes, budget=150.0 if cause is Cause.WEBHOOK_DOWN else 30.0)


def test_a_crd_is_over_once_nothing_counted_for_as_long_as_its_budget() -> None:
    clock = CRDClock()
    assert not clock.is_over(1e9)
    fail(clock, 5, began=100.0)
    assert not clock.is_over(249.0)
    assert clock.is_over(250.0)
    clock.answered(251.0)
    assert not clock.is_over(1e9)
    fail(clock, 5, began=1000.0)
    assert not clock.is_over(1149.0)
    assert clock.is_over(1150.0)


def test_the_longest_budget_among_the_causes_counts() -> None:
    clock = CRDClock()
    fail(clock, 3, cause=Cause.WEBHOOK_DOWN)
    fail(clock, 3, cause=Cause.UNREACHABLE)
    assert not clock.is_over(149.0)
    assert clock.is_over(150.0)


def test_answers_that_are_lost_at_once_are_no_verdict_until_something_was_tried_again() -> None:
    clock = CRDClock()
    fail(clock, 5, takes=60.0, cause=Cause.NO_ANSWER)
    assert not clock.is_over(60.0)
    fail(clock, 1, began=61.0, takes=60.0, cause=Cause.NO_ANSWER)
    assert clock.is_over(121.0)


def test_the_time_before_the_last_answer_does_not_count() -> None:
    clock = CRDClock()
    clock.answered(40.0)
    fail(clock, 3, began=0.0, takes=60.0)
    fail(clock, 3, began=60.0)
    assert not clock.is_over(189.0)
    assert clock.is_over(190.0)


def test_one_request_that_takes_longer_than_the_budget_is_no_verdict() -> None:
    clock = CRDClock()
    fail(clock, 1)
    assert not clock.is_over(1000.0)


@pytest.mark.parametrize(
    ("failures", "probes"),
    [
        ([(Cause.WEBHOOK_DOWN, FIRST - 1)], False),
        ([(Cause.WEBHOOK_DOWN, FIRST)], True),
        ([(Cause.NO_ANSWER, FIRST)], True),
        ([(Cause.WEBHOOK_DOWN, FIRST), (Cause.SERVER_ERROR, 1)], False),
        ([(Cause.WEBHOOK_DOWN, FIRST), (Cause.NO_ANSWER, 1)], False),
        ([(Cause.SERVER_FULL, 10 * FIRST)], False),
    ],
)
def test_a_crd_is_probed_while_all_fails_for_one_outside_cause(failures: list[tuple[Cause, int]], probes: bool) -> None:  # noqa: FBT001
    clock = CRDClock()
    for cause, times in failures:
        fail(clock, times, cause=cause)
    assert clock.probes == probes
    clock.answered(1.0)
    assert not clock.probes


def test_what_several_objects_in_a_row_met_is_expected_of_the_next() -> None:
    first = FirstRequest()
    for _ in range(3):
        assert not first.looks
        first.gone()
    assert (first.looks, first.straight) == (True, False)
    for _ in range(3):
        first.refused()
    assert (first.looks, first.straight) == (False, True)
    first.settled()
    assert (first.looks, first.straight) == (False, False)


@given(st.lists(st.sampled_from(("first", "due", "fresh", "probe", "stop", "take")), max_size=60))
def test_nothing_is_lost_and_something_is_always_sendable(steps: list[str]) -> None:
    queue: LaneQueue[int] = LaneQueue()
    put: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    for number, step in enumerate(steps):
        if step == "take":
            sendable = queue.sendable
            job = queue.take()
            assert (job is not None) == (sendable > 0)
            taken[-1 if job is None else job] += 1
        elif step in {"probe", "stop"}:
            queue.probing = step == "probe"
        else:
            put[number] += 1
            if step == "due":
                queue.later += 1
            {"first": queue.add_first, "due": queue.add_due, "fresh": queue.add}[step](number)
    # No retry is waited for, so that even a lane that is probed can send all.
    while (job := queue.take()) is not None:
        taken[job] += 1
    del taken[-1]
    assert taken == put


def test_while_probing_fresh_jobs_become_rarer_so_that_retries_do_not_multiply() -> None:
    queue: LaneQueue[str] = LaneQueue()
    queue.probing = True
    queue.later = 1000
    for number in range(100):
        queue.add(f"fresh-{number}")
    taken = []
    for _ in range(100):
        queue.add_due("due")
        while (job := queue.take()) is not None:
            taken.append(job)
    assert 5 <= len(taken) - taken.count("due") <= 10
    queue.probing = False
    queue.add_due("due")
    assert [queue.take() for _ in range(3)].count("due") == 1


def test_a_retry_goes_before_fresh_jobs_but_not_twice_in_a_row() -> None:
    queue: LaneQueue[str] = LaneQueue()
    for name in ("fresh-0", "fresh-1", "fresh-2"):
        queue.add(name)
    queue.later = 2
    queue.add_due("due-0")
    queue.add_due("due-1")
    queue.add_first("first")
    assert [queue.take() for _ in range(7)] == ["first", "due-0", "fresh-0", "due-1", "fresh-1", "fresh-2", None]
