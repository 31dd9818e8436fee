"""What `plan_fleet` and `run_fleet` return: a FleetReport, with what became of each cluster."""

from __future__ import annotations

import msgspec

from asyncmigrate._results import outward
from asyncmigrate._results.plan import Plan
from asyncmigrate._results.report import Report
from asyncmigrate._results.unfinished import Unfinished
from asyncmigrate.errors import FleetError


class ClusterError(msgspec.Struct, frozen=True, kw_only=True):
    """What ended the work on one cluster: a CamelCase word for programs, and one line for people."""

    reason: str
    message: str


class ClusterResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one cluster of a fleet.

    Attributes:
        name: its name in the fleet: for the command the kubeconfig context.
        code: what the command would have ended with on this cluster alone: 0, 1, 2, 3, 4 or 130. None where it was not
            tried.
        plan: what `plan_fleet` found; None after a run.
        report: what `run_fleet` did; None where it did not get so far.
        error: what ended it, if it was ended by an error.
        message: why it was not tried, or needed no work of its own, as a sentence; empty otherwise.
        same_as: the name under which this very cluster is worked on, if it is another one.
        seconds: how long it took.
    """

    name: str
    code: int | None = None
    plan: Plan | None = None
    report: Report | None = None
    error: ClusterError | None = None
    message: str = ""
    same_as: str = ""
    seconds: float = 0.0

    @property
    def tried(self) -> bool:
        """It was begun. Not where the fleet stopped before."""
        return self.code is not None

    @property
    def ok(self) -> bool:
        """It ended with exit code 0."""
        return self.code == 0

    @property
    def server(self) -> str:
        """The API server's base URL; empty where it is not known."""
        found = self.report or self.plan
        return found.server if found else ""


class FleetReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found or done on several clusters, in the order in which they were given.

    Attributes:
        clusters: one result for each.
        code: the worst of their exit codes; from the worst on that is 130, 2, 3, 4, 1, 0.
        seconds: how long all took.
        dry_run: a rehearsal, which changed nothing.
        interrupted: it was cancelled; what was done by then is here.
    """

    clusters: tuple[ClusterResult, ...]
    code: int
    seconds: float
    dry_run: bool = False
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Every cluster was tried and ended with exit code 0."""
        return self.code == 0 and all(c.ok for c in self.clusters)

    @property
    def not_tried(self) -> tuple[ClusterResult, ...]:
        return tuple(c for c in self.clusters if not c.tried)

    @property
    def unfinished(self) -> dict[str, tuple[Unfinished, ...]]:
        """What is left to do where a run has got so far as to say it, for `run_fleet(..., unfinished=...)`."""
        return {c.name: c.report.unfinished for c in self.clusters if c.report is not None and not self.dry_run}

    def raise_for_outcome(self) -> None:
        """Raise FleetError, which carries this report, unless every cluster is done (`ok`)."""
        if self.ok:
            return
        bad = [c for c in self.clusters if not c.ok]
        first, more = bad[0] if bad else None, f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        what = "the fleet was interrupted" if first is None else f"cluster {first.name}: {_why(first)}{more}"
        raise FleetError(what, report=self)

    def to_json(self) -> str:
        """This report as one JSON object, as docs/fleet.md describes it; `from_json` brings it back."""
        return outward.to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> FleetReport:
        """Read what `to_json`, or the command with several contexts and -o json, has written; else UsageError."""
        return outward.from_json(text, FleetReport)

    def render(self, *, width: int = 100) -> str:
        """This report as text for people, in lines of at most `width` columns, without colours."""
        return outward.render(self, width)


def _why(result: ClusterResult) -> str:
    if result.error is not None:
        return result.error.message
    return result.message or f"exit code {result.code}"
