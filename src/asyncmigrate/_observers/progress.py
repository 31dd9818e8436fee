"""The live display on a terminal: CRDs, objects, rate, time left; and plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from asyncmigrate._observers.display import Plain
from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._results.plan import Decision
from asyncmigrate._results.report import CRDReport, Outcome
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate.events import (
    CRDDecided,
    CRDFinished,
    CRDRelisted,
    CRDSettling,
    CRDStarted,
    Event,
    ObjectFailed,
    ObjectSettled,
    PageListed,
    PlanFinished,
    Retrying,
    RunFinished,
    RunStarted,
    StateNotSaved,
)

_ROWS = 8  # CRDs shown at a time
_LINE_SECONDS = 5.0  # between plain lines about the same thing


class Tally:
    """Counts events; what both displays show is derived from it."""

    def __init__(self) -> None:
        self.decisions: Counter[Decision] = Counter()
        self.stale = 0
        self.finished = 0
        self.total: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.settling: dict[str, float] = {}  # CRD to when its objects are listed
        self.failed = 0
        self.failures_of: Counter[str] = Counter()
        self.retries = 0
        self.began = time.monotonic()

    def __call__(self, event: Event) -> None:
        match event:
            case CRDDecided(plan=plan):
                self.decisions[plan.decision] += 1
            case RunStarted(stale=stale):
                self.stale = stale
                self.began = time.monotonic()
            case CRDSettling(crd=crd, wait=wait):
                self.settling[crd] = time.monotonic() + wait
            case CRDRelisted(crd=crd):
                self.failed -= self.failures_of[crd]
                self.total[crd] = self.done[crd] = self.failures_of[crd] = 0
            case PageListed(crd=crd, objects=objects, remaining=remaining):
                self.settling.pop(crd, None)
                self.total[crd] = max(self.total[crd], self.done[crd] + objects + (remaining or 0))
            case ObjectSettled(crd=crd):
                self.done[crd] += 1
            case ObjectFailed(crd=crd):
                self.done[crd] += 1
                self.failed += 1
                self.failures_of[crd] += 1
            case Retrying():
                self.retries += 1
            case CRDFinished(report=report) if report.plan.decision is Decision.STALE:
                self.finished += 1
                self.settling.pop(report.name, None)

    @property
    def decided(self) -> str:
        parts = [f"{words.number(n)} {d}" for d in Decision if (n := self.decisions[d])]
        return f"looked up {count(self.decisions.total(), 'CRD')}: {', '.join(parts)}"

    @property
    def running(self) -> str:
        done, total = self.done.total(), self.total.total()
        rate = done / max(time.monotonic() - self.began, 0.001)
        left = f", {words.duration((total - done) / rate)} left" if rate and total > done else ""
        failed = f", {words.number(self.failed)} failed" if self.failed else ""
        retries = f", {count(self.retries, 'retry', 'retries')}" if self.retries else ""
        settling = ""
        if self.settling:
            until = max(0.0, max(self.settling.values()) - time.monotonic())
            settling = f", {count(len(self.settling), 'CRD')} listed in {words.duration(until)}"
        return (
            f"{words.number(self.finished)} of {count(self.stale, 'CRD')}, "
            f"{words.number(done)} of {count(total, 'object')}, {words.number(rate)}/s"
            f"{left}{failed}{retries}{settling}"
        )


class Live:
    """A few lines on a terminal that are redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._tally = Tally()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[words]}", markup=False),
            console=console,
            transient=True,
            refresh_per_second=8,
        )
        self._head: TaskID | None = None
        self._rows: dict[str, TaskID] = {}
        self._hidden: set[str] = set()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        self._tally(event)
        if self._head is None:
            self._head = self._progress.add_task("", total=None, words="")
        match event:
            case CRDDecided():
                self._progress.update(self._head, description="plan", words=self._tally.decided)
            case PlanFinished():
                self._progress.console.print(self._tally.decided)
            case CRDStarted(crd=crd):
                self._hidden.add(crd)
            case PageListed(crd=crd):
                self._show(crd)
            case ObjectSettled(crd=crd) | ObjectFailed(crd=crd):
                self._advance(crd)
            case CRDFinished(report=report):
                self._finish(report)
            case CRDSettling() | CRDRelisted() | StateNotSaved():
                self._tell(event)
            case RunStarted() | Retrying():
                self._advance("")
            case _:
                return

    def _tell(self, event: CRDSettling | CRDRelisted | StateNotSaved) -> None:
        """Print a line above the display: of CRDs that wait, and may be hundreds, for the first alone."""
        console = self._progress.console
        match event:
            case CRDSettling(wait=wait, settle=settle):
                if len(self._tally.settling) == 1:
                    console.print(words.settling(wait, settle), style="dim")
            case CRDRelisted(crd=crd, why=why):
                console.print(clean(f"{crd}: all objects are listed again: {why}"), style="dim")
            case StateNotSaved(error=error):
                console.print(clean(words.not_saved(error)), style="yellow")
        self._advance(event.crd if isinstance(event, CRDRelisted) else "")

    def _show(self, crd: str) -> None:
        if crd in self._hidden and len(self._rows) < _ROWS and self._tally.total[crd]:
            self._hidden.discard(crd)
            self._rows[crd] = self._progress.add_task(clean(f"  {crd}"), total=None, words="")
        self._advance(crd)

    def _advance(self, crd: str) -> None:
        tally, head = self._tally, self._head
        if head is not None and tally.stale:
            done, total = tally.done.total(), tally.total.total()
            self._progress.update(head, description="run", completed=done, total=total or None, words=tally.running)
        if (row := self._rows.get(crd)) is not None:
            done, total = tally.done[crd], tally.total[crd]
            text = f"{words.number(done)} of {words.number(total)}"
            self._progress.update(row, completed=done, total=total, words=text)

    def _finish(self, report: CRDReport) -> None:
        self._hidden.discard(report.name)
        if (row := self._rows.pop(report.name, None)) is not None:
            self._progress.remove_task(row)
            for crd in sorted(self._hidden)[: _ROWS - len(self._rows)]:
                self._show(crd)
        if report.outcome in {Outcome.INCOMPLETE, Outcome.FAILED, Outcome.BLOCKED}:
            said = f"{report.name}: {report.outcome}: {report.message}"
            self._progress.console.print(clean(said), style="yellow")
        self._advance("")


class Lines(Plain):
    """Plain lines, for logs and pipes: one for each CRD that was worked on, and now and then how far things are."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tally = Tally()
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, event: Event) -> None:
        self._tally(event)
        match event:
            case PlanFinished():
                self._say(self._tally.decided)
            case CRDFinished(report=report) if report.plan.decision is Decision.STALE:
                self._say(f"{report.name}: {report.outcome}, {words.objects_line(report.objects)}: {report.message}")
            case CRDSettling(crd=crd, wait=wait, settle=settle):
                self._say(f"{crd}: {words.settling(wait, settle)}")
            case CRDRelisted(crd=crd, why=why):
                self._say(f"{crd}: all objects are listed again: {why}")
            case StateNotSaved(error=error):
                self._say(words.not_saved(error))
            case RunFinished():
                return
            case _ if time.monotonic() >= self._next:
                self._say(self._tally.running if self._tally.stale else self._tally.decided)

    def _say(self, line: str) -> None:
        self._next = time.monotonic() + _LINE_SECONDS
        self._console.print(clean(line), markup=False, soft_wrap=True)
