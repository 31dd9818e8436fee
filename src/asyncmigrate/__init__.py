"""Move Kubernetes custom resources to their CRD's storage version: fast, and without ever losing one.

async with Cluster.from_kubeconfig() as cluster:
    todo = await plan(cluster, manifests=["crds/"])
    report = await run(cluster, todo)

`asyncmigrate.sync` has the same for programs that are not async.
"""

from asyncmigrate._cli import interrupts  # noqa: F401 -- before all else: see there

# isort: split

from typing import TYPE_CHECKING

from asyncmigrate import errors, events
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._cluster.transport import Request, Response, Transport
from asyncmigrate._engine.droppable import droppable
from asyncmigrate._engine.fleet import plan_fleet, run_fleet
from asyncmigrate._engine.planner import plan
from asyncmigrate._engine.retry import Attempt, ErrorFilter, is_transient, retry
from asyncmigrate._engine.runner import run
from asyncmigrate._engine.upgrade import after_upgrade, before_upgrade
from asyncmigrate._model import CRD, ObjectRef, Status, Version, Writer
from asyncmigrate._results.droppable import Droppable, VersionUse
from asyncmigrate._results.fleet import ClusterError, ClusterResult, FleetReport
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
from asyncmigrate._rules.flow.retry_schedule import DEFAULT_POLICY, WEBHOOK_POLICY, RetryPolicy

if TYPE_CHECKING:
    __version__: str

__all__ = [
    "CRD",
    "DEFAULT_POLICY",
    "WEBHOOK_POLICY",
    "Attempt",
    "CRDPlan",
    "CRDReport",
    "Changes",
    "Cluster",
    "ClusterError",
    "ClusterResult",
    "Decision",
    "Droppable",
    "ErrorFilter",
    "Failure",
    "FleetReport",
    "ObjectRef",
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
    "Status",
    "Summary",
    "Transport",
    "TrimmedBy",
    "Unfinished",
    "Version",
    "VersionUse",
    "Writer",
    "__version__",
    "after_upgrade",
    "before_upgrade",
    "droppable",
    "errors",
    "events",
    "is_transient",
    "plan",
    "plan_fleet",
    "retry",
    "run",
    "run_fleet",
]


if not TYPE_CHECKING:  # a type checker would take any other name for one of the package's, too

    def __getattr__(name: str) -> str:
        """The version, looked up when it is asked for: that takes a while, and hardly anybody does."""
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415 -- see above

            return version("asyncmigrate")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
