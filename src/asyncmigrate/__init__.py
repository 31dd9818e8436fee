"""Move Kubernetes custom resources to their CRD's storage version: fast, and without ever losing one.

async with Cluster.from_kubeconfig() as cluster:
    todo = await plan(cluster, manifests=["crds/"])
    report = await run(cluster, todo)
"""

from asyncmigrate._cli import interrupts  # noqa: F401 -- before all else: see there

# isort: split
from asyncmigrate import errors, events
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._cluster.transport import Request, Response, Transport
from asyncmigrate._engine.droppable import droppable
from asyncmigrate._engine.planner import plan
from asyncmigrate._engine.retry import Attempt, retry
from asyncmigrate._engine.runner import run
from asyncmigrate._model import CRD, Version, Writer
from asyncmigrate._results.droppable import Droppable, VersionUse
from asyncmigrate._results.plan import Changes, CRDPlan, Decision, Plan, PolicyRule, SpecID, Summary
from asyncmigrate._results.report import (
    CRDReport,
    Failure,
    Objects,
    Outcome,
    OwnersLeft,
    PrunedObjects,
    Report,
    TrimmedBy,
)
from asyncmigrate._results.unfinished import Progress, Unfinished
from asyncmigrate._rules.errors.classify import is_transient
from asyncmigrate._rules.flow.retry_schedule import RetryPolicy

__all__ = [
    "CRD",
    "Attempt",
    "CRDPlan",
    "CRDReport",
    "Changes",
    "Cluster",
    "Decision",
    "Droppable",
    "Failure",
    "Objects",
    "Outcome",
    "OwnersLeft",
    "Plan",
    "PolicyRule",
    "Progress",
    "PrunedObjects",
    "Report",
    "Request",
    "Response",
    "RetryPolicy",
    "SpecID",
    "Summary",
    "Transport",
    "TrimmedBy",
    "Unfinished",
    "Version",
    "VersionUse",
    "Writer",
    "droppable",
    "errors",
    "events",
    "is_transient",
    "plan",
    "retry",
    "run",
]
