"""Has what an observer raises reach the thread that called, whatever it is: SystemExit would end the event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from asyncmigrate._engine.loop_thread import LoopThread
from asyncmigrate._engine.observing import Observers
from asyncmigrate.events import Event, Observer

T = TypeVar("T")


class CarriedError(Exception):
    """Carries what is no Exception, such as SystemExit, out of the event loop, which it would end."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def called(loop: LoopThread, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What a function in the loop's thread returns; what an observer raised comes out as it is."""
    try:
        return loop.call(function)
    except CarriedError as carried:
        stopped_by = carried.error
    raise stopped_by


def carrying(observers: Iterable[Observer] | Observer) -> tuple[Observer, ...]:
    """The observers, so that SystemExit or KeyboardInterrupt of one goes to the caller, and ends no event loop."""
    given = observers
    if not callable(observers) and isinstance(observers, Iterable):
        given = observers = tuple(observers)
    Observers(given)  # which refuses what is no observer
    return tuple(map(_carried, (observers,) if callable(observers) else observers))


def _carried(observer: Observer) -> Observer:
    call: Callable[[Event], Any] = observer

    def told(event: Event) -> Any:  # noqa: ANN401 -- an awaitable, say, which is refused
        try:
            return call(event)
        except Exception:
            raise
        except BaseException as error:
            raise CarriedError(error) from error

    vars(told)["func"] = getattr(observer, "func", observer)  # whom messages name
    return told
