"""The JSON contract, `asyncmigrate/v1`: documented in README, tested, and kept; and a report read back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from asyncmigrate._output.clean import as_json
from asyncmigrate._output.droppable_fields import droppable_fields
from asyncmigrate._results.plan import Changes, CRDPlan, Decision, Plan, SpecID, spec_id
from asyncmigrate._results.report import CRDReport, Objects, Outcome, Report
from asyncmigrate._results.unfinished import Progress, Unfinished
from asyncmigrate.errors import UsageError

API_VERSION = "asyncmigrate/v1"


def plan_json(plan: Plan) -> str:
    """A Plan as one JSON object."""
    return _json("Plan", plan, [_crd_plan(c) | _found(c) | _droppable(c) for c in plan.crds])


def report_json(report: Report) -> str:
    """A Report as one JSON object."""
    return _json("Report", report, [_crd_report(c) for c in report.crds])


def _json(kind: str, result: Plan | Report, crds: list[dict[str, Any]]) -> str:
    whole = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "context": result.context,
        "server": result.server,
        "seconds": round(result.seconds, 3),
        "crds": crds,
        "requests": result.requests,
        "retries": result.retries,
    } | ({"dryRun": result.dry_run, "interrupted": result.interrupted} if isinstance(result, Report) else {})
    return as_json(whole)


def _crd_plan(crd: CRDPlan) -> dict[str, Any]:
    return {
        "name": crd.name,
        "decision": crd.decision,
        "reason": crd.reason,
        "message": crd.message,
        "storageVersion": crd.storage_version,
        "storedVersions": crd.stored_versions,
        "spec": spec_id(crd.live) if crd.live else None,
    }


def _found(crd: CRDPlan) -> dict[str, Any]:
    return {
        "changes": _changes(crd.changes),
        "objectsWaiting": crd.waiting,
        "unanswered": crd.unanswered,
        "missingRights": crd.missing,
        "webhookError": crd.webhook_error or None,
        "prunes": crd.live.pruned if crd.live else (),
    }


def _droppable(crd: CRDPlan) -> dict[str, Any]:
    """Only where a version was asked about that the CRD has or had."""
    return {} if crd.droppable is None else {"droppable": droppable_fields(crd.droppable)}


def _changes(changes: Changes | None) -> dict[str, Any] | None:
    if changes is None:
        return None
    return {
        "added": changes.added,
        "dropped": changes.dropped,
        "unserved": changes.unserved,
        "storageMovesTo": changes.storage_moves_to,
        "prunes": changes.prunes,
        "requires": changes.requires,
    }


def _crd_report(crd: CRDReport) -> dict[str, Any]:
    return _crd_plan(crd.plan) | {
        "reason": crd.reason,
        "message": crd.message,
        "outcome": crd.outcome,
        "objects": crd.objects,
        "trimmed": crd.trimmed,
        "failures": crd.failures,
        "trimmedBy": crd.trimmed_by,
        "progress": crd.progress,
        "pruning": crd.pruning,
        "writers": crd.writers,
        "ownersLeft": crd.owners_left,
    }


class _CRDEntry(msgspec.Struct, rename="camel", kw_only=True):
    name: str
    decision: Decision
    outcome: Outcome
    reason: str
    objects: Objects
    spec: SpecID | None = None
    progress: Progress | None = None  # reports of older releases lack it


class _ReportObject(msgspec.Struct, rename="camel", kw_only=True):
    api_version: str
    kind: str
    crds: tuple[_CRDEntry, ...] = ()
    dry_run: bool = False


def read_unfinished(path: str) -> tuple[Unfinished, ...]:
    """What the run whose JSON report is in a file left to do.

    Raises:
        UsageError: the file cannot be read, is no report, or is that of a rehearsal.
    """
    try:
        report = msgspec.json.decode(Path(path).read_bytes(), type=_ReportObject)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no report of asyncmigrate run -o json: {error}") from error
    if (report.api_version, report.kind) != (API_VERSION, "Report"):
        raise UsageError(f"{path} is no report of asyncmigrate run -o json: it is a {report.api_version} {report.kind}")
    if report.dry_run:
        raise UsageError(f"{path} is the report of a rehearsal, which wrote nothing: run without it")
    return tuple(u for crd in report.crds if (u := _unfinished(crd)))


def _unfinished(crd: _CRDEntry) -> Unfinished | None:
    plan = CRDPlan(name=crd.name, decision=crd.decision, reason=crd.reason, message="")
    report = CRDReport(
        plan=plan, outcome=crd.outcome, reason=crd.reason, message="", objects=crd.objects, progress=crd.progress
    )
    left = report.unfinished
    return msgspec.structs.replace(left, spec=crd.spec) if left else None
