"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate import RetryPolicy
from asyncmigrate._rules.flow.retry_schedule import Schedule


@given(
    first=st.floats(0.001, 5),
    most=st.floats(0.001, 20),
    budget=st.floats(0, 200),
    demands=st.lists(st.none() | st.floats(0, 60), min_size=60, max_size=60),
)
def test_the_schedule_never_exceeds_its_budget_nor_comes_back_too_soon(
    first: float, most: float, budget: float, demands: list[float | None]
) -> None:
    policy = RetryPolicy(first_wait=first, max_wait=most, max_seconds=budget)
    schedule = Schedule()
    elapsed = 0.0
    for demand in demands:
        wait = schedule.next_wait(policy, elapsed, demand)
        if wait is None:
            break
        assert wait >= (demand or 0)
        elapsed += wait
        assert elapsed <= budget


def test_waits_double_up_to_the_longest() -> None:
    policy = RetryPolicy(first_wait=1, max_wait=5, max_seconds=100, jitter=lambda wait: wait)
    schedule = Schedule()
    assert [schedule.next_wait(policy, 0) for _ in range(5)] == [1, 2, 4, 5, 5]


def test_tries_are_bounded_too() -> None:
    policy = RetryPolicy(max_tries=3)
    schedule = Schedule()
    assert [schedule.next_wait(policy, 0) is None for _ in range(3)] == [False, False, True]


def test_the_largest_budget_so_far_holds() -> None:
    short, long = (RetryPolicy(max_seconds=seconds, jitter=lambda wait: wait) for seconds in (30, 150))
    schedule = Schedule()
    assert schedule.next_wait(short, 31) is None
    assert schedule.next_wait(long, 31) is not None
    assert schedule.next_wait(short, 60) is not None
    assert schedule.next_wait(short, 150) is None


@pytest.mark.parametrize("wrong", [{"max_tries": 0}, {"max_seconds": -1}, {"multiplier": 0.5}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"max_tries|negative"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
