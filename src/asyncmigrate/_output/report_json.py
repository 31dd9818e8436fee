"""The JSON contract, `asyncmigrate/v1`: documented in README, tested, and kept. `read_json` reads it back."""

from __future__ import annotations

from typing import Any

from asyncmigrate._output.clean import as_json
from asyncmigrate._output.droppable_fields import droppable_fields
from asyncmigrate._results.fleet import ClusterResult, FleetReport
from asyncmigrate._results.plan import CRDPlan, Plan, spec_id
from asyncmigrate._results.report import CRDReport, Report

API_VERSION = "asyncmigrate/v1"


def result_json(result: Plan | Report | FleetReport) -> str:
    """A result as one JSON object."""
    if isinstance(result, FleetReport):
        return as_json(_fleet(result))
    return as_json(_plan(result) if isinstance(result, Plan) else _report(result))


def report_json(report: Report) -> str:
    """A Report as one JSON object."""
    return as_json(_report(report))


def _plan(plan: Plan) -> dict[str, Any]:
    return _whole("Plan", plan, [_crd_plan(c) for c in plan.crds])


def _report(report: Report) -> dict[str, Any]:
    return _whole("Report", report, [_crd_report(c) for c in report.crds])


def _fleet(fleet: FleetReport) -> dict[str, Any]:
    """Each cluster has the Plan or the Report of today in it, as it is."""
    return {
        "apiVersion": API_VERSION,
        "kind": "FleetReport",
        "code": int(fleet.code),
        "seconds": round(fleet.seconds, 3),
        "clusters": [_cluster(c) for c in fleet.clusters],
        "dryRun": fleet.dry_run,
        "interrupted": fleet.interrupted,
    }


def _cluster(result: ClusterResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "tried": result.tried,
        "code": None if result.code is None else int(result.code),
        "seconds": round(result.seconds, 3),
        "message": result.message or None,
        "sameAs": result.same_as or None,
        "error": result.error,
        "plan": None if result.plan is None else _plan(result.plan),
        "report": None if result.report is None else _report(result.report),
    }


def _whole(kind: str, result: Plan | Report, crds: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "context": result.context,
        "server": result.server,
        "seconds": round(result.seconds, 3),
        "crds": crds,
        "requests": result.requests,
        "retries": result.retries,
    } | ({"dryRun": result.dry_run, "interrupted": result.interrupted} if isinstance(result, Report) else {})


def _crd_plan(crd: CRDPlan) -> dict[str, Any]:
    return _decided(crd) | {
        "changes": crd.changes,
        "objectsWaiting": crd.waiting,
        "unanswered": crd.unanswered,
        "missingRights": crd.missing,
        "webhookError": crd.webhook_error or None,
        "prunes": crd.live.pruned if crd.live else (),
        "refused": crd.refused,
        "live": crd.live,
        # Only where a version was asked about that the CRD has or had.
        **({} if crd.droppable is None else {"droppable": droppable_fields(crd.droppable)}),
    }


def _decided(crd: CRDPlan) -> dict[str, Any]:
    return {
        "name": crd.name,
        "decision": crd.decision,
        "reason": crd.reason,
        "message": crd.message,
        "storageVersion": crd.storage_version,
        "storedVersions": crd.stored_versions,
        "spec": spec_id(crd.live) if crd.live else None,
    }


def _crd_report(crd: CRDReport) -> dict[str, Any]:
    return _decided(crd.plan) | {
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
        "refused": crd.refused,
        "plan": _crd_plan(crd.plan),
    }
