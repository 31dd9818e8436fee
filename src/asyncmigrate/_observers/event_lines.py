"""What a line of the events file says: one JSON object for each event, as docs/watching.md describes it.

Results are in the lines of their CRDs, so those of a whole plan or report have counts alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from asyncmigrate._output.clean import json_line
from asyncmigrate._output.report_json import API_VERSION
from asyncmigrate._results.fleet import ClusterResult, FleetReport
from asyncmigrate._results.plan import CRDPlan, Decision, Plan
from asyncmigrate._results.report import CRDReport, Failure, Outcome, Report
from asyncmigrate.events import Event, RunStarted

_CAPITAL = re.compile(r"_([a-z])")

Fields = dict[str, Any]


class Lines:
    """Events of one cluster as lines of JSON. Each object has two, so what can be known before is kept."""

    def __init__(self, context: str) -> None:
        self._context = json_line(context).rstrip()
        self._kinds: dict[type[Event], tuple[bytes, tuple[tuple[str, str], ...]]] = {}

    def line_of(self, event: Event) -> bytes:
        """One event as a line, which it ends."""
        kind = type(event)
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = (self._head(kind), _names(kind))
        head, names = known
        fields = json_line(_fields(event, names))
        return b"".join((head, when(event.time).encode(), b'","context":', self._context, b",", fields[1:]))

    @staticmethod
    def _head(kind: type[Event]) -> bytes:
        """The line up to its time."""
        head = {"apiVersion": API_VERSION, "kind": "Event", "type": kind.__name__, "time": ""}
        return json_line(head).rstrip().removesuffix(b'"}')


def when(seconds: float) -> str:
    """A time as Kubernetes writes them: UTC, RFC 3339 with microseconds."""
    whole, part = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_second(whole)}.{part:06}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _names(kind: type[Event]) -> tuple[tuple[str, str], ...]:
    """The fields of a class of events, with the names that they have in JSON."""
    return tuple((name, _camel(name)) for name in kind.__struct_fields__ if name != "time")


def _fields(event: Event, names: tuple[tuple[str, str], ...]) -> Fields:
    """The fields of an event, those of what it carries among them."""
    if type(event) is RunStarted:
        return {
            "server": event.plan.server,
            "crds": len(event.plan.crds),
            "stale": event.stale,
            "dryRun": event.dry_run,
        }
    found: Fields = {}
    for name, shown in names:
        value = getattr(event, name)
        kind = type(value)  # for isinstance, structs are abstract classes, which take ten times as long
        if kind is float:
            found[shown] = round(value, 6)
        elif kind in _SHOWN:
            found |= _SHOWN[kind](value)
        else:
            found[shown] = value
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


def _cluster(result: ClusterResult) -> Fields:
    return {
        "cluster": result.name,
        "code": result.code,
        "error": result.error,
        "message": result.message,
        "seconds": round(result.seconds, 3),
    }


def _fleet(fleet: FleetReport) -> Fields:
    return {
        "clusters": len(fleet.clusters),
        "code": fleet.code,
        "notTried": [c.name for c in fleet.not_tried],
        "seconds": round(fleet.seconds, 3),
        "dryRun": fleet.dry_run,
        "interrupted": fleet.interrupted,
    }


def _counts(words: type[StrEnum], found: Iterable[StrEnum]) -> dict[str, int]:
    counted = Counter(found)
    return {str(word): counted[word] for word in words}


_SHOWN: dict[type[Any], Callable[[Any], Fields]] = {
    Plan: _plan,
    CRDPlan: _crd_plan,
    CRDReport: _crd_report,
    Report: _report,
    ClusterResult: _cluster,
    FleetReport: _fleet,
    Failure: msgspec.structs.asdict,
}
