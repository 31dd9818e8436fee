"""Looks at a CRD anew, and writes its storedVersions where the rules allow it."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from asyncmigrate._engine.crd_result import Stopped, failed
from asyncmigrate._engine.session import Session, Tries
from asyncmigrate._model import CRD
from asyncmigrate._results.report import TrimmedBy
from asyncmigrate._rules.errors.classify import Action, Operation
from asyncmigrate._rules.safety.trim import Trim, TrimDecision, may_trim
from asyncmigrate.errors import MigrateError, TransportError

_TRIES = 20  # against writers of the CRD's status, of which there are few, and answers that are lost


class Trimmer:
    """The end of one CRD's migration; one that never `trims` only looks."""

    def __init__(self, session: Session, *, dry_run: bool, trims: bool = True) -> None:
        self._session = session
        self._dry_run = dry_run
        self._trims = trims
        self.trimmed_by: TrimmedBy | None = None
        self._unanswered = False  # a write of ours may have been done, though its answer was lost

    async def trim(self, crd: CRD, confirm: Callable[[CRD | None], None]) -> TrimDecision:
        """Trim if a fresh look allows it; a conflict or an answer that is lost means to look again.

        Args:
            crd: as it was when its objects were settled.
            confirm: called after each look; raises Stopped where the objects may not be settled any more.
        """
        lost = Tries(anyio.current_time())
        for _ in range(_TRIES):
            decision = may_trim(crd, await self.fresh(crd.name), wrote=not self._dry_run)
            confirm(decision.fresh)
            if decision.trim is Trim.ALREADY:
                self.trimmed_by = TrimmedBy.THIS_RUN if self._unanswered else TrimmedBy.OTHERS
            if decision.trim is not Trim.YES or decision.fresh is None or not self._trims:
                return decision
            if await self._write(decision.fresh, crd, lost):
                self.trimmed_by = None if self._dry_run else TrimmedBy.THIS_RUN
                return decision
        message = "the CRD was written by others each time it was to be trimmed: run again"
        return TrimDecision(Trim.NO, "TrimConflict", message)

    async def fresh(self, name: str) -> CRD | None:
        """The CRD as the server has it now; None where it is gone."""
        # Not in the CRD's own lane: that may be closed, and this look is what says why.
        lane = self._session.pool.lane(windowed=False)
        try:
            return await self._session.look_up(lane, name)
        except MigrateError as error:
            raise Stopped(failed("LookupFailed", error)) from error

    async def _write(self, fresh: CRD, settled: CRD, lost: Tries) -> bool:
        """Write once, guarded by the uid and resource version of the fresh look; False where it has to look again.

        Not even an answer that is lost is followed by the same write: the cluster may have been put back to an older
        state meanwhile, with the CRD at the resource version that it had.
        """
        session = self._session

        async def write() -> None:
            await session.calls.trim(fresh, settled.storage_version or "", dry_run=self._dry_run)

        try:
            await session.pool.call(session.pool.lane(windowed=False), write)
        except MigrateError as error:
            self._unanswered = self._unanswered or (isinstance(error, TransportError) and not self._dry_run)
            action = session.classify(Operation.TRIM, error)
            if action is Action.RECHECK or (action is Action.RETRY and await self._waited(fresh, lost, error)):
                return False
            raise Stopped(failed("TrimFailed", error)) from error
        return True

    async def _waited(self, crd: CRD, lost: Tries, error: MigrateError) -> bool:
        """Wait before another try; False where the time for that is up."""
        wait = self._session.wait_before_retry(f"trim {crd.name}", lost, error, crd=crd.name)
        if wait is not None:
            await anyio.sleep(wait)
        return wait is not None
