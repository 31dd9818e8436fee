"""Numbers and results in words, the same wherever they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from asyncmigrate._results.droppable import VersionUse
from asyncmigrate._results.plan import Changes, CRDPlan, Decision, Plan
from asyncmigrate._results.report import CRDReport, Outcome, Report
from asyncmigrate._rules.decisions.phrases import and_words, count, objects_line

_NAMED_FIELDS = 5  # of one manager; the rest is in the JSON


def number(value: float) -> str:
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """`0.42 s`, `13 s`, `7 min 5 s`, `7 h 24 min`."""
    if seconds < 10:  # noqa: PLR2004 -- two digits are enough from here on
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def settling(wait: float, settle: float) -> str:
    """What is waited for, and why."""
    return (
        f"the storage version moved a moment ago; waiting {duration(wait)} before listing, for writes that began "
        f"before the move may still be stored in the old version (--settle {duration(settle)})"
    )


def not_saved(error: str) -> str:
    return f"warning: progress cannot be saved, so a killed run starts from the beginning: {error}"


def event_not_recorded(crd: str, error: str) -> str:
    about = f"about {crd}" if crd else "about some CRDs"
    return f"warning: no Kubernetes Event was recorded {about}: {error}"


def plan_line(plan: Plan) -> str:
    """One line: how many CRDs of each decision."""
    decisions = Counter(c.decision for c in plan.crds)
    parts = [f"{number(decisions[d])} {d}" for d in Decision if decisions[d]]
    return f"{count(len(plan.crds), 'CRD')}: {', '.join(parts)}" if parts else "no CRDs to look at"


def unanswered_line(plan: Plan) -> str:
    """One line on what the plan did not wait for; empty if it waited for all."""
    waiting = [c for c in plan.crds if c.unanswered]
    webhooks = sum(c.live is not None and c.live.webhook for c in waiting)
    if not waiting:
        return ""
    what = count(webhooks, "webhook") if webhooks == len(waiting) else count(len(waiting), "CRD")
    return f"… still asking {what}: the plan does not wait for that"


def step_line(plan: Plan) -> str:
    """One line on how large a step the manifests are; empty without manifests."""
    summary = plan.summary
    if summary is None:
        return ""
    parts = [
        f"bring {count(summary.new, 'new CRD')}" if summary.new else "",
        f"change {number(summary.changed)}" if summary.changed else "",
        f"leave {number(summary.unchanged)} as {'it is' if summary.unchanged == 1 else 'they are'}"
        if summary.unchanged
        else "",
    ]
    return f"the manifests {and_words([p for p in parts if p])}"


def blocked_line(blocked: Sequence[CRDPlan], held: Sequence[CRDPlan]) -> str:
    """What to do where some CRDs are blocked, and keep others that could be migrated from it; empty if they do not."""
    if not (blocked and held):
        return ""
    are = "is" if len(blocked) == 1 else "are"
    return (
        f"nothing was written, for {count(len(blocked), 'CRD')} {are} blocked: put that right, or give --skip-blocked "
        f"to migrate just the {count(len(held), 'stale CRD')}"
    )


def plan_lines(plan: Plan) -> list[str]:
    """The counts: of decisions, of what the manifests change, of what was not waited for."""
    return [said for said in (plan_line(plan), step_line(plan), unanswered_line(plan)) if said]


def drop_lines(plan: Plan) -> list[str]:
    """For each CRD that has the version to drop, whether it can be dropped."""
    return [f"{c.name}: {drop_verdict(use)}" for c in plan.crds if c.droppable for use in c.droppable.versions]


def drop_verdict(use: VersionUse) -> str:
    """Whether a version can be dropped, and the reasons in a word each if not."""
    if not use.in_crd and not use.in_stored_versions:
        unknown = {r.reason for r in use.reasons} <= {"NotChecked", "CRDChanged"}
        still = "; whether anything still uses it is not known" if unknown else ", and is still in use"
        return f"{use.version} was dropped already{still}"
    if use.droppable:
        return f"{use.version} can be dropped"
    return f"{use.version} cannot be dropped: {', '.join(dict.fromkeys(r.reason for r in use.reasons))}"


def report_line(report: Report) -> str:
    """One line: what the run came to."""
    outcomes = Counter(c.outcome for c in report.crds)
    parts = [f"{number(outcomes[o])} {o}" for o in Outcome if outcomes[o]]
    begin = "interrupted: " if report.interrupted else "rehearsed, nothing was changed: " if report.dry_run else ""
    what = f"{begin}{count(len(report.crds), 'CRD')} ({', '.join(parts) or 'none'})"
    retried = f", {count(report.retries, 'retry', 'retries')}" if report.retries else ""
    return (
        f"{what}; {objects_line(report.objects)}; "
        f"{duration(report.seconds)}, {count(report.requests, 'request')}{retried}"
    )


def owners_left_lines(crd: CRDReport) -> list[str]:
    """A line for each manager whose managedFields were left in an old version."""
    return [
        f"{crd.name}: {left.manager or 'a nameless manager'} still owns fields in {left.api_version.rpartition('/')[2]}"
        f" ({count(left.objects, 'object')}): {', '.join(left.fields[:_NAMED_FIELDS]) or 'all that it owned there'}"
        for left in crd.owners_left
    ]


def changes_words(changes: Changes | None) -> str:
    """`+v1, -v1alpha1, v1alpha2 unserved, storage to v1`, as the plan's table shows it."""
    if changes is None:
        return ""
    parts = [f"+{v}" for v in changes.added] + [f"-{v}" for v in changes.dropped]
    parts += [f"{v} unserved" for v in changes.unserved]
    if changes.storage_moves_to:
        parts.append(f"storage to {changes.storage_moves_to}")
    if changes.prunes:
        parts.append(f"lacks {count(len(changes.prunes), 'field')}")
    if changes.requires:
        parts.append(f"requires {count(len(changes.requires), 'more field')}")
    return ", ".join(parts)


def changes_word(changes: Changes | None) -> str:
    """The same without blanks, for programs: `+v1,-v1alpha1,unserved:v1alpha2,storage:v1,lacks:2,requires:1`."""
    if changes is None:
        return ""
    parts = [f"+{v}" for v in changes.added] + [f"-{v}" for v in changes.dropped]
    parts += [f"unserved:{v}" for v in changes.unserved]
    parts += [f"storage:{changes.storage_moves_to}"] if changes.storage_moves_to else []
    parts += [f"lacks:{len(changes.prunes)}"] if changes.prunes else []
    parts += [f"requires:{len(changes.requires)}"] if changes.requires else []
    return ",".join(parts)
