"""Looks at a CRD anew, and writes its storedVersions where the rules allow it."""

from __future__ import annotations

from asyncmigrate._engine.crd_result import Stopped, failed
from asyncmigrate._engine.pool import Lane
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD
from asyncmigrate._rules.errors.classify import Action, Operation
from asyncmigrate._rules.safety.trim import TrimVerdict, may_trim
from asyncmigrate.errors import MigrateError

_TRIES = 10  # against writers of the CRD's status, of which there are few


class Trimmer:
    """The end of one CRD's migration."""

    def __init__(self, session: Session, lane: Lane, *, dry_run: bool) -> None:
        self._session = session
        self._lane = lane
        self._dry_run = dry_run

    async def trim(self, crd: CRD) -> tuple[TrimVerdict, str, str, CRD | None]:
        """Trim if a fresh look allows it; a conflict means to look again.

        Args:
            crd: as it was when its objects were settled.

        Returns:
            The verdict, its reason, its sentence, and the CRD as it was seen last.
        """
        for _ in range(_TRIES):
            fresh = await self.fresh(crd.name)
            verdict, reason, message = may_trim(crd, fresh)
            if verdict is not TrimVerdict.TRIM or fresh is None or await self._write(fresh, crd):
                return verdict, reason, message, fresh
        message = "the CRD was written by others each time it was to be trimmed: run again"
        return TrimVerdict.NO, "TrimConflict", message, None

    async def fresh(self, name: str) -> CRD | None:
        """The CRD as the server has it now; None where it is gone."""
        # Not in the CRD's own lane: that may be closed, and this look is what says why.
        lane = self._session.pool.lane(windowed=False)
        try:
            return await self._session.look_up(lane, name)
        except MigrateError as error:
            raise Stopped(failed("LookupFailed", error)) from error

    async def _write(self, fresh: CRD, settled: CRD) -> bool:
        """Write, guarded by the uid and resource version of the fresh look; False where it has changed since."""
        session = self._session

        async def write() -> None:
            await session.calls.trim(fresh, settled.storage_version or "", dry_run=self._dry_run)

        try:
            await session.ask(Operation.TRIM, self._lane, write, doing=f"trim {fresh.name}")
        except MigrateError as error:
            if session.classify(Operation.TRIM, error) in {Action.RECHECK, Action.GONE}:
                return False
            raise Stopped(failed("TrimFailed", error)) from error
        return True
