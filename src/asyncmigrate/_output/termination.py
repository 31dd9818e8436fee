"""What a pod leaves as its termination message: how it ended, and which CRDs are not done and why, on one screen."""

from __future__ import annotations

from collections.abc import Iterator

from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._output.droppable import droppable_lines
from asyncmigrate._output.fleet import ended_line, fleet_line
from asyncmigrate._results.droppable import Droppable
from asyncmigrate._results.fleet import FleetReport
from asyncmigrate._results.plan import Decision, Plan
from asyncmigrate._results.report import CRDReport, Outcome, Report
from asyncmigrate._rules.decisions.safe_text import cut

MOST_BYTES = 4096  # that the kubelet reads: MaxContainerTerminationMessageLength in kubernetes' pkg/kubelet/container
_MOST_LINES = 22
_FIRST_BYTES = 1200
_LINE_BYTES = 400
_OUTCOMES = {
    0: "done",
    1: "failed, or not all is done",
    2: "wrong usage or input",
    3: "blocked: nothing was written",
    4: "the cluster cannot be reached, or refuses us",
    130: "interrupted: run again to do the rest",
}
_UNDONE = (Outcome.FAILED, Outcome.BLOCKED, Outcome.INCOMPLETE)
_STUCK = (Decision.FAILED, Decision.BLOCKED)


def termination_message(code: int, result: object = None, error: str = "") -> str:
    """At most 4,096 bytes of UTF-8: first the outcome, then a line for each CRD or cluster that is not done.

    `result` is what was shown, if anything; `error` the error that the command ended with.
    """
    outcome = _OUTCOMES.get(code, "ended")
    said = [f"{outcome} (exit code {code})", *([error] if error else []), *_counts(result)]
    first = cut(clean(": ".join(said)), _FIRST_BYTES)
    return "\n".join(_fitting(first, list(_lines(result)))) + "\n"


def _fitting(first: str, lines: list[str]) -> list[str]:
    """The lines that there is room for, and how many there are more."""
    kept, size = [first], len(first.encode()) + 1
    for position, whole in enumerate(lines):
        line = cut(clean(whole), _LINE_BYTES)
        more = f"… and {words.number(len(lines) - position)} more"
        # Behind this line there has to be room for the word on those after it, unless it is the last.
        is_last = position == len(lines) - 1
        room = MOST_BYTES - size - (0 if is_last else len(more.encode()) + 1)
        if len(line.encode()) + 1 > room or len(kept) > _MOST_LINES:
            return [*kept, more]
        kept.append(line)
        size += len(line.encode()) + 1
    return kept


def _counts(result: object) -> list[str]:
    if isinstance(result, Report):
        return [words.report_line(result)]
    if isinstance(result, FleetReport):
        return [fleet_line(result)]
    return [words.plan_line(result)] if isinstance(result, Plan) else []


def _lines(result: object) -> Iterator[str]:
    if isinstance(result, Report):
        for outcome in _UNDONE:
            yield from map(_undone, result.by_outcome(outcome))
    elif isinstance(result, Plan):
        for decision in _STUCK:
            yield from (f"{c.name}: {c.decision}: {c.reason}: {c.message}" for c in result.by_decision(decision))
    elif isinstance(result, FleetReport):
        yield from (ended_line(c) for c in result.clusters if not c.ok)
    elif isinstance(result, Droppable):
        yield from (line.plain for line in droppable_lines(result))


def _undone(crd: CRDReport) -> str:
    example = ""
    if crd.failures:
        first = crd.failures[0]
        named = f"{first.namespace}/{first.name}" if first.namespace else first.name
        example = f"; such as {named}: {first.code or 'no answer'} {first.reason}: {first.message}"
    return f"{crd.name}: {crd.outcome}: {crd.reason}: {crd.message}{example}"
