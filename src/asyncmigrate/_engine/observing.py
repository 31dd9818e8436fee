"""Hands events to observers: refuses async ones, and names the one that raises."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

from asyncmigrate.errors import MigrateError, UsageError
from asyncmigrate.events import Event, Observer


class Observers:
    """The observers of one plan or run.

    What an observer raises ends that, whatever it is: an error of ours would be taken for a failed request, so it goes
    up as the cause of a RuntimeError.
    """

    def __init__(self, observers: Iterable[Observer] | Observer) -> None:
        if not (callable(observers) or isinstance(observers, Iterable)):
            raise UsageError(f"observers is {observers!r}: give functions that take one event")
        given = (observers,) if callable(observers) else tuple(observers)
        for observer in given:
            if not callable(observer):
                raise UsageError(f"observer {observer!r} cannot be called: give functions that take one event")
            if _is_async(observer):
                raise UsageError(
                    f"observer {_name(observer)} is async: events come while requests are in flight and cannot wait "
                    "for it; give a function that puts them into a queue"
                )
        self._observers = list(given)

    def emit(self, event: Event) -> None:
        raised: list[BaseException] = []
        for observer in tuple(self._observers):
            try:
                self._tell(observer, event)
            except BaseException as error:  # noqa: BLE001 -- raised below, once the others know: it may be the last event
                self._observers.remove(observer)  # the others are still told how it ends
                raised.append(error)
        if raised:
            raise raised[0]

    def _tell(self, observer: Callable[[Event], object], event: Event) -> None:
        try:
            answer: object = observer(event)
        except Exception as error:
            error.add_note(f"raised by the observer {_name(observer)}, on {type(event).__name__}")
            if isinstance(error, MigrateError):
                raise RuntimeError(f"the observer {_name(observer)} raised: {error}") from error  # noqa: TRY004 -- see above
            raise
        if answer is not None and inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()  # it would warn that nobody awaited it
            raise RuntimeError(f"the observer {_name(observer)} returned an awaitable, which nobody awaits")


def _is_async(observer: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(observer) or inspect.iscoroutinefunction(getattr(observer, "__call__", None))  # noqa: B004 -- not whether it can be called


def _name(observer: Callable[..., object]) -> str:
    function = getattr(observer, "func", observer)  # a functools.partial's
    return str(getattr(function, "__qualname__", type(function).__qualname__))
