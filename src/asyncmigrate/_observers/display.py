"""What a display is: an observer with a scope, and the base of those that have nothing to put back at its end."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from asyncmigrate.events import Event


class Display(Protocol):
    """An observer that shows what happens for as long as its scope lasts."""

    def __call__(self, event: Event) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Plain:
    """Enters and leaves without a trace; lines stay where they were printed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing to put back."""
