"""A fleet as a sheet: a row for each cluster, and below it what failed on each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.text import Text

from asyncmigrate._output import words
from asyncmigrate._output.clean import clean, line
from asyncmigrate._output.sheet import Cell, Column, Row, Sheet, cell, numeral
from asyncmigrate._output.tables import plan_sheet, report_sheet
from asyncmigrate._results.fleet import ClusterResult, FleetReport
from asyncmigrate._results.plan import Decision, Plan
from asyncmigrate._results.report import Outcome, Report
from asyncmigrate._rules.decisions.exit_codes import Exit
from asyncmigrate._rules.decisions.phrases import count

_NAMED = 3  # CRDs in the sentence of a row
_COLUMNS = (
    Column("CLUSTER"),
    Column("RESULT"),
    Column("CRDS", right=True),
    Column("STALE", right=True),
    Column("DONE", right=True),
    Column("LEFT", right=True),
    Column("OBJECTS", right=True),
    Column("FAILED", right=True),
    Column("TIME", right=True),
    Column("CODE", wide=True),
    Column("REQUESTS", right=True, wide=True),
    Column("SERVER", wide=True),
)
_BY_CODE = {
    Exit.OK: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "refused",
    Exit.BLOCKED: "blocked",
    Exit.UNREACHABLE: "unreachable",
    Exit.INTERRUPTED: "interrupted",
}
_STYLES = {"done": "green", "rehearsed": "green", "current": "green", "stale": "yellow", "not tried": "dim"}
_LEFT = (Outcome.BLOCKED, Outcome.FAILED, Outcome.INCOMPLETE)


def fleet_sheet(fleet: FleetReport, *, drop: bool = False) -> Sheet:
    """A fleet; `drop` as for a plan."""
    return Sheet(
        columns=_COLUMNS,
        rows=tuple(_row(c, dry_run=fleet.dry_run) for c in fleet.clusters),
        problems=tuple(said for c in fleet.clusters for said in _problems(c, drop=drop)),
        counts=(Text(fleet_line(fleet), "bold"),),
    )


def fleet_line(fleet: FleetReport) -> str:
    """One line: what became of the clusters."""
    results = Counter(result_word(c, dry_run=fleet.dry_run) for c in fleet.clusters)
    parts = [f"{words.number(n)} {word}" for word, n in results.items()]
    begin = "interrupted: " if fleet.interrupted else ""
    return f"{begin}{count(len(fleet.clusters), 'cluster')}: {', '.join(parts)}; {words.duration(fleet.seconds)}"


def result_word(result: ClusterResult, *, dry_run: bool = False) -> str:
    """What became of a cluster."""
    if result.code is None:
        return "not tried"
    if result.plan is not None and result.error is None:
        return _plan_word(result.plan)
    if result.report is not None and result.code == Exit.FAILED:
        return "incomplete"
    if result.code == Exit.OK and result.message:
        return "duplicate"
    return "rehearsed" if dry_run and result.code == Exit.OK else _BY_CODE[Exit(result.code)]


def ended_line(result: ClusterResult) -> str:
    """One line on a cluster that has ended: `prod-eu: done`, `prod-us: blocked: widgets.example.com: ...`."""
    said = why(result)
    return f"{result.name}: {result_word(result)}{f': {said}' if said else ''}"


def _plan_word(plan: Plan) -> str:
    for decision in (Decision.BLOCKED, Decision.FAILED, Decision.STALE):
        if plan.by_decision(decision):
            return str(decision)
    return "current"


def _row(result: ClusterResult, *, dry_run: bool) -> Row:
    word = result_word(result, dry_run=dry_run)
    found = result.report or result.plan
    cells = [
        cell(result.name),
        Cell(word, _STYLES.get(word, "bold red"), plain=word.replace(" ", "-")),
        numeral(None if found is None else len(found.crds)),
        *_counts(result),
        cell(words.duration(round(result.seconds, 1)) if result.tried else "", plain=f"{result.seconds:.1f}s"),
        cell("" if result.code is None else f"{result.code:d}"),
        numeral(None if found is None else found.requests),
        cell(result.server),
    ]
    return Row(tuple(cells), clean(why(result)), routine=word in {"done", "current", "rehearsed"})


def _counts(result: ClusterResult) -> tuple[Cell, ...]:
    """STALE, DONE, LEFT, OBJECTS and FAILED."""
    report, plan = result.report, result.plan
    if report is not None:
        stale = sum(c.plan.decision is Decision.STALE for c in report.crds)
        left = sum(c.outcome in _LEFT for c in report.crds)
        migrated = len(report.by_outcome(Outcome.MIGRATED))
        return tuple(map(numeral, (stale, migrated, left, report.objects.listed, report.objects.failed)))
    if plan is not None:
        bad = len(plan.blocked) + len(plan.by_decision(Decision.FAILED))
        return tuple(map(numeral, (len(plan.stale), 0, bad, sum(c.waiting or 0 for c in plan.crds), 0)))
    return (numeral(None),) * 5


def why(result: ClusterResult) -> str:
    """An error, or the CRDs that the result is about."""
    if result.error is not None:
        return result.error.message
    if result.message:
        return result.message
    if result.report is not None:
        return _of_report(result.report)
    return "" if result.plan is None else _of_plan(result.plan)


def _of_plan(plan: Plan) -> str:
    bad = [*plan.blocked, *plan.by_decision(Decision.FAILED)]
    if bad:
        return _first([f"{c.name}: {c.message}" for c in bad], 1)
    return _first([c.name for c in plan.stale], _NAMED)


def _of_report(report: Report) -> str:
    bad = [f"{c.name}: {c.message}" for c in report.crds if c.outcome in _LEFT]
    return _first(bad, 1)


def _first(said: list[str], most: int) -> str:
    more = len(said) - most
    return ", ".join(said[:most]) + (f" (and {words.number(more)} more)" if more > 0 else "")


def _problems(result: ClusterResult, *, drop: bool) -> Iterator[Text]:
    """What a plan or report says below its own table, each with the cluster's name."""
    if result.report is not None:
        sheet = report_sheet(result.report)
    elif result.plan is not None:
        sheet = plan_sheet(result.plan, drop=drop)
    else:
        return
    for said in sheet.problems:
        is_below = said.plain.startswith(" ")  # another one, which has the name
        yield said if is_below else line(f"{clean(result.name)}: {said.plain}", str(said.style))
