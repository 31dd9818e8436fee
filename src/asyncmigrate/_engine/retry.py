"""The general remedy, public as `asyncmigrate.retry`: try again, with filters for the errors that end it at once."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar, overload

import anyio
import msgspec

from asyncmigrate._cluster.foreign_errors import in_our_words
from asyncmigrate._rules.errors.classify import Action, Operation, classify
from asyncmigrate._rules.flow.retry_schedule import DEFAULT_POLICY, RetryPolicy, Schedule
from asyncmigrate.errors import APIError, UsageError

T = TypeVar("T")
P = ParamSpec("P")
_GAVE_UP = "asyncmigrate.retry gave up after"  # how our notes begin
_MOST_SHOWN = 100  # characters of an answer
_MOST_SECONDS = 1e9  # of a wait that a filter asks for, a guess: 30 years are no wait but a mistake

Answer: TypeAlias = bool | float | None
ErrorFilter: TypeAlias = (
    type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], Answer | Awaitable[Answer]]
)
"""Which errors are meant: a type, some types, or a function of the error, which may be an async one.

A function answers True for yes, or a number: yes, but not before so many seconds. False and None are no.
"""
PolicyFor: TypeAlias = RetryPolicy | Callable[[Exception], RetryPolicy]


class Attempt(msgspec.Struct, frozen=True):
    """A try that failed: its `number` from 1, the `error`, and the `wait` in seconds before the next."""

    number: int
    wait: float
    error: Exception


def is_transient(error: BaseException) -> bool:
    """Tell whether an error can get better by itself: the default filter of `asyncmigrate.retry`.

    These can: HTTP status 408, 425, 429, 500, 502, 503, 504 and 520 to 529, a lost or refused connection, a timeout.
    These cannot: all other codes, what an admission webhook denies, a certificate that is not trusted. Errors of other
    libraries are understood too: the `ApiException` of kubernetes and kubernetes_asyncio, and those of httpx, aiohttp,
    requests, urllib3, urllib and kr8s. Of an exception group all have to be transient.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_transient(e) for e in error.exceptions)
    ours = in_our_words(error)
    return ours is not None and classify(Operation.LOOK_UP, ours) is Action.RETRY


class Rules(msgspec.Struct, frozen=True):
    """What `retry` was told, checked."""

    policy: PolicyFor
    retry_on: ErrorFilter
    give_up_on: ErrorFilter
    on_retry: Callable[[Attempt], object] | None

    def __post_init__(self) -> None:
        for name in ("retry_on", "give_up_on"):
            _check_filter(name, getattr(self, name))
        if not (isinstance(self.policy, RetryPolicy) or callable(self.policy)):
            raise UsageError(f"policy is {self.policy!r}: give a RetryPolicy, or a function from the error to one")
        if not (self.on_retry is None or callable(self.on_retry)):
            raise UsageError(f"on_retry is {self.on_retry!r}: give a function of the Attempt")

    @property
    def functions(self) -> dict[str, object]:
        """What of it is called, by its name."""
        named = {name: getattr(self, name) for name in ("policy", "retry_on", "give_up_on", "on_retry")}
        return {name: value for name, value in named.items() if callable(value) and not isinstance(value, type)}


def _check_filter(name: str, wanted: object) -> None:
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    for kind in kinds:
        is_function = callable(kind) and not isinstance(kind, type) and not isinstance(wanted, tuple)
        if is_function or (isinstance(kind, type) and issubclass(kind, Exception)):
            continue
        raise UsageError(f"{name} has {kind!r}: give an exception type, a tuple of them, or a function of the error")


class Tries:
    """The tries of one call: after each failure, whether and when to try again. It neither calls nor waits."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._schedule = Schedule()
        self._began = time.monotonic()

    def filters(self, error: Exception) -> tuple[Callable[[], object], Callable[[], object]]:
        """What to ask: whether to give up, and if not, whether to try again."""
        return partial(_asks, self._rules.give_up_on, error), partial(_asks, self._rules.retry_on, error)

    def wait(self, error: Exception, *, gives_up: object, retries: object) -> Attempt | None:
        """Take the answers of the filters: the wait before the next try, or None where there is none."""
        if gives_up is not None and not isinstance(gives_up, bool):
            raise UsageError(f"give_up_on answered {_shown(gives_up)}: it must be True, False or None") from error
        again = False if gives_up else _seconds_or_not(retries, error)
        if again is False:
            self._schedule.tries += 1
        else:
            policy = self._rules.policy if isinstance(self._rules.policy, RetryPolicy) else self._rules.policy(error)
            if not isinstance(policy, RetryPolicy):
                raise UsageError(f"policy answered {policy!r}, which is no RetryPolicy") from error
            at_least = again if again is not True else retry_after(error)
            wait = self._schedule.next_wait(policy, time.monotonic() - self._began, at_least)
            if wait is not None:
                return Attempt(self._schedule.tries, wait, error)
        tries, seconds = self._schedule.tries, time.monotonic() - self._began
        if tries > 1:
            _note(error, f"{_GAVE_UP} {tries} tries in {seconds:.3g} s")
        return None


def _note(error: Exception, note: str) -> None:
    """Add it in place of an earlier one of ours: the same object may be raised again and again."""
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        notes[:] = [n for n in notes if not (isinstance(n, str) and n.startswith(_GAVE_UP))]
    error.add_note(note)


def _asks(wanted: ErrorFilter, error: Exception) -> object:
    return isinstance(error, wanted) if isinstance(wanted, type | tuple) else wanted(error)


def _seconds_or_not(answer: object, error: Exception) -> bool | float:
    """What `retry_on` means: only True or a number of seconds is a yes."""
    if answer is None or isinstance(answer, bool):
        return bool(answer)
    if isinstance(answer, int | float) and 0 <= answer <= _MOST_SECONDS:
        return float(answer)
    raise UsageError(
        f"retry_on answered {_shown(answer)}: it must be True, False, None or a number of seconds"
    ) from error


def _shown(answer: object) -> str:
    try:
        shown = repr(answer)
    except Exception:  # noqa: BLE001 -- anything's; an int of thousands of digits has none
        return f"a strange {type(answer).__name__}"
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."


def retry_after(error: Exception) -> float | None:
    """How many seconds the server asks to wait, whichever library's error says so."""
    ours = in_our_words(error)
    return ours.status.retry_after if isinstance(ours, APIError) else None


