"""`run`: migrates every stale CRD of a plan, several at once, and says what became of each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from anyio.abc import TaskGroup

from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.crd_events import CRDEvents, recording
from asyncmigrate._engine.migration import Migration
from asyncmigrate._engine.run_state import RunState
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.stores import store_of
from asyncmigrate._engine.tasks import open_tasks
from asyncmigrate._options import ManagedFields, RunOptions
from asyncmigrate._results.plan import CRDPlan, Decision, Plan
from asyncmigrate._results.report import PLAN_BLOCKED, CRDReport, Outcome, Report
from asyncmigrate._results.unfinished import Unfinished
from asyncmigrate._rules.decisions.decide import ABSENT, FIELDS_WOULD_BE_PRUNED
from asyncmigrate._rules.flow.retry_schedule import RetryPolicy
from asyncmigrate.errors import UsageError
from asyncmigrate.events import CRDFinished, Observer, RunFinished, RunStarted

_DEFAULTS = RunOptions()
_OUTCOME_WITHOUT_RUN = {
    Decision.NEW: Outcome.SKIPPED,
    Decision.CURRENT: Outcome.SKIPPED,
    Decision.STALE: Outcome.SKIPPED,  # where blocked CRDs hold all back, or only what failed before is taken up
    Decision.BLOCKED: Outcome.BLOCKED,
    Decision.FAILED: Outcome.FAILED,
}


async def run(
    cluster: Cluster,
    plan: Plan,
    *,
    dry_run: bool = False,
    skip_blocked: bool = False,
    unfinished: Iterable[Unfinished] | None = None,
    max_in_flight: int = _DEFAULTS.max_in_flight,
    rate: float | None = None,
    settle: float = _DEFAULTS.settle,
    proof_margin: float = _DEFAULTS.proof_margin,
    rewrite_all: bool = False,
    managed_fields: Literal["move", "keep"] = "move",
    record_events: bool = False,
    state: str | os.PathLike[str] | None = None,
    shard: tuple[int, int] | None = None,
    retry_policy: RetryPolicy = _DEFAULTS.retry_policy,
    webhook_policy: RetryPolicy = _DEFAULTS.webhook_policy,
    observers: Iterable[Observer] | Observer = (),
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
        unfinished: what an earlier run left, as `Report.unfinished` has it: only these CRDs are migrated, and of those
            whose spec has not changed since only the objects that are not known to be done. None migrates every stale
            CRD.
        max_in_flight: requests under way at once, over all CRDs, 32 by default; beside them up to half as many that
            have been out for more than a second.
        rate: at most so many objects a second, over all CRDs; None, the default, for as many as the server takes.
        settle: how many seconds ago a CRD's storage version must have moved before its objects are listed, 45 by
            default. A write that began before the move may be stored in the old version up to 34 s after it, and a slow
            API server learns of the move late. Less only if nothing writes; more for a very large control plane.
        proof_margin: an object that was written so many seconds after the last write of its CRD, 60 by default, by its
            managedFields and its resource version alike, is in the storage version already and is not rewritten: it
            counts as `proven`. The margin is for API servers that lag and clocks that differ; `settle` if that is more.
        rewrite_all: rewrite every object, whatever proves it to be in the storage version: its list, or the state of an
            earlier run. A dry run does that, too.
        managed_fields: `move`, the default, brings objects' managedFields to the storage version too, so that
            server-side apply still works once an old version is dropped. `keep` leaves them, unless the server
            (Kubernetes 1.36 or before) would remove them all.
        record_events: record a Kubernetes Event about each CRD that was migrated, or could not be, which
            `kubectl describe crd` shows; a dry run records none. Needs the rights to create and patch events in the
            namespace `default`. What cannot be recorded is an EventNotRecorded event, and changes nothing else.
        state: a file that keeps how far each CRD has got, so that a killed run goes on where it was; None keeps none.
            `configmap:NAMESPACE/NAME` keeps it in a ConfigMap of the cluster. Runs may share it.
        shard: `(index, count)`, from 0, if this run is one of several that divide the objects among them; all need the
            same `state`. A CRD of more than a page is divided by its objects' uids; another is one shard's. The last
            shard to be done goes over all objects, and trims. None, the default, does everything.
        retry_policy: how long to try again what can get better, 30 s by default for each object or call.
        webhook_policy: the same where a webhook does not answer, 150 s by default: certificates being rotated take
            60 to 90 s.
        observers: called with each event.

    Raises:
        UsageError: the plan was made on another cluster, or a number makes no sense.
        StateError: the state cannot be used. Nothing has been written then.
    """
    if plan.server != cluster.server:
        raise UsageError(f"the plan was made on {plan.server}, and this cluster is {cluster.server}")
    options = RunOptions(
        dry_run=dry_run,
        skip_blocked=skip_blocked,
        max_in_flight=max_in_flight,
        rate=rate,
        settle=settle,
        proof_margin=proof_margin,
        rewrite_all=rewrite_all,
        managed_fields=ManagedFields.of(managed_fields),
        record_events=record_events,
        shard=shard,
        retry_policy=retry_policy,
        webhook_policy=webhook_policy,
    )
    if options.managed_fields is ManagedFields.KEEP and any(c.only_cleans for c in plan.crds):
        raise UsageError("the plan is to move managedFields (clean_only), which managed_fields='keep' excludes")
    if shard is not None:
        _check_shard(plan, state, unfinished)
    session = Session(cluster, options, observers=observers, rate=rate, contacted=True)
    stale = _to_migrate(plan, options)
    store = store_of(state, session) if state is not None and stale and not dry_run else None
    left = None if unfinished is None else {u.name: u for u in unfinished}
    run_state = RunState(session, store, settle=settle, resumes=left is not None, is_shared=shard is not None)
    work = _Run(session, options, run_state, plan)
    work.take(stale, left)
    async with cluster.in_use("run"):
        await run_state.load()
        return await work.go()


