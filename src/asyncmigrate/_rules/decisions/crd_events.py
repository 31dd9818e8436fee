"""Which Kubernetes Event says what became of a CRD, for whoever looks at the CRD with `kubectl describe`."""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256

import msgspec

from asyncmigrate._results.plan import Decision
from asyncmigrate._results.report import PLAN_BLOCKED, CRDReport, Outcome, TrimmedBy
from asyncmigrate._rules.decisions.phrases import count, objects_line
from asyncmigrate._rules.decisions.safe_text import clean, cut

# NoteLengthLimit in kubernetes' pkg/apis/core/validation/events.go; it bounds core/v1 only where eventTime is set.
MESSAGE_BYTES = 1024
_EXAMPLE_BYTES = 400  # of one object that failed, so that what to do is never cut off
_REASON_BYTES = 600  # of why a CRD could not be migrated: the same
_WORD_BYTES = 100  # of a reason in a word, which a server may have made
_NAME_BYTES = 253
_AGAIN = "Then run asyncmigrate again."


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


class CRDEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An Event to record. Those of one `name` are one, counted: it stays the same from run to run."""

    crd: str
    uid: str
    resource_version: str
    type: EventType
    reason: str
    message: str

    @property
    def name(self) -> str:
        mark = sha256(f"{self.uid} {self.reason}".encode()).hexdigest()[:16]
        return f"{self.crd[: _NAME_BYTES - len(mark) - 1].rstrip('-.')}.{mark}"


def event_for(report: CRDReport) -> CRDEvent | None:
    """The Event that a CRD's report makes; None where there was nothing to migrate, or the CRD is not there."""
    live = report.plan.live
    if live is None:
        return None
    if report.outcome is Outcome.MIGRATED:
        type_, reason, message = EventType.NORMAL, "StorageMigrated", _migrated(report)
    elif report.outcome is Outcome.SKIPPED and report.reason != PLAN_BLOCKED:
        return None
    elif report.objects.failed:
        type_, reason, message = EventType.WARNING, "ObjectsFailed", _objects_failed(report)
    else:
        type_, reason, message = EventType.WARNING, "StorageMigrationIncomplete", _incomplete(report)
    return CRDEvent(
        crd=report.name,
        uid=live.uid,
        resource_version=live.resource_version,
        type=type_,
        reason=reason,
        message=cut(clean(message), MESSAGE_BYTES),
    )


def _migrated(report: CRDReport) -> str:
    by = {TrimmedBy.THIS_RUN: "status.storedVersions was trimmed", TrimmedBy.OTHERS: "others trimmed storedVersions"}
    trimmed = f"; {by[report.trimmed_by]} to [{report.plan.storage_version}]" if report.trimmed_by else ""
    return f"{_short(report.message)} ({objects_line(report.objects)}){trimmed}."


def _objects_failed(report: CRDReport) -> str:
    objects = report.objects
    example = ""
    if report.failures:
        first = report.failures[0]
        named = f"{first.namespace}/{first.name}" if first.namespace else first.name
        said = f"{named}: {first.code or 'no answer'} {first.reason}: {first.message}"
        example = f", such as {cut(clean(said), _EXAMPLE_BYTES)}"
    return (
        f"{objects.failed:,} of {count(objects.listed, 'object')} could not be rewritten in "
        f"{report.plan.storage_version}{example}. status.storedVersions was left as it is. Fix the objects. {_AGAIN}"
    )


def _incomplete(report: CRDReport) -> str:
    counts = f" ({objects_line(report.objects)})" if report.objects.listed else ""
    into = f" to {report.plan.storage_version}" if report.plan.storage_version else ""
    held = report.plan.decision is Decision.STALE and report.reason == PLAN_BLOCKED
    todo = "Unblock the other CRD, or skip it." if held else "Put this right."
    # The reason first: it is what an operator looks up.
    reason = cut(clean(report.reason), _WORD_BYTES)
    return f"Not migrated{into}: {reason}: {_short(report.message)}{counts}. {todo} {_AGAIN}"


def _short(message: str) -> str:
    return cut(clean(message), _REASON_BYTES).rstrip(".")