@overload
def retry(
    call: Callable[[], Awaitable[T]],
    *,
    policy: PolicyFor = ...,
    retry_on: ErrorFilter = ...,
    give_up_on: ErrorFilter = ...,
    on_retry: Callable[[Attempt], object] | None = ...,
) -> Coroutine[Any, Any, T]: ...
@overload
def retry(
    *,
    policy: PolicyFor = ...,
    retry_on: ErrorFilter = ...,
    give_up_on: ErrorFilter = ...,
    on_retry: Callable[[Attempt], object] | None = ...,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]: ...
def retry(
    call: Callable[[], Awaitable[T]] | None = None,
    *,
    policy: PolicyFor = DEFAULT_POLICY,
    retry_on: ErrorFilter = is_transient,
    give_up_on: ErrorFilter = (),
    on_retry: Callable[[Attempt], object] | None = None,
) -> Coroutine[Any, Any, T] | Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Await `call()` until it succeeds, fails for good, or its budget is spent; or decorate a function with `@retry()`.

    An error type, a tuple of them, or a function serves as a filter; `ErrorFilter` says what a function may answer. A
    server's Retry-After is honoured without being asked for, whichever library's error has it (see `is_transient`).
    Filters and `on_retry` may be async.

    Args:
        call: makes one try; called anew for each. Without it a decorator is returned.
        policy: waits and budget, 30 s by default; or a function from the error to the policy for it.
        retry_on: errors worth another try; by default `is_transient`.
        give_up_on: errors that end it at once, even where `retry_on` would have them; none by default.
        on_retry: called before each wait.

    Returns:
        What `call` returned.

    Raises:
        UsageError: a filter is none, or answers something else than True, False, None or a number of seconds.
        Exception: the last error of `call`: one that the filters end it on, or the one that was left when the budget
            was spent. After more than one try it has a note of how many there were, and in how much time.
    """
    rules = Rules(policy, retry_on, give_up_on, on_retry)
    if call is not None:
        check_call(call)
        return _retry(call, rules)

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        check_function(function)

        @wraps(function)
        async def again(*args: P.args, **kwargs: P.kwargs) -> T:
            return await _retry(partial(function, *args, **kwargs), rules)

        return again

    return decorate


async def _retry(call: Callable[[], Awaitable[T]], rules: Rules) -> T:
    tries = Tries(rules)
    while True:
        try:
            found = call()
            if inspect.isawaitable(found):
                return await found
        except Exception as error:
            asks_end, asks_again = tries.filters(error)
            gives_up = await _settled(asks_end())
            attempt = tries.wait(error, gives_up=gives_up, retries=gives_up or await _settled(asks_again()))
            if attempt is None:
                raise
            if rules.on_retry is not None:
                await _settled(rules.on_retry(attempt))
        else:
            raise UsageError(
                f"the call returned {type(found).__name__}, which cannot be awaited: asyncmigrate.sync.retry is for "
                "functions that are not async"
            )
        await anyio.sleep(attempt.wait)


async def _settled(found: object) -> object:
    return await found if inspect.isawaitable(found) else found


def check_call(call: object) -> None:
    """Refuse what is no function without arguments, before anything is awaited."""
    if inspect.iscoroutine(call):
        call.close()  # it would warn that nobody awaited it
    check_function(call)
    try:
        inspect.signature(call).bind()  # type: ignore[arg-type]  # it is callable by now
    except ValueError:
        return  # what is written in C need not tell
    except TypeError as error:
        raise UsageError(
            f"{_name(call)} needs arguments: give retry(lambda: {_name(call)}(...)), or decorate it with @retry()"
        ) from error


def check_function(function: object) -> None:
    if not callable(function):
        raise UsageError(f"retry was given {type(function).__name__}, not a function: it is called anew for each try")
    if inspect.isasyncgenfunction(function):
        raise UsageError(f"{_name(function)} is an async generator, which cannot be tried again")


def _name(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
