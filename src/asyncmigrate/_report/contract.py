"""The JSON contract, `asyncmigrate/v1`: documented in README, tested, and kept."""

from __future__ import annotations

from typing import Any

import msgspec

from asyncmigrate._results import Changes, CRDPlan, CRDReport, Plan, Report

API_VERSION = "asyncmigrate/v1"


def plan_json(plan: Plan) -> str:
    """A Plan as one JSON object."""
    return _json("Plan", plan, [_crd_plan(c) | {"changes": _changes(c.changes)} for c in plan.crds])


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
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _crd_plan(crd: CRDPlan) -> dict[str, Any]:
    return {
        "name": crd.name,
        "decision": crd.decision,
        "reason": crd.reason,
        "message": crd.message,
        "storageVersion": crd.storage_version,
        "storedVersions": crd.stored_versions,
    }


def _changes(changes: Changes | None) -> dict[str, Any] | None:
    if changes is None:
        return None
    return {
        "added": changes.added,
        "dropped": changes.dropped,
        "unserved": changes.unserved,
        "storageMovesTo": changes.storage_moves_to,
    }


def _crd_report(crd: CRDReport) -> dict[str, Any]:
    return _crd_plan(crd.plan) | {
        "reason": crd.reason,
        "message": crd.message,
        "outcome": crd.outcome,
        "objects": crd.objects,
        "trimmed": crd.trimmed,
        "failures": crd.failures,
    }
