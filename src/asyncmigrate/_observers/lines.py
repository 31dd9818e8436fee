"""Plain lines, for logs and pipes: one for each CRD that was worked on, and now and then how far things are."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console

from asyncmigrate._observers.display import Plain
from asyncmigrate._observers.tally import Tally
from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._results.plan import Decision
from asyncmigrate._results.report import CRDReport, Outcome
from asyncmigrate._rules.decisions.phrases import objects_line
from asyncmigrate.events import (
    CRDFinished,
    CRDRelisted,
    CRDSettling,
    Event,
    EventNotRecorded,
    PlanFinished,
    RunFinished,
    StateNotSaved,
)

_LINE_SECONDS = 5.0  # between lines about how far things are


def _was_worked_on(report: CRDReport) -> bool:
    """Not one that was left because others are blocked, say."""
    stale = report.plan.decision is Decision.STALE
    return stale and (report.outcome is not Outcome.SKIPPED or report.objects.listed > 0)


class Printer(Protocol):
    """Where lines go: a console, or one that names a cluster."""

    def print(self, line: str, /) -> None: ...


class Lines(Plain):
    """Prints lines that stay."""

    def __init__(self, console: Printer | Console) -> None:
        self._console = console
        self._tally = Tally()
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, event: Event) -> None:
        self._tally(event)
        match event:
            case PlanFinished():
                self._say(self._tally.decided)
            case CRDFinished(report=report) if _was_worked_on(report):
                self._say(f"{report.name}: {report.outcome}, {objects_line(report.objects)}: {report.message}")
            case CRDSettling(crd=crd, wait=wait, settle=settle):
                self._say(f"{crd}: {words.settling(wait, settle)}")
            case CRDRelisted(crd=crd, why=why):
                self._say(f"{crd}: all objects are listed again: {why}")
            case StateNotSaved(error=error):
                self._say(words.not_saved(error))
            case EventNotRecorded(crd=crd, error=error):
                self._say(words.event_not_recorded(crd, error))
            case RunFinished():
                return
            case _ if time.monotonic() >= self._next:
                self._say(self._so_far())

    def _so_far(self) -> str:
        tally = self._tally
        if not tally.stale:
            return tally.decided
        return ", ".join([*tally.running, *([tally.failures] if tally.failures else [])])

    def _say(self, line: str) -> None:
        self._next = time.monotonic() + _LINE_SECONDS
        self._console.print(clean(line))


class Quiet(Plain):
    """Prints only what is a warning."""

    def __init__(self, console: Printer | Console) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        match event:
            case StateNotSaved(error=error):
                self._console.print(clean(words.not_saved(error)))
            case EventNotRecorded(crd=crd, error=error):
                self._console.print(clean(words.event_not_recorded(crd, error)))
