"""A few lines that are redrawn in place on a terminal, below lines that stay: what the live displays have in common."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live as Redrawn
from rich.text import Text

from asyncmigrate._output.clean import clean
from asyncmigrate._output.grid import wrapped

_DRAWN_A_SECOND = 8


class OnScreen:
    """Draws `screen` for as long as its scope lasts."""

    def __init__(self, console: Console, screen: RenderableType) -> None:
        self._console = console
        # Standard output may be a pipe, and rich would print on the console what is written there meanwhile.
        self._redrawn = Redrawn(
            screen, console=console, transient=True, refresh_per_second=_DRAWN_A_SECOND, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._redrawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._redrawn.stop()

    def _say(self, said: str, style: str = "") -> None:
        """Print above the display."""
        for line in wrapped(Text(clean(said), style), self._console.width):
            self._console.print(line)
