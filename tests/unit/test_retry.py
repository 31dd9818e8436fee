"""`retry`, as a caller's own upgrade code uses it."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from asyncmigrate import Attempt, RetryPolicy, retry
from asyncmigrate._model import Status
from asyncmigrate.errors import APIError, NotFoundError

QUICK = RetryPolicy(first_wait=0.001, max_wait=0.002, max_seconds=5)


class Flaky:
    """Raises the errors given, one a call, then answers 42."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return 42


def status(code: int, retry_after: float | None = None) -> APIError:
    kind = NotFoundError if code == 404 else APIError
    return kind(Status(code=code, reason="", message="", retry_after=retry_after), doing="test")


async def test_what_can_get_better_is_tried_again() -> None:
    call = Flaky(status(503), status(429))
    seen: list[Attempt] = []
    assert await retry(call, policy=QUICK, on_retry=seen.append) == 42
    assert call.calls == 3
    assert [(a.number, a.error.status.code) for a in seen if isinstance(a.error, APIError)] == [(1, 503), (2, 429)]


async def test_not_found_ends_it_at_once() -> None:
    call = Flaky(status(404))
    with pytest.raises(NotFoundError):
        await retry(call, policy=QUICK)
    assert call.calls == 1


@pytest.mark.parametrize(
    "wanted",
    [KeyError, (KeyError, IndexError), lambda error: isinstance(error, KeyError), lambda _: 0.001],
    ids=["type", "tuple", "function", "seconds"],
)
async def test_a_filter_is_a_type_a_tuple_or_a_function(wanted: type[KeyError] | Callable[[Exception], bool]) -> None:
    assert await retry(Flaky(KeyError("x")), policy=QUICK, retry_on=wanted) == 42


async def test_errors_outside_the_filter_end_it_at_once() -> None:
    call = Flaky(ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        await retry(call, policy=QUICK, retry_on=KeyError)
    assert call.calls == 1


async def test_give_up_on_comes_before_retry_on() -> None:
    call = Flaky(KeyError("x"))
    with pytest.raises(KeyError):
        await retry(call, policy=QUICK, retry_on=LookupError, give_up_on=KeyError)
    assert call.calls == 1


async def test_retry_after_is_honoured() -> None:
    began = anyio.current_time()
    assert await retry(Flaky(status(429, retry_after=0.3)), policy=QUICK) == 42
    assert anyio.current_time() - began >= 0.3


async def test_a_retry_after_beyond_the_budget_is_not_cut_short() -> None:
    call = Flaky(status(429, retry_after=60))
    with pytest.raises(APIError):
        await retry(call, policy=QUICK)
    assert call.calls == 1


async def test_the_policy_may_depend_on_the_error() -> None:
    call = Flaky(KeyError(), ValueError("final"))
    with pytest.raises(ValueError, match="final"):
        await retry(
            call, policy=lambda e: QUICK if isinstance(e, KeyError) else RetryPolicy(max_tries=1), retry_on=Exception
        )
    assert call.calls == 2


async def test_it_can_be_cancelled_while_it_waits() -> None:
    with anyio.move_on_after(0.05) as scope:
        await retry(Flaky(status(503)), policy=RetryPolicy(first_wait=20, jitter=lambda w: w))
    assert scope.cancelled_caught
