"""The live display on a terminal: a bar, the failures, how far things are, and a few of the CRDs at work.

What it draws is laid out for the width that the terminal has at that moment: bar and failures are always there.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live as Redrawn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from asyncmigrate._observers.tally import Tally
from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._output.grid import wrapped
from asyncmigrate._results.report import CRDReport, Outcome
from asyncmigrate.events import (
    CRDFinished,
    CRDRelisted,
    CRDSettling,
    CRDStarted,
    Event,
    EventNotRecorded,
    PageListed,
    PlanFinished,
    StateNotSaved,
)

_ROWS = 8  # CRDs shown at a time
_BAR_CELLS = 24
_LEAST_BAR_CELLS = 8
_DRAWN_A_SECOND = 8
_LINES_ABOVE = 4  # of the CRDs, and of what stays free below them


class Live:
    """A few lines that are redrawn in place, below lines that stay."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tally = Tally()
        self._screen = _Screen(self._tally)
        # Standard output may be a pipe, and rich would print on the console what is written there meanwhile.
        self._redrawn = Redrawn(
            self._screen, console=console, transient=True, refresh_per_second=_DRAWN_A_SECOND, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._redrawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._redrawn.stop()

    def __call__(self, event: Event) -> None:
        self._tally(event)
        match event:
            case PlanFinished():
                self._say(self._tally.decided)
            case CRDStarted(crd=crd):
                self._screen.waiting.add(crd)
            case PageListed(crd=crd) if self._tally.total[crd]:
                self._screen.show(crd)
            case CRDSettling(wait=wait, settle=settle):
                if len(self._tally.settling) == 1:  # of the hundreds that may wait, the first speaks for all
                    self._say(words.settling(wait, settle), "dim")
            case CRDRelisted(crd=crd, why=why):
                self._say(f"{crd}: all objects are listed again: {why}", "dim")
            case StateNotSaved(error=error):
                self._say(words.not_saved(error), "yellow")
            case EventNotRecorded(crd=crd, error=error):
                self._say(words.event_not_recorded(crd, error), "yellow")
            case CRDFinished(report=report):
                self._finish(report)

    def _finish(self, report: CRDReport) -> None:
        self._screen.remove(report.name)
        if report.outcome in {Outcome.INCOMPLETE, Outcome.FAILED, Outcome.BLOCKED}:
            self._say(f"{report.name}: {report.outcome}: {report.message}", "yellow")

    def _say(self, said: str, style: str = "") -> None:
        """Print above the display."""
        for line in wrapped(Text(clean(said), style), self._console.width):
            self._console.print(line)


class _Screen:
    """What is drawn: rich asks for it, from a thread of its own, as often as it draws."""

    def __init__(self, tally: Tally) -> None:
        self.waiting: set[str] = set()  # CRDs at work that are not shown
        self._shown: tuple[str, ...] = ()  # replaced as a whole, for the drawing thread
        self._tally = tally

    def show(self, crd: str) -> None:
        if crd in self.waiting and len(self._shown) < _ROWS:
            self.waiting.discard(crd)
            self._shown = (*self._shown, crd)

    def remove(self, crd: str) -> None:
        self.waiting.discard(crd)
        if crd in self._shown:
            self._shown = tuple(c for c in self._shown if c != crd)
            for next_one in sorted(c for c in self.waiting if self._tally.total[c])[: _ROWS - len(self._shown)]:
                self.show(next_one)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1  # the last column would make some terminals begin a new line
        room = max(0, options.size.height - _LINES_ABOVE)
        yield Group(*self.drawn(width, self._shown[:room]))

    def drawn(self, width: int, shown: tuple[str, ...]) -> Iterator[RenderableType]:
        """The lines of the display, none wider than `width`."""
        tally = self._tally
        if not tally.stale:
            if tally.decisions:
                yield _bar_line("plan", None, "", width)
                yield from wrapped(Text(f"  {tally.decided}"), width)
            return
        done, total = tally.done.total(), tally.total.total()
        yield _bar_line("run", (done, total) if total else None, tally.failures, width, style="bold red")
        yield from wrapped(Text(f"  {', '.join(tally.running)}"), width)
        names = max((cell_len(clean(crd)) for crd in shown), default=0)
        for crd in shown:
            yield _crd_line(clean(crd), (tally.done[crd], tally.total[crd]), names, width)


def _bar_line(begin: str, done: tuple[int, int] | None, end: str, width: int, *, style: str = "") -> RenderableType:
    room = width - cell_len(begin) - 1 - (cell_len(end) + 1 if end else 0)
    bar = _bar(done, max(_LEAST_BAR_CELLS, min(_BAR_CELLS, room)))
    return _beside(Text(begin), bar, Text(end, style))


def _crd_line(name: str, done: tuple[int, int], names: int, width: int) -> RenderableType:
    """A CRD's name, its bar, and its counts; where there is no room first the bar goes, then the end of the name."""
    counts = f"{words.number(done[0])} of {words.number(done[1])}"
    room = width - 2 - names - 1 - cell_len(counts) - 1
    if room >= _LEAST_BAR_CELLS:
        padded = Text(f"  {set_cell_size(name, names)}")
        return _beside(padded, _bar(done, min(_BAR_CELLS, room)), Text(counts))
    left = width - 2 - 1 - cell_len(counts)
    if cell_len(name) > left:
        name = set_cell_size(name, max(0, left - 1)) + "…"
    return Text(f"  {name} {counts}")


def _bar(done: tuple[int, int] | None, width: int) -> ProgressBar:
    """A bar; one that just moves where the end is not known."""
    if done is None:
        return ProgressBar(total=None, width=width, pulse=True)
    return ProgressBar(total=done[1], completed=done[0], width=width)


def _beside(*parts: RenderableType) -> Table:
    line = Table.grid(padding=(0, 1, 0, 0))
    for _ in parts:
        line.add_column(no_wrap=True)
    line.add_row(*parts)
    return line
