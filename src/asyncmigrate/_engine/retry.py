"""The general remedy, public as `asyncmigrate.retry`: try again, with filters for the errors that end it at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import msgspec

from asyncmigrate._rules.errors.classify import is_transient
from asyncmigrate._rules.flow.retry_schedule import DEFAULT_POLICY, RetryPolicy, Schedule
from asyncmigrate.errors import APIError

T = TypeVar("T")
ErrorFilter = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool | float]
PolicyFor = RetryPolicy | Callable[[Exception], RetryPolicy]


class Attempt(msgspec.Struct, frozen=True):
    """A try that failed: its `number` from 1, the `error`, and the `wait` in seconds before the next."""

    number: int
    wait: float
    error: Exception


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    policy: PolicyFor = DEFAULT_POLICY,
    retry_on: ErrorFilter = is_transient,
    give_up_on: ErrorFilter = (),
    on_retry: Callable[[Attempt], None] | None = None,
) -> T:
    """Await `call()` until it succeeds, fails for good, or its budget is spent.

    An error type, a tuple of them, or a function serves as a filter. A function may also answer with a number: retry,
    but not before so many seconds. The `retry_after` of an APIError is honoured without being asked for.

    Args:
        call: makes one try; called anew for each.
        policy: waits and budget, 30 s by default; or a function from the error to the policy for it.
        retry_on: errors worth another try; by default those that `errors` and the HTTP status call transient
            (408, 425, 429, 500, 502-504, a lost connection, a timeout).
        give_up_on: errors that end it at once, even where `retry_on` would have them; none by default.
        on_retry: called before each wait.

    Returns:
        What `call` returned.

    Raises:
        Exception: the last error of `call`, unchanged: one that the filters end it on, or the one that was left when
            the budget was spent.
    """
    schedule = Schedule()
    began = anyio.current_time()
    while True:
        try:
            return await call()
        except Exception as error:
            verdict = False if _asks(give_up_on, error) else _asks(retry_on, error)
            if verdict is False:
                raise
            chosen = policy if isinstance(policy, RetryPolicy) else policy(error)
            at_least = verdict if verdict is not True else retry_after(error)
            wait = schedule.next_wait(chosen, anyio.current_time() - began, at_least)
            if wait is None:
                raise
            if on_retry is not None:
                on_retry(Attempt(schedule.tries, wait, error))
        await anyio.sleep(wait)


def retry_after(error: Exception) -> float | None:
    return error.status.retry_after if isinstance(error, APIError) else None


def _asks(wanted: ErrorFilter, error: Exception) -> bool | float:
    if isinstance(wanted, type | tuple):
        return isinstance(error, wanted)
    return wanted(error)
