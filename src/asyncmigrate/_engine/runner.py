"""`run`: migrates every stale CRD of a plan, several at once, and says what became of each."""

from __future__ import annotations

from collections.abc import Iterable

from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.migration import Migration
from asyncmigrate._engine.session import MAX_IN_FLIGHT, Policies, Session
from asyncmigrate._engine.tasks import open_tasks
from asyncmigrate._results import CRDPlan, CRDReport, Decision, Outcome, Plan, Report
from asyncmigrate._rules.schedule import DEFAULT_POLICY, WEBHOOK_POLICY, RetryPolicy
from asyncmigrate.errors import UsageError
from asyncmigrate.events import CRDFinished, Observer, RunFinished, RunStarted

_OUTCOME_WITHOUT_RUN = {
    Decision.NEW: Outcome.SKIPPED,
    Decision.CURRENT: Outcome.SKIPPED,
    Decision.STALE: Outcome.SKIPPED,  # only where blocked CRDs keep the whole plan from being run
    Decision.BLOCKED: Outcome.BLOCKED,
    Decision.FAILED: Outcome.FAILED,
}


async def run(
    cluster: Cluster,
    plan: Plan,
    *,
    dry_run: bool = False,
    skip_blocked: bool = False,
    max_in_flight: int = MAX_IN_FLIGHT,
    retry_policy: RetryPolicy = DEFAULT_POLICY,
    webhook_policy: RetryPolicy = WEBHOOK_POLICY,
    observers: Iterable[Observer] = (),
) -> Report:
    """Rewrite the objects of every stale CRD in its live storage version, then trim its storedVersions.

    A CRD or an object that fails spoils nothing else: it is in the report, and a later run has only that left to do.
    When cancelled, the tasks end, what was done goes out as a RunFinished event, and the cancellation goes on.

    Args:
        cluster: the open cluster that the plan was made on.
        plan: what to do.
        dry_run: rehearse: every write is sent with `dryRun=All`, and nothing changes. `rewritten` then counts the
            objects that can be rewritten.
        skip_blocked: migrate the stale CRDs even where others are blocked; without it nothing at all is written then.
        max_in_flight: requests under way at once, over all CRDs, 32 by default.
        retry_policy: how long to try again what can get better, 30 s by default for each object or call.
        webhook_policy: the same where a webhook does not answer, 150 s by default: certificates being rotated take
            60 to 90 s.
        observers: called with each event.

    Raises:
        UsageError: the plan was made on another cluster.
    """
    if plan.server != cluster.server:
        raise UsageError(f"the plan was made on {plan.server}, and this cluster is {cluster.server}")
    session = Session(
        cluster,
        max_in_flight=max_in_flight,
        policies=Policies(retry_policy, webhook_policy),
        observers=observers,
        contacted=True,
    )
    held_back = bool(plan.blocked) and not skip_blocked
    stale = () if held_back else plan.stale
    migrations = {c.name: Migration(session, c, dry_run=dry_run) for c in stale}
    session.emit(RunStarted(plan, len(stale), dry_run))
    interrupted = True
    try:
        for crd_plan in plan.crds:
            if crd_plan.name not in migrations:
                session.emit(CRDFinished(_without_run(crd_plan)))
        async with session.pool.crew(), open_tasks() as tasks:
            for migration in migrations.values():
                tasks.start_soon(migration.run)
        interrupted = False
    finally:
        report = Report(
            context=cluster.context,
            server=cluster.server,
            seconds=session.seconds,
            crds=tuple(migrations[c.name].report if c.name in migrations else _without_run(c) for c in plan.crds),
            requests=session.calls.requests,
            retries=session.retries,
            dry_run=dry_run,
            interrupted=interrupted,
        )
        session.emit(RunFinished(report))
    return report


def _without_run(plan: CRDPlan) -> CRDReport:
    reason, message = plan.reason, plan.message
    if plan.decision is Decision.STALE:
        reason, message = "PlanBlocked", "nothing is written while another CRD of the plan is blocked"
    outcome = _OUTCOME_WITHOUT_RUN[plan.decision]
    return CRDReport(plan=plan, outcome=outcome, reason=reason, message=message, refused=plan.refused)
