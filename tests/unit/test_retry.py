"""`retry`, as a caller's own upgrade code uses it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
import trio

from asyncmigrate import Attempt, RetryPolicy, retry
from asyncmigrate._model import Status
from asyncmigrate.errors import APIError, NotFoundError, UsageError

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


async def test_retry_after_of_other_libraries_is_honoured() -> None:
    request = httpx.Request("GET", "https://a")
    busy = httpx.Response(429, headers={"Retry-After": "60"}, request=request)
    call = Flaky(httpx.HTTPStatusError("busy", request=request, response=busy))
    with pytest.raises(httpx.HTTPStatusError):
        await retry(call, policy=QUICK)  # whose budget cannot hold a minute
    assert call.calls == 1


@pytest.mark.parametrize("answer", [False, None])
async def test_a_filter_that_answers_no_ends_it(answer: bool | None) -> None:  # noqa: FBT001
    call = Flaky(KeyError("x"))
    with pytest.raises(KeyError):
        await retry(call, policy=QUICK, retry_on=lambda _: answer)
    assert call.calls == 1


@pytest.mark.parametrize("answer", [True, 0, 0.001])
async def test_a_filter_that_answers_yes_or_seconds_goes_on(answer: float) -> None:
    assert await retry(Flaky(KeyError("x")), policy=QUICK, retry_on=lambda _: answer) == 42


@pytest.mark.parametrize("answer", ["yes", -1, float("nan"), float("inf"), []], ids=repr)
async def test_a_filter_that_answers_something_else_is_refused(answer: Any) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match=r"retry_on answered .*: it must be True, False, None or a number") as raised:
        await retry(Flaky(KeyError("x")), policy=QUICK, retry_on=lambda _: answer)
    assert isinstance(raised.value.__cause__, KeyError)


async def test_give_up_on_answers_no_seconds() -> None:
    with pytest.raises(UsageError, match="give_up_on answered 3"):
        await retry(Flaky(KeyError("x")), policy=QUICK, give_up_on=lambda _: 3)


async def test_filters_and_on_retry_may_be_async() -> None:
    seen: list[int] = []

    async def wanted(error: Exception) -> bool:
        return isinstance(error, KeyError)

    async def note(attempt: Attempt) -> None:
        seen.append(attempt.number)

    assert await retry(Flaky(KeyError(), KeyError()), policy=QUICK, retry_on=wanted, on_retry=note) == 42
    assert seen == [1, 2]
    call = Flaky(KeyError())
    with pytest.raises(KeyError):
        await retry(call, policy=QUICK, retry_on=Exception, give_up_on=wanted)
    assert call.calls == 1


async def test_the_last_error_has_a_note_of_tries_and_time() -> None:
    with pytest.raises(TimeoutError) as raised:
        await retry(Flaky(*[TimeoutError() for _ in range(9)]), policy=RetryPolicy(first_wait=0.001, max_tries=3))
    [note] = raised.value.__notes__
    assert re.fullmatch(r"asyncmigrate\.retry gave up after 3 tries in [0-9.e-]+ s", note)
    with pytest.raises(NotFoundError) as at_once:
        await retry(Flaky(status(404)), policy=QUICK)
    assert not hasattr(at_once.value, "__notes__")


async def test_it_decorates_functions_with_arguments() -> None:
    flaky = Flaky(status(503), status(503), ValueError("no"))

    @retry(policy=QUICK)
    async def add(a: int, *, b: int) -> int:
        """Add."""
        return await flaky() + a + b

    with pytest.raises(ValueError, match="no"):
        await add(1, b=2)
    assert await add(1, b=2) == 45
    assert (add.__name__, add.__doc__) == ("add", "Add.")


async def an_async_generator() -> AsyncIterator[int]:
    yield 1


async def needs_one(number: int) -> int:
    return number


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: retry(Flaky()()), "was given coroutine, not a function"),  # type: ignore[call-overload]
        (lambda: retry(5), "was given int, not a function"),  # type: ignore[call-overload]
        (lambda: retry(needs_one), r"needs_one needs arguments.*decorate it with @retry\(\)"),  # type: ignore[arg-type]
        (lambda: retry(an_async_generator), "async generator"),  # type: ignore[arg-type]
        (lambda: retry()(5), "was given int, not a function"),  # type: ignore[arg-type]
        (lambda: retry(Flaky(), retry_on=[KeyError]), "retry_on has .*KeyError.*: give an exception type"),  # type: ignore[call-overload]
        (lambda: retry(Flaky(), give_up_on="x"), "give_up_on has 'x'"),  # type: ignore[call-overload]
        (lambda: retry(Flaky(), retry_on=(KeyError, print)), "retry_on has <built-in function print>"),  # type: ignore[arg-type]
        (lambda: retry(Flaky(), retry_on=KeyboardInterrupt), "retry_on has .*KeyboardInterrupt"),  # type: ignore[arg-type]
        (lambda: retry(Flaky(), policy=5), "policy is 5"),  # type: ignore[call-overload]
        (lambda: retry(Flaky(), on_retry=5), "on_retry is 5"),  # type: ignore[call-overload]
    ],
)
def test_wrong_use_is_refused_before_anything_is_called(use: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        use()


async def test_a_function_that_is_not_async_is_told_of_the_other_retry() -> None:
    with pytest.raises(UsageError, match=r"returned int, which cannot be awaited: asyncmigrate\.sync\.retry"):
        await retry(lambda: 42, retry_on=Exception)  # type: ignore[arg-type, return-value]


async def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="policy answered None"):
        await retry(Flaky(TimeoutError()), policy=lambda _: None)  # type: ignore[arg-type, return-value]


def test_it_works_under_trio() -> None:
    assert trio.run(lambda: retry(Flaky(status(503)), policy=QUICK)) == 42


async def test_an_error_that_is_raised_again_and_again_has_one_note_of_ours() -> None:
    error = TimeoutError()
    error.add_note("another")
    for tries in (2, 3):
        with pytest.raises(TimeoutError):
            await retry(Flaky(*[error] * 9), policy=RetryPolicy(first_wait=0.001, max_tries=tries))
    assert len(error.__notes__) == 2
    assert error.__notes__[0] == "another"
    assert "after 3 tries" in error.__notes__[1]


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    "answer", [10**400, 10**5000, 1e300, Unspeakable(), "x" * 10_000], ids=lambda a: type(a).__name__
)
async def test_an_answer_that_cannot_be_shown_or_counted_is_refused_like_any(answer: Any) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match=r"retry_on answered .*: it must be True, False, None or a number") as raised:
        await retry(Flaky(KeyError("x")), policy=QUICK, retry_on=lambda _: answer)
    assert len(str(raised.value)) < 300
