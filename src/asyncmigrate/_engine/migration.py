"""One CRD's migration: wait until no write can land in the old version, go over its objects, then trim."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import anyio
import msgspec

from asyncmigrate._engine.crd_result import NOT_SERVED, CRDResult, SpecChanged, Stopped
from asyncmigrate._engine.lister import Lister
from asyncmigrate._engine.owner_moves import OwnerMoves
from asyncmigrate._engine.pruning_count import PruningCount
from asyncmigrate._engine.rewriter import Rewriter
from asyncmigrate._engine.run_state import RunState
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.shares import Share
from asyncmigrate._engine.spec_watch import SpecWatch
from asyncmigrate._engine.tasks import open_tasks
from asyncmigrate._engine.trimmer import Trimmer
from asyncmigrate._model import CRD, ObjectRef, Page
from asyncmigrate._options import RunOptions
from asyncmigrate._results.plan import CRDPlan, Decision
from asyncmigrate._results.report import CRDReport, Outcome, TrimmedBy
from asyncmigrate._results.unfinished import Progress, Unfinished
from asyncmigrate._rules.decisions.decide import STALE
from asyncmigrate._rules.decisions.page_cursor import PAGE_LIMIT
from asyncmigrate._rules.decisions.shard import Shard
from asyncmigrate._rules.decisions.versions import access_version
from asyncmigrate._rules.decisions.writers import WriterTally
from asyncmigrate._rules.safety.proof import bound_of, is_proven
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.shard_marks import Part
from asyncmigrate._rules.safety.spec_changes import AFTER_OUTAGE, Effect, spec_change
from asyncmigrate._rules.safety.stamps import stamp_of
from asyncmigrate._rules.safety.trim import Trim, TrimDecision, decision_of
from asyncmigrate.errors import UsageError
from asyncmigrate.events import CRDFinished, CRDRelisted, CRDSettling, CRDStarted, PageListed, Settled

Proof = Callable[[ObjectRef, str], Settled | None]

_PASSES = 3  # over the objects of a CRD that keeps changing; a guess: who changes it more often is at work on it
_PASSES_AFTER_OUTAGES = 10  # each costs a list, and little more: what was rewritten is newer than the first one
_ALL_DONE = "AllShardsDone"
_LEFT = {
    Part.NONE: TrimDecision(Trim.OTHERS, "OtherShard", "it has few objects, and all of them are another shard's"),
    Part.DONE: TrimDecision(Trim.OTHERS, "ShardDone", "this shard's objects are done; the last shard to be done trims"),
}
_LOW = PAGE_LIMIT // 2  # fetch the next page when no more than so many objects of this one are left


def _nothing_proven(_: ObjectRef, __: str) -> Settled | None:
    return None


def _all_proven(_: ObjectRef, __: str) -> Settled | None:
    """What storedVersions says where it names the storage version alone."""
    return Settled.PROVEN


class Migration:
    """The migration of one stale CRD; `earlier` is what a run before this one left to do, if it is known."""

    def __init__(
        self,
        session: Session,
        options: RunOptions,
        state: RunState,
        plan: CRDPlan,
        earlier: Unfinished | None = None,
    ) -> None:
        if plan.live is None or access_version(plan.live) is None or plan.live.storage_version is None:
            raise UsageError(f"CRD {plan.name} cannot be migrated: {plan.message}")
        self._session = session
        self._state = state
        self._plan = plan
        self._crd: CRD = plan.live
        self._options = options
        self._earlier = earlier
        self._share = Share(session, state, Shard.of(options.shard) if options.shard else None)
        self._seen = 0.0  # when the CRD was first seen as it is, by our clock
        self._outages = 0  # that the session had seen when the list began
        self._since = ""  # the resource version of this run's first list, and the CRD as it was then
        self._first_crd = plan.live
        self._progress: Progress | None = None
        self._owners = OwnerMoves(session, plan.live, options.managed_fields, dry_run=options.dry_run)
        self._rewriter = Rewriter(session, plan.live, self._owners, dry_run=options.dry_run)
        self._writers = WriterTally()
        self._trimmer = Trimmer(session, dry_run=options.dry_run, trims=not plan.only_cleans)
        self._pruning = PruningCount(session) if options.dry_run and plan.live.pruned else None
        self._result = CRDResult(Outcome.INCOMPLETE, "Interrupted", "stopped before it was done: run again")

    async def run(self) -> None:
        """Migrate; what became of it is in `report` and goes out as an event."""
        self._session.emit(CRDStarted(self._plan.name, self._crd.storage_version or ""))
        try:
            result = await self._migrate()
        except Stopped as stopped:
            result = stopped.result
        await self._session.pool.drain(self._rewriter.lane)
        await self._owners.put_back()
        self._result = self._noted(result)
        self._session.emit(CRDFinished(self.report))

    def _noted(self, result: CRDResult) -> CRDResult:
        if not (robbed := self._owners.robbed):
            return result
        lost = f"the server removed all managedFields of {robbed} object(s), and they could not be put back"
        return msgspec.structs.replace(result, message=f"{result.message}; {lost}")

    @property
    def report(self) -> CRDReport:
        """What became of the CRD, or what was done so far."""
        result = self._result
        return CRDReport(
            plan=self._plan,
            outcome=result.outcome,
            reason=result.reason,
            message=result.message,
            objects=self._rewriter.tally.objects,
            trimmed_by=self._trimmed_by(result),
            failures=tuple(self._rewriter.tally.failures),
            progress=self._progress,
            pruning=self._pruning.found if self._pruning else None,
            refused=result.refused,
            writers=self._writers.writers,
            owners_left=self._owners.left,
        )

    def _trimmed_by(self, result: CRDResult) -> TrimmedBy | None:
        done = result.outcome is Outcome.MIGRATED and not self._plan.only_cleans
        return self._trimmer.trimmed_by if done else None

    async def _migrate(self) -> CRDResult:
        decision = await self._go_over()
        self._check_stays_fine(decision)
        passes = Counter([decision.reason])
        while decision.trim is Trim.AGAIN and decision.fresh is not None and self._may_go_on(passes):
            await self._begin_again(decision.fresh, decision.message)
            decision = await self._go_over()
            self._check_stays_fine(decision)
            passes[decision.reason] += 1
        return self._ended(decision)

    def _check_stays_fine(self, decision: TrimDecision) -> None:
        """Raise Stopped if only managedFields were to be moved, and storedVersions do not prove the rest any more."""
        fresh = decision.fresh
        if not self._plan.only_cleans or fresh is None or decision.trim not in {Trim.YES, Trim.AGAIN}:
            return
        if fresh.stored_versions != (fresh.storage_version,):
            message = "its storedVersions became stale during the run: run without --clean-only, which does both"
            raise Stopped(CRDResult(Outcome.INCOMPLETE, STALE, message))

    def _may_go_on(self, passes: Counter[str]) -> bool:
        outages = passes[AFTER_OUTAGE.reason]
        return outages < _PASSES_AFTER_OUTAGES and passes.total() - outages - passes[_ALL_DONE] < _PASSES

    async def _begin_again(self, crd: CRD, why: str) -> None:
        """Prepare another list, from the CRD as it is now."""
        self._crd = crd
        await self._rewriter.begin_again(crd, self._since)
        self._session.emit(CRDRelisted(self._plan.name, why))

    async def _go_over(self) -> TrimDecision:
        """Settle every object of one list, then trim if that is allowed."""
        watch = SpecWatch(self._session, self._crd, self._trimmer)
        try:
            part = await self._share.part(self._crd, self._rewriter.lane)
            if part in _LEFT:
                return _LEFT[part]
            await watch.check()
            await self._wait_until_settled()
            await watch.check()
            await self._owners.prepare()
            self._outages = self._session.outages
            async with open_tasks() as tasks:
                if not self._options.dry_run:
                    tasks.start_soon(watch.keep, self._rewriter)
                await self._rewrite_all()
                self._rewriter.tally.check_failures()
                decision = await (self._trim() if self._share.range is None else self._leave_to_others())
                tasks.cancel_scope.cancel()
                return decision
        except SpecChanged as changed:
            return decision_of(changed.change, changed.fresh)
        except Stopped as stopped:
            return await self._explained(stopped)

    async def _trim(self) -> TrimDecision:
        return await self._trimmer.trim(self._crd, self._confirm)

    async def _leave_to_others(self) -> TrimDecision:
        """Our objects are settled. The last shard goes over all objects, and trims if that is allowed."""
        if not await self._share.done(self._crd):
            return _LEFT[Part.DONE]
        fresh = await self._trimmer.fresh(self._plan.name)
        change = spec_change(self._crd, fresh, wrote=True)
        if change.effect is not Effect.NONE:
            return decision_of(change, fresh)
        return TrimDecision(Trim.AGAIN, _ALL_DONE, "all shards are done, and this one finishes", fresh)

    def _confirm(self, fresh: CRD | None) -> None:
        """After an outage all objects are listed again: a backup may have been put back."""
        if self._session.outages != self._outages and fresh is not None and not self._options.dry_run:
            raise SpecChanged(AFTER_OUTAGE, fresh)

    async def _explained(self, stopped: Stopped) -> TrimDecision:
        """A 404 that speaks of no object: the CRD is gone, or was replaced, or its version is not served any more."""
        if stopped.result.reason != NOT_SERVED:
            raise stopped
        fresh = await self._trimmer.fresh(self._plan.name)
        change = spec_change(self._crd, fresh)
        if change.effect is Effect.NONE:
            raise stopped
        return decision_of(change, fresh)

    def _ended(self, decision: TrimDecision) -> CRDResult:
        reason, message = decision.reason, decision.message
        if decision.trim is Trim.GONE:
            self._state.forget(self._crd)
            return CRDResult(Outcome.SKIPPED, reason, message)
        if decision.trim is Trim.OTHERS:
            return CRDResult(Outcome.SKIPPED, reason, message)
        if decision.trim in {Trim.NO, Trim.AGAIN}:
            return CRDResult(Outcome.INCOMPLETE, reason, f"{message}; storedVersions is left as it is")
        if self._options.dry_run:
            return self._rehearsed()
        self._state.forget(self._crd)
        left = len({owner.manager for owner in self._owners.left})
        if left and self._plan.only_cleans:
            message = f"{left} field manager(s) still own fields in an old version"
            return CRDResult(Outcome.INCOMPLETE, "OwnersLeft", message)
        if self._plan.only_cleans:
            message = f"every managedFields entry is in {self._crd.storage_version}"
            return CRDResult(Outcome.MIGRATED, "ManagedFieldsMoved", message)
        note = f"; {left} field manager(s) still own fields in an old version" if left else ""
        return CRDResult(Outcome.MIGRATED, reason, f"{message}{note}")

    def _rehearsed(self) -> CRDResult:
        counted = f"; {self._pruning.words}" if self._pruning else ""
        if self._plan.decision is Decision.BLOCKED and self._pruning:
            remedy = f"add the fields to the schema of {self._crd.storage_version}, or give --allow-pruning"
            return CRDResult(Outcome.BLOCKED, self._plan.reason, f"{self._pruning.words}: {remedy}")
        message = f"every object can be rewritten{counted}; nothing was changed (dry run)"
        return CRDResult(Outcome.SKIPPED, "Rehearsed", message)

    @property
    def _age(self) -> float:
        return self._session.age_of_move(self._crd, time.monotonic() - self._seen)

    async def _wait_until_settled(self) -> None:
        self._seen = time.monotonic() - self._session.calls.sightings.seen_for(self._crd, time.monotonic())
        settle = self._options.settle
        if (wait := settle - self._age) > 0:
            self._session.emit(CRDSettling(self._plan.name, wait, settle))
        # The server's clock tells whole seconds, so it may seem to step back.
        while (wait := settle - self._age) > 0:  # noqa: ASYNC110 -- no event tells that time has passed
            await anyio.sleep(wait)

    async def _rewrite_all(self) -> None:
        """Go over the objects once, a page ahead of the rewrites; returns when each is settled or has failed."""
        if self._pruning is not None:
            await self._pruning.count(self._crd)
        age = self._age
        self._writers = WriterTally()
        lister = Lister(self._session, self._crd, self._rewriter.lane, self._share.range)
        proof: Proof | None = None
        while not lister.done:
            self._rewriter.check()
            page = await lister.next_page()
            if lister.starts_over:
                await self._rewriter.until_pending(0)
                self._rewriter.count_anew(self._since)
                self._writers = WriterTally()
                self._session.emit(CRDRelisted(self._plan.name, "the list expired before it was read to its end"))
            if page is None:
                continue
            self._writers.add(page.writers)
            proof = proof or self._proof(page.resource_version, age)
            await self._hand_over(page, proof)
            await self._rewriter.until_pending(0 if lister.done else _LOW)

    def _proof(self, list_version: str, age: float) -> Proof:
        """What proves a listed object to be in the storage version: an earlier run's record, or the list itself."""
        options, crd = self._options, self._crd
        if not self._since:
            self._since, self._first_crd = list_version, crd
        if self._plan.only_cleans:
            return _all_proven
        self._progress = self._state.begin(crd, list_version, age, self._earlier)
        if not options.proves:
            return _nothing_proven
        since = self._progress.resource_version if self._progress else ""
        if crd.resource_version == self._first_crd.resource_version:
            # Nobody has written the CRD since: what is newer than the first list is done, also where no stamp tells.
            since = since or self._since
        now = self._session.calls.clock.now
        bound = bound_of(crd, margin=options.proof_margin, settle=options.settle, server_now=now)

        def proof(ref: ObjectRef, not_after: str) -> Settled | None:
            if self._rewriter.is_current(ref):
                return Settled.UNCHANGED
            if is_newer(ref.resource_version, since):
                # Written since this run's first list: by this run, or by others.
                return Settled.REWRITTEN if is_newer(ref.resource_version, self._since) else Settled.PROVEN
            return Settled.PROVEN if is_proven(ref, bound, not_after) else None

        return proof

    async def _hand_over(self, page: Page, proof: Proof) -> None:
        """Give a page's objects to be rewritten, but for those that are proven."""
        self._rewriter.tally.listed(len(page.items), page.remaining)
        self._session.emit(PageListed(self._plan.name, len(page.items), page.remaining))
        now = self._session.calls.clock.now
        not_after = "" if now is None else stamp_of(now)
        for ref in page.items:
            how = proof(ref, not_after)
            if how is not None and not self._owners.are_due(ref):
                self._rewriter.tally.proven(ref, how)
            else:
                await self._session.pace.until_due(self._rewriter)
                self._rewriter.add(ref, how)
