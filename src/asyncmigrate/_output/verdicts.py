"""What a pipeline makes of each CRD of a plan or a report: passed, skipped, left to do, or failed."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._results.plan import CRDPlan, Decision, Plan
from asyncmigrate._results.report import CRDReport, Outcome, Report

_SHOWN_FAILURES = 20  # of one CRD; all that are kept are in the JSON


class Verdict(StrEnum):
    """Of one CRD."""

    PASSED = "passed"
    SKIPPED = "skipped"  # there is nothing to judge
    UNDONE = "undone"  # what `plan --check` fails, or a run left
    ERROR = "error"  # it could not be found out, or done


class Case(msgspec.Struct, frozen=True):
    """One CRD; all texts are clean. `more` has further lines, such as the objects that failed."""

    name: str
    word: str
    verdict: Verdict
    reason: str
    message: str
    more: tuple[str, ...] = ()


_OF_DECISION = {
    Decision.NEW: Verdict.SKIPPED,
    Decision.CURRENT: Verdict.PASSED,
    Decision.STALE: Verdict.UNDONE,
    Decision.BLOCKED: Verdict.UNDONE,
    Decision.FAILED: Verdict.ERROR,
}
_OF_OUTCOME = {
    Outcome.SKIPPED: Verdict.SKIPPED,
    Outcome.MIGRATED: Verdict.PASSED,
    Outcome.INCOMPLETE: Verdict.UNDONE,
    Outcome.BLOCKED: Verdict.UNDONE,
    Outcome.FAILED: Verdict.ERROR,
}


def cases_of(result: Plan | Report) -> list[Case]:
    """A case for each CRD, in the result's order."""
    return [_of_plan(c) for c in result.crds] if isinstance(result, Plan) else [_of_report(c) for c in result.crds]


def summary_of(result: Plan | Report) -> str:
    """One line: what it came to."""
    return clean(words.plan_line(result) if isinstance(result, Plan) else words.report_line(result))


def _of_plan(crd: CRDPlan) -> Case:
    verdict, reason, message = _OF_DECISION[crd.decision], crd.reason, crd.message
    used = [words.drop_verdict(use) for use in crd.droppable.versions] if crd.droppable is not None else []
    if crd.droppable is not None and not crd.droppable.droppable and verdict is not Verdict.ERROR:
        # Of a version that was asked about `plan --check` fails what cannot be dropped, also where nothing is stale.
        verdict, reason, message = Verdict.UNDONE, "NotDroppable", f"{'; '.join(used)} ({message})"
    return Case(clean(crd.name), str(crd.decision), verdict, clean(reason), clean(message), tuple(map(clean, used)))


def _of_report(crd: CRDReport) -> Case:
    verdict = _OF_OUTCOME[crd.outcome]
    if crd.plan.decision is Decision.CURRENT and verdict is Verdict.SKIPPED:
        verdict = Verdict.PASSED
    more = tuple(map(clean, _failures(crd)))
    return Case(clean(crd.name), str(crd.outcome), verdict, clean(crd.reason), clean(crd.message), more)


def _failures(crd: CRDReport) -> Iterator[str]:
    for failure in crd.failures[:_SHOWN_FAILURES]:
        where = f"{failure.namespace}/{failure.name}" if failure.namespace else failure.name
        yield f"{where}: {failure.code or 'no answer'} {failure.reason}: {failure.message}"
    if (left := crd.objects.failed - _SHOWN_FAILURES) > 0:
        yield f"and {left} more"
