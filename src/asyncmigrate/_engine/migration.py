"""One CRD's migration: wait until storage has settled, go over its objects, and once each is settled trim."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from asyncmigrate._engine.crd_result import NOT_SERVED, CRDResult, Stopped
from asyncmigrate._engine.lister import Lister
from asyncmigrate._engine.rewriter import Rewriter
from asyncmigrate._engine.run_state import RunState
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.trimmer import Trimmer
from asyncmigrate._model import CRD, ObjectRef, Page
from asyncmigrate._results.plan import CRDPlan
from asyncmigrate._results.report import CRDReport, Outcome
from asyncmigrate._rules.decisions.page_cursor import PAGE_LIMIT
from asyncmigrate._rules.decisions.versions import access_version
from asyncmigrate._rules.safety.move_age import settle_wait
from asyncmigrate._rules.safety.proof import bound_of, is_proven
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.trim import TrimVerdict, may_trim
from asyncmigrate.errors import UsageError
from asyncmigrate.events import CRDFinished, CRDSettling, CRDStarted, PageListed, Settled

Proof = Callable[[ObjectRef], bool]

_PASSES = 3  # over the objects of a CRD whose spec keeps changing
_LOW = PAGE_LIMIT // 2  # fetch the next page when no more than so many objects of this one are left


def _nothing_proven(_: ObjectRef) -> bool:
    return False


class Migration:
    """The migration of one stale CRD; of the objects in `only` alone, where all others are known to be settled."""

    def __init__(
        self,
        session: Session,
        state: RunState,
        plan: CRDPlan,
        *,
        dry_run: bool,
        only: tuple[ObjectRef, ...] | None = None,
    ) -> None:
        if plan.live is None or access_version(plan.live) is None or plan.live.storage_version is None:
            raise UsageError(f"CRD {plan.name} cannot be migrated: {plan.message}")
        self._session = session
        self._state = state
        self._plan = plan
        self._crd: CRD = plan.live
        self._only = only
        self._dry_run = dry_run
        self._seen = anyio.current_time()
        self._rewriter = Rewriter(session, plan.live, dry_run=dry_run)
        self._trimmer = Trimmer(session, self._rewriter.lane, dry_run=dry_run)
        self._verdict = CRDResult(Outcome.INCOMPLETE, "Interrupted", "stopped before it was done: run again")
        self._trimmed = False

    async def run(self) -> None:
        """Migrate; what became of it is in `report` and goes out as an event."""
        self._session.emit(CRDStarted(self._plan.name, self._crd.storage_version or ""))
        try:
            verdict = await self._migrate()
        except Stopped as stopped:
            verdict = await self._explained(stopped.verdict)
        await self._session.pool.drain(self._rewriter.lane)
        self._verdict = verdict
        self._session.emit(CRDFinished(self.report))

    @property
    def report(self) -> CRDReport:
        """What became of the CRD, or what was done so far."""
        return CRDReport(
            plan=self._plan,
            outcome=self._verdict.outcome,
            reason=self._verdict.reason,
            message=self._verdict.message,
            objects=self._rewriter.objects,
            trimmed=self._trimmed,
            failures=tuple(self._rewriter.failures),
            refused=self._verdict.refused,
        )

    async def _migrate(self) -> CRDResult:
        for _ in range(_PASSES):
            await self._wait_until_settled()
            await self._rewrite_all()
            if (verdict := self._rewriter.verdict) is not None:
                return verdict
            trim, reason, message, fresh = await self._trimmer.trim(self._crd)
            if trim is not TrimVerdict.AGAIN or fresh is None:
                break
            self._crd, self._seen = fresh, anyio.current_time()
            self._rewriter.reach_through(fresh)
        return self._ended(trim, reason, message)

    def _ended(self, trim: TrimVerdict, reason: str, message: str) -> CRDResult:
        if trim is TrimVerdict.GONE:
            self._state.forget(self._crd)
            return CRDResult(Outcome.SKIPPED, reason, message)
        if trim in {TrimVerdict.NO, TrimVerdict.AGAIN}:
            return CRDResult(Outcome.INCOMPLETE, reason, f"{message}; storedVersions is left as it is")
        if self._dry_run:
            return CRDResult(
                Outcome.SKIPPED, "Rehearsed", "every object can be rewritten; nothing was changed (dry run)"
            )
        self._state.forget(self._crd)
        self._trimmed = True
        return CRDResult(Outcome.MIGRATED, reason, message)

    async def _explained(self, verdict: CRDResult) -> CRDResult:
        """A 404 that speaks of no object: the CRD is gone, or was replaced, or its version is not served any more."""
        if verdict.reason != NOT_SERVED:
            return verdict
        try:
            trim, reason, message = may_trim(self._crd, await self._trimmer.fresh(self._plan.name))
        except Stopped as stopped:
            return stopped.verdict
        return self._ended(trim, reason, message) if trim in {TrimVerdict.GONE, TrimVerdict.NO} else verdict

    async def _wait_until_settled(self) -> None:
        session = self._session
        wait = settle_wait(
            self._crd.changed,
            settle=0.0 if self._dry_run else session.settle,
            server_now=session.calls.clock.now,
            seen_for=anyio.current_time() - self._seen,
        )
        if wait > 0:
            session.emit(CRDSettling(self._plan.name, wait))
            await anyio.sleep(wait)

    async def _rewrite_all(self) -> None:
        """Go over the objects once, a page ahead of the rewrites; returns when each is settled or has failed."""
        only, self._only = self._only, None
        if only is not None:
            await self._hand_over(Page(only), _nothing_proven)
            await self._rewriter.until_pending(0)
            return
        lister = Lister(self._session, self._crd, self._rewriter.lane)
        proof: Proof | None = None
        while not lister.done:
            self._rewriter.check()
            page = await lister.next_page()
            if page is None:
                continue
            proof = proof or self._proof(page.resource_version)
            await self._hand_over(page, proof)
            await self._rewriter.until_pending(0 if lister.done else _LOW)

    def _proof(self, list_version: str) -> Proof:
        """What proves a listed object to be in the storage version: an earlier run's record, or the list itself."""
        session = self._session
        since = self._state.begin(self._crd, list_version)
        if session.proof_margin is None:
            return _nothing_proven
        bound = bound_of(self._crd, margin=session.proof_margin, settle=session.settle)
        return lambda ref: is_newer(ref.resource_version, since) or is_proven(ref, bound)

    async def _hand_over(self, page: Page, proof: Proof) -> None:
        """Give a page's objects to be rewritten, but for those that are proven."""
        self._rewriter.listed(len(page.items))
        self._session.emit(PageListed(self._plan.name, len(page.items), page.remaining))
        for ref in page.items:
            if proof(ref):
                self._rewriter.settle(ref, Settled.PROVEN)
            else:
                await self._session.pace()
                self._rewriter.add(ref)
