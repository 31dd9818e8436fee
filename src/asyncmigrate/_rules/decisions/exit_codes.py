"""Exit codes: documented in README, and the same for everything that goes wrong in the same way."""

from __future__ import annotations

from enum import IntEnum

from asyncmigrate._results.plan import CRDPlan, Decision, Plan
from asyncmigrate._results.report import CRDReport, Outcome, Report
from asyncmigrate.errors import (
    ConfigError,
    ForbiddenError,
    ManifestError,
    StateError,
    TransportError,
    UnauthorizedError,
    UsageError,
)


class Exit(IntEnum):
    """What the command's end says to a script."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BLOCKED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


def for_error(error: Exception) -> Exit:
    """The code for an error that ended the command, or the work on one cluster of a fleet."""
    if isinstance(error, UsageError | ManifestError | StateError):
        return Exit.USAGE
    if isinstance(error, ConfigError | TransportError | UnauthorizedError | ForbiddenError):
        return Exit.UNREACHABLE
    return Exit.FAILED


def for_plan(plan: Plan, *, check: bool, drop: bool = False) -> Exit:
    """The code for a plan. With `check` all must be new or current, and what was asked about droppable.

    If no CRD has the version to `drop` nothing was judged, and it may be misspelt.
    """
    if _all_refused(plan.crds):
        return Exit.UNREACHABLE
    if check:
        done = {Decision.NEW, Decision.CURRENT}
        judged = [c.droppable.droppable for c in plan.crds if c.droppable is not None]
        drops = all(judged) and bool(judged or not drop)
        return Exit.OK if drops and all(c.decision in done for c in plan.crds) else Exit.FAILED
    if plan.blocked:
        return Exit.BLOCKED
    return Exit.FAILED if plan.by_decision(Decision.FAILED) else Exit.OK


def for_report(report: Report, *, skip_blocked: bool) -> Exit:
    """The code for a run. Where blocked CRDs were skipped on request, they still are not migrated: 1, not 3."""
    if report.interrupted:
        return Exit.INTERRUPTED
    if report.by_outcome(Outcome.BLOCKED) and not skip_blocked:
        return Exit.BLOCKED
    if _all_refused([c for c in report.crds if c.plan.decision not in {Decision.NEW, Decision.CURRENT}]):
        return Exit.UNREACHABLE
    return Exit.OK if report.ok else Exit.FAILED


def _all_refused(crds: tuple[CRDPlan, ...] | list[CRDReport]) -> bool:
    return bool(crds) and all(c.refused for c in crds)
