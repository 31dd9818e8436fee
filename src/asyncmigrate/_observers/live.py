"""The live display on a terminal: a bar, the failures, how far things are, and a few of the CRDs at work.

What it draws is laid out for the width that the terminal has at that moment: bar and failures are always there.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from asyncmigrate._observers.bars import bar_line, named_bar
from asyncmigrate._observers.on_screen import OnScreen
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
_LINES_ABOVE = 4  # of the CRDs, and of what stays free below them


class Live(OnScreen):
    """What one plan or run does."""

    def __init__(self, console: Console) -> None:
        self._tally = Tally()
        self._screen = _Screen(self._tally)
        super().__init__(console, self._screen)

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
                yield bar_line("plan", None, "", width)
                yield from wrapped(Text(f"  {tally.decided}"), width)
            return
        done, total = tally.done.total(), tally.total.total()
        yield bar_line("run", (done, total) if total else None, tally.failures, width, style="bold red")
        yield from wrapped(Text(f"  {', '.join(tally.running)}"), width)
        names = max((cell_len(clean(crd)) for crd in shown), default=0)
        for crd in shown:
            done, total = tally.done[crd], tally.total[crd]
            counts = f"{words.number(done)} of {words.number(total)}"
            yield named_bar(clean(crd), (done, total), counts, names, width)
