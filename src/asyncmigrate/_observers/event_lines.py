"""What a line of the events file says: one JSON object for each event, as docs/watching.md describes it.

Results are in the lines of their CRDs, so those of a whole plan or report have counts alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from asyncmigrate._output.clean import json_line
from asyncmigrate._output.report_json import API_VERSION
from asyncmigrate._results.plan import CRDPlan, Decision, Plan
from asyncmigrate._results.report import CRDReport, Failure, Outcome, Report
from asyncmigrate.events import Event, RunStarted

_CAPITAL = re.compile(r"_([a-z])")

Fields = dict[str, Any]


def line_of(event: Event, context: str) -> bytes:
    """One event as a line of JSON, of the cluster that `context` names."""
    whole = {
        "apiVersion": API_VERSION,
        "kind": "Event",
        "type": type(event).__name__,
        "time": when(event.time),
        "context": context,
        **fields_of(event),
    }
    return json_line(whole)


def when(seconds: float) -> str:
    """A time as Kubernetes writes them: UTC, RFC 3339 with microseconds."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def fields_of(event: Event) -> Fields:
    """The fields of an event, those of what it carries among them."""
    if isinstance(event, RunStarted):
        return {
            "server": event.plan.server,
            "crds": len(event.plan.crds),
            "stale": event.stale,
            "dryRun": event.dry_run,
        }
    found: Fields = {}
    for name in event.__struct_fields__:
        if name == "time":
            continue
        value = getattr(event, name)
        show = _SHOWN.get(type(value))
        if show is not None:
            found |= show(value)
        else:
            found[_camel(name)] = round(value, 6) if isinstance(value, float) else value
    return found


def _camel(name: str) -> str:
    return _CAPITAL.sub(lambda found: found[1].upper(), name)


def _plan(plan: Plan) -> Fields:
    return {
        "server": plan.server,
        "crds": len(plan.crds),
        "decisions": _counts(Decision, (c.decision for c in plan.crds)),
        "seconds": round(plan.seconds, 3),
        "requests": plan.requests,
        "retries": plan.retries,
    }


def _crd_plan(plan: CRDPlan) -> Fields:
    return {
        "crd": plan.name,
        "decision": plan.decision,
        "reason": plan.reason,
        "message": plan.message,
        "storageVersion": plan.storage_version,
        "storedVersions": plan.stored_versions,
        "objectsWaiting": plan.waiting,
    }


def _crd_report(report: CRDReport) -> Fields:
    return {
        "crd": report.name,
        "decision": report.plan.decision,
        "outcome": report.outcome,
        "reason": report.reason,
        "message": report.message,
        "objects": msgspec.structs.asdict(report.objects),
        "trimmed": report.trimmed,
        "trimmedBy": report.trimmed_by,
    }


def _report(report: Report) -> Fields:
    return {
        "server": report.server,
        "crds": len(report.crds),
        "outcomes": _counts(Outcome, (c.outcome for c in report.crds)),
        "objects": msgspec.structs.asdict(report.objects),
        "seconds": round(report.seconds, 3),
        "requests": report.requests,
        "retries": report.retries,
        "dryRun": report.dry_run,
        "interrupted": report.interrupted,
    }


def _counts(words: type[StrEnum], found: Iterable[StrEnum]) -> dict[str, int]:
    counted = Counter(found)
    return {str(word): counted[word] for word in words}


_SHOWN: dict[type[Any], Callable[[Any], Fields]] = {
    Plan: _plan,
    CRDPlan: _crd_plan,
    CRDReport: _crd_report,
    Report: _report,
    Failure: msgspec.structs.asdict,
}
