"""The results as tables: what wants attention row by row, what does not as a count."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from asyncmigrate._output import words
from asyncmigrate._output.clean import clean, line
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


def _style(word: Decision | Outcome) -> str:
    return _STYLES.get(word, "bold red")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column.startswith("#") else "left")
    return table


def plan_table(plan: Plan) -> RenderableType:
    """The plan: a row for each CRD that is not simply new or current, then the counts."""
    rows = [c for c in plan.crds if len(plan.crds) <= _ALL_ROWS or _wants_a_row(c)]
    table = _table("CRD", "DECISION", "STORAGE", "STORED", "#OBJECTS", "THE MANIFEST CHANGES", "WHY")
    for crd in rows:
        table.add_row(
            clean(crd.name),
            Text(crd.decision, _style(crd.decision)),
            clean(crd.storage_version or ""),
            clean(",".join(crd.stored_versions)),
            "" if crd.waiting is None else words.number(crd.waiting),
            clean(words.changes_words(crd.changes)),
            clean(crd.message),
        )
    parts: list[RenderableType] = [table] if rows else []
    hidden = Counter(c.decision for c in plan.crds) - Counter(c.decision for c in rows)
    if hidden:
        parts.append(Text(f"not shown: {', '.join(f'{words.number(n)} {d}' for d, n in hidden.items())}", "dim"))
    parts += [
        line(said)
        for said in (*words.drop_lines(plan), words.plan_line(plan), words.step_line(plan), words.unanswered_line(plan))
        if said
    ]
    return Group(*parts)


def _wants_a_row(crd: CRDPlan) -> bool:
    return crd.decision not in {Decision.NEW, Decision.CURRENT} or bool(crd.changes)


def report_table(report: Report) -> RenderableType:
    """The report: a row for each CRD that was not skipped, the failures by cause, then the counts."""
    rows = [c for c in report.crds if len(report.crds) <= _ALL_ROWS or _was_worked_on(c)]
    counts = Objects.__struct_fields__
    table = _table("CRD", "OUTCOME", *(f"#{field.upper()}" for field in counts), "TRIMMED", "WHY")
    for crd in rows:
        table.add_row(
            clean(crd.name),
            Text(crd.outcome, _style(crd.outcome)),
            *(words.number(getattr(crd.objects, field)) for field in counts),
            clean(f"by {crd.trimmed_by}" if crd.trimmed_by else ""),
            clean(crd.message),
        )
    parts: list[RenderableType] = [table] if rows else []
    hidden = Counter(c.outcome for c in report.crds) - Counter(c.outcome for c in rows)
    if hidden:
        parts.append(Text(f"not shown: {', '.join(f'{words.number(n)} {o}' for o, n in hidden.items())}", "dim"))
    parts += [_failures(c) for c in report.crds if c.failures]
    parts += [line(said, "yellow") for c in report.crds for said in words.owners_left_lines(c)]
    parts.append(Text(words.report_line(report), "bold"))
    return Group(*parts)


def _was_worked_on(crd: CRDReport) -> bool:
    return crd.outcome is not Outcome.SKIPPED or crd.reason == "Rehearsed" or crd.plan.decision is Decision.STALE


def _failures(crd: CRDReport) -> Text:
    """The failures of one CRD, those that share a cause on one line."""
    by_cause: dict[tuple[int, str, str], list[Failure]] = {}
    for failure in crd.failures:
        # The object's own name in a message would make every cause a cause of its own.
        message = failure.message.replace(failure.name, "…")
        by_cause.setdefault((failure.code, failure.reason, message), []).append(failure)
    unnamed = crd.objects.failed - len(crd.failures)
    lines = [line(f"{crd.name}:" + (f" (and {words.number(unnamed)} more failures)" if unnamed else ""), "bold")]
    for failures in by_cause.values():
        example = failures[0]
        named = f"{example.namespace}/{example.name}" if example.namespace else example.name
        more = f"{count(len(failures), 'object')}, such as " if len(failures) > 1 else ""
        cause = f"{example.code or 'no answer'} {example.reason}: {example.message}"
        tries = f" (tried {example.attempts} times)" if example.attempts > 1 else ""
        lines.append(line(f"  {more}{named}: {cause}{tries}", "red"))
    return Text("\n").join(lines)


def console_for(stream: object, *, wide: int = 200) -> Console:
    """A console on a stream; off a terminal it is wide, for nobody wants a log folded at 80 columns."""
    # No markup: messages are other people's words, and brackets in them are just brackets.
    console = Console(file=stream, highlight=False, markup=False, emoji=False)  # type: ignore[arg-type]  # any stream
    if not console.is_terminal:
        console.width = wide
    return console