def _check_shard(plan: Plan, state: object, unfinished: object) -> None:
    """Refuse a shard that could not find the others, or that would find nothing of its own."""
    if state is None:
        raise UsageError("a shard needs a state that all shards share: a file, or configmap:NAMESPACE/NAME")
    if unfinished is not None:
        raise UsageError("unfinished and shard exclude each other: run a shard again to retry what failed in it")
    if any(c.only_cleans for c in plan.crds):
        raise UsageError("the plan is to move managedFields (clean_only), which is not divided among shards")


def _to_migrate(plan: Plan, options: RunOptions) -> tuple[CRDPlan, ...]:
    """The CRDs to migrate; a dry run also takes those that only their pruning blocks, to count what would be lost."""
    if options.dry_run:
        return tuple(c for c in plan.crds if c.decision is Decision.STALE or c.reason == FIELDS_WOULD_BE_PRUNED)
    return () if plan.blocked and not options.skip_blocked else plan.stale


class _Run:
    """The migrations of one run, and its report."""

    def __init__(self, session: Session, options: RunOptions, state: RunState, plan: Plan) -> None:
        self._session = session
        self._options = options
        self._state = state
        self._plan = plan
        self._crd_events = CRDEvents(session) if options.record_events and not options.dry_run else None
        self._migrations: dict[str, Migration] = {}
        self._resumes = False

    def take(self, stale: tuple[CRDPlan, ...], unfinished: dict[str, Unfinished] | None) -> None:
        """Take stale CRDs: all, or those that an earlier run left unfinished."""
        self._resumes = unfinished is not None
        for crd in stale:
            if unfinished is None or crd.name in unfinished:
                left = (unfinished or {}).get(crd.name)
                self._migrations[crd.name] = Migration(self._session, self._options, self._state, crd, left)

    async def go(self) -> Report:
        session = self._session
        session.emit(RunStarted(self._plan, len(self._migrations), self._options.dry_run))
        interrupted = True
        try:
            for crd_plan in self._plan.crds:
                if crd_plan.name not in self._migrations:
                    self._finished(self._without_run(crd_plan))
            async with session.pool.crew(), recording(self._crd_events), open_tasks() as tasks:
                await self._work(tasks)
            interrupted = False
        finally:
            try:
                await self._state.close(interrupted=interrupted)
            finally:
                report = self._report(interrupted=interrupted)
                session.emit(RunFinished(report))
        return report

    async def _work(self, tasks: TaskGroup) -> None:
        if not self._migrations:
            return
        await self._state.open(c.name for c in self._plan.by_decision(Decision.CURRENT))
        tasks.start_soon(self._state.keep)
        async with open_tasks() as migrations:
            for migration in self._migrations.values():
                migrations.start_soon(self._migrate, migration)
        tasks.cancel_scope.cancel()

    async def _migrate(self, migration: Migration) -> None:
        await migration.run()
        if self._crd_events is not None:
            self._crd_events.add(migration.report)

    def _finished(self, report: CRDReport) -> None:
        self._session.emit(CRDFinished(report))
        if self._crd_events is not None:
            self._crd_events.add(report)

    def _report(self, *, interrupted: bool) -> Report:
        session, done = self._session, self._migrations
        return Report(
            context=session.cluster.context,
            server=session.cluster.server,
            seconds=session.seconds,
            crds=tuple(done[c.name].report if c.name in done else self._without_run(c) for c in self._plan.crds),
            requests=session.calls.requests,
            retries=session.retries,
            dry_run=self._options.dry_run,
            interrupted=interrupted,
        )

    def _without_run(self, plan: CRDPlan) -> CRDReport:
        reason, message = plan.reason, plan.message
        if plan.decision is Decision.STALE:
            reason, message = "NotTakenUp", "the earlier run's report has nothing left to do here"
            if self._plan.blocked:
                reason, message = PLAN_BLOCKED, "nothing is written while another CRD of the plan is blocked"
        outcome = _OUTCOME_WITHOUT_RUN[plan.decision]
        if plan.reason == ABSENT and self._resumes:
            # It was there in the earlier run, and its objects have gone with it.
            outcome, message = Outcome.SKIPPED, "it is no longer on the cluster: nothing is left to do"
        return CRDReport(plan=plan, outcome=outcome, reason=reason, message=message, refused=plan.refused)
