"""Counts events: what the displays show is derived from it."""

from __future__ import annotations

import time
from collections import Counter

from asyncmigrate._output import words
from asyncmigrate._results.plan import Decision
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate.events import (
    CRDDecided,
    CRDFinished,
    CRDRelisted,
    CRDSettling,
    Event,
    ObjectFailed,
    ObjectSettled,
    PageListed,
    Retrying,
    RunStarted,
)


class Tally:
    """Counts what a plan and a run have done by now."""

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
        """How many CRDs of each decision there are."""
        parts = [f"{words.number(n)} {d}" for d in Decision if (n := self.decisions[d])]
        return f"looked up {count(self.decisions.total(), 'CRD')}: {', '.join(parts)}" if parts else "no CRDs found"

    @property
    def failures(self) -> str:
        """`3 failed`; empty where none did."""
        return f"{words.number(self.failed)} failed" if self.failed else ""

    @property
    def running(self) -> list[str]:
        """How far the run is, the most important first; the failures are in `failures`."""
        done, total = self.done.total(), self.total.total()
        rate = done / max(time.monotonic() - self.began, 0.001)
        parts = [
            f"{words.number(self.finished)} of {count(self.stale, 'CRD')}",
            f"{words.number(done)} of {count(total, 'object')}",
            f"{words.number(rate)}/s",
        ]
        if rate and total > done:
            parts.append(f"{words.duration((total - done) / rate)} left")
        if self.retries:
            parts.append(count(self.retries, "retry", "retries"))
        if self.settling:
            until = max(0.0, max(self.settling.values()) - time.monotonic())
            parts.append(f"{count(len(self.settling), 'CRD')} listed in {words.duration(until)}")
        return parts
