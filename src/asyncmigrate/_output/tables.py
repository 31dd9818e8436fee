"""Plans and reports as sheets: a row for each CRD, and below them the failures by cause, and the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.text import Text

from asyncmigrate._output import words
from asyncmigrate._output.clean import clean, line
from asyncmigrate._output.grid import grid, wrapped
from asyncmigrate._output.sheet import Cell, Column, Row, Sheet, cell, numeral
from asyncmigrate._results.plan import CRDPlan, Decision, Plan
from asyncmigrate._results.report import CRDReport, Failure, Objects, Outcome, Report
from asyncmigrate._rules.decisions.phrases import count

_ALL_ROWS = 20  # so few CRDs are all shown
_STYLES = {
    Decision.NEW: "dim",
    Decision.CURRENT: "green",
    Decision.STALE: "yellow",
    Decision.BLOCKED: "bold red",
    Decision.FAILED: "bold red",
    Outcome.SKIPPED: "dim",
    Outcome.MIGRATED: "green",
    Outcome.INCOMPLETE: "bold yellow",
}
_COUNTS = Objects.__struct_fields__
_PLAN_COLUMNS = (
    Column("CRD"),
    Column("DECISION"),
    Column("STORAGE"),
    Column("STORED"),
    Column("OBJECTS", right=True),
    Column("CHANGES"),
)
_PLAN_WIDE = (Column("CONVERSION", wide=True), Column("REASON", wide=True))
_REPORT_COLUMNS = (
    Column("CRD"),
    Column("OUTCOME"),
    *(Column(field.upper(), right=True) for field in _COUNTS),
    Column("TRIMMED"),
    Column("STORAGE", wide=True),
    Column("STORED", wide=True),
    Column("REASON", wide=True),
)


def plan_sheet(plan: Plan, *, drop: bool = False) -> Sheet:
    """A plan; with `drop` also whether the version that was asked about can be dropped."""
    return Sheet(
        columns=(*_PLAN_COLUMNS, *([Column("DROPPABLE")] if drop else []), *_PLAN_WIDE),
        rows=tuple(_plan_row(c, drop=drop) for c in plan.crds),
        problems=tuple(map(line, words.drop_lines(plan))),
        counts=tuple(line(said) for said in words.plan_lines(plan)),
    )


def _plan_row(crd: CRDPlan, *, drop: bool) -> Row:
    live = crd.live
    cells = [
        cell(crd.name),
        Cell(crd.decision, _style(crd.decision)),
        *_versions(crd),
        numeral(crd.waiting),
        cell(words.changes_words(crd.changes), plain=words.changes_word(crd.changes)),
        *([_droppable(crd)] if drop else []),
        cell("" if live is None else "Webhook" if live.webhook else "None"),
        cell(crd.reason),
    ]
    routine = crd.decision in {Decision.NEW, Decision.CURRENT} and not crd.changes
    return Row(tuple(cells), clean(crd.message), routine=routine)


def _versions(crd: CRDPlan) -> tuple[Cell, Cell]:
    return cell(crd.storage_version or ""), cell(",".join(crd.stored_versions))


def _droppable(crd: CRDPlan) -> Cell:
    if crd.droppable is None:
        return Cell("")
    return Cell("yes", "green") if crd.droppable.droppable else Cell("no", "red")


def report_sheet(report: Report) -> Sheet:
    """A report, with each failed object, or an example of those that failed for the same reason."""
    return Sheet(
        columns=_REPORT_COLUMNS,
        rows=tuple(_report_row(c) for c in report.crds),
        problems=(
            *(said for c in report.crds if c.failures for said in _failures(c)),
            *(line(said, "yellow") for c in report.crds for said in words.owners_left_lines(c)),
            *(line(said, "yellow") for said in [_blocked_line(report)] if said),
        ),
        counts=(Text(words.report_line(report), "bold"),),
    )


def _report_row(crd: CRDReport) -> Row:
    by = str(crd.trimmed_by or "")
    cells = [
        cell(crd.name),
        Cell(crd.outcome, _style(crd.outcome)),
        *(numeral(getattr(crd.objects, field)) for field in _COUNTS),
        cell(f"by {by}" if by else "", plain=by.replace(" ", "-")),
        *_versions(crd.plan),
        cell(crd.reason),
    ]
    worked = crd.outcome is not Outcome.SKIPPED or crd.reason == "Rehearsed" or crd.plan.decision is Decision.STALE
    return Row(tuple(cells), clean(crd.message), routine=not worked)


def _blocked_line(report: Report) -> str:
    """Only where blocked CRDs kept others from being migrated."""
    held = [c.plan for c in report.crds if c.outcome is Outcome.SKIPPED and c.plan.decision is Decision.STALE]
    blocked = [c.plan for c in report.by_outcome(Outcome.BLOCKED) if c.plan.decision is Decision.BLOCKED]
    return words.blocked_line(blocked, () if report.dry_run else held)


def sheet_of(result: Plan | Report, *, drop: bool = False) -> Sheet:
    return plan_sheet(result, drop=drop) if isinstance(result, Plan) else report_sheet(result)


def page(sheet: Sheet, width: int, *, wide: bool = False) -> list[Text]:
    """The lines of a table that is so wide, and below it what else there is to say."""
    shown = sheet if wide else without_routine(sheet)
    rows = grid(shown, width, wide=wide)
    below = [line for note in (*shown.problems, *shown.counts) for line in wrapped(note, width)]
    return [*rows, *([Text()] if rows and below else []), *below]


def without_routine(sheet: Sheet) -> Sheet:
    """The same without what needs no attention, where there are many rows; their number is the first count."""
    if len(sheet.rows) <= _ALL_ROWS:
        return sheet
    rows = tuple(r for r in sheet.rows if not r.routine)
    hidden = Counter(r.cells[1].text for r in sheet.rows if r.routine)
    if not hidden:
        return sheet
    said = ", ".join(f"{words.number(n)} {what}" for what, n in hidden.items())
    return Sheet(sheet.columns, rows, sheet.problems, (Text(f"not shown: {said}", "dim"), *sheet.counts))


def _style(word: Decision | Outcome) -> str:
    return _STYLES.get(word, "bold red")


def _failures(crd: CRDReport) -> Iterable[Text]:
    """The failures of one CRD, those that share a cause on one line."""
    by_cause: dict[tuple[int, str, str], list[Failure]] = {}
    for failure in crd.failures:
        # The object's own name in a message would make every cause a cause of its own.
        message = failure.message.replace(failure.name, "…")
        by_cause.setdefault((failure.code, failure.reason, message), []).append(failure)
    unnamed = crd.objects.failed - len(crd.failures)
    yield line(f"{crd.name}:" + (f" (and {words.number(unnamed)} more failures)" if unnamed else ""), "bold")
    for failures in by_cause.values():
        example = failures[0]
        named = f"{example.namespace}/{example.name}" if example.namespace else example.name
        more = f"{count(len(failures), 'object')}, such as " if len(failures) > 1 else ""
        cause = f"{example.code or 'no answer'} {example.reason}: {example.message}"
        tries = f" (tried {example.attempts} times)" if example.attempts > 1 else ""
        yield line(f"  {more}{named}: {cause}{tries}", "red")
