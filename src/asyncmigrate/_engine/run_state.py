"""What earlier runs left of each CRD, and what this one leaves for a later one: in a state file, or in its report."""

from __future__ import annotations

import os

import anyio

from asyncmigrate._engine.session import Session
from asyncmigrate._engine.tasks import in_thread
from asyncmigrate._model import CRD
from asyncmigrate._results.unfinished import Progress, Unfinished
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate._rules.flow.retry_schedule import BRIEF_SECONDS
from asyncmigrate._rules.safety.resource_versions import number_of
from asyncmigrate._rules.safety.resume import Record, key_of, may_resume, record_left, record_of
from asyncmigrate._state.file import LOCK_SECONDS, StateFile
from asyncmigrate.errors import MigrateError, StateError
from asyncmigrate.events import StateNotSaved

_FILE_SECONDS = 2 * LOCK_SECONDS  # for the file altogether: a network's file system may never answer
_LAST_SECONDS = 0.5  # for the file, of the second that an interrupted run takes to end


async def open_state(path: str | os.PathLike[str]) -> StateFile:
    """Open a state file, in a thread.

    Raises:
        StateError: it cannot be used, is something else, or does not answer.
    """
    try:
        with anyio.fail_after(_FILE_SECONDS):
            return await in_thread(lambda: StateFile(path))
    except TimeoutError:
        raise _no_answer(path, _FILE_SECONDS) from None


def _no_answer(path: str | os.PathLike[str], seconds: float) -> StateError:
    where = os.fspath(path)
    return StateError(f"the state file {where} does not answer within {seconds:g} s; name another, or keep none")


class RunState:
    """The records of one run; without a file they are kept for as long as it lasts."""

    def __init__(self, session: Session, file: StateFile | None, *, settle: float, resumes: bool) -> None:
        self._session = session
        self._settle = settle
        self._file = file
        self._is_asked = file is not None or resumes
        self._cluster = session.cluster.server
        self._changed = anyio.Event()
        self._begun: dict[str, Record] = {}

    async def open(self) -> None:
        """Find out which cluster this is: by the uid of kube-system where we may read it, else by its address."""
        if not self._is_asked:
            return
        session = self._session
        lane = session.pool.lane(windowed=False)
        try:
            self._cluster = await session.ask(
                Operation.LOOK_UP,
                lane,
                lambda: session.calls.cluster_uid(within=BRIEF_SECONDS),
                doing="get kube-system",
                policy=session.policies.brief,
            )
        except MigrateError:
            return

    def begin(self, crd: CRD, list_version: str, age: float, earlier: Unfinished | None) -> Progress | None:
        """The resource version after which every object was written in the storage version.

        It is that of an earlier run whose record still holds, else `list_version`: that of the first page, listed when
        the storage version had moved `age` seconds ago. None where the CRD does not say when it was changed.
        """
        new = record_of(crd, self._cluster, list_version, age)
        if new is None:
            return None
        kept = self._begun.get(new.key) or (self._file.get(new.key) if self._file else None)
        left = record_left(earlier, new, here={self._cluster, self._session.cluster.server}) if earlier else None
        known = [r for r in (kept, left) if r is not None and may_resume(r, new, settle=self._settle)]
        best = min([*known, new], key=lambda r: number_of(r.resource_version))
        if best is not kept:
            self._put(best)
        return Progress(cluster=best.cluster, resource_version=best.resource_version, move_age=best.move_age)

    def _put(self, record: Record) -> None:
        self._begun[record.key] = record
        if self._file is not None:
            self._file.put(record)
            self._changed.set()

    def forget(self, crd: CRD) -> None:
        """The CRD is done with."""
        if self._file is not None:
            self._file.drop(key_of(self._cluster, crd.name))
            self._changed.set()

    async def keep(self) -> None:
        """Save whatever changes, for as long as the run lasts; where that cannot be, say so, and go on without."""
        while self._file is not None:
            await self._changed.wait()
            self._changed = anyio.Event()
            try:
                await in_thread(self._file.save)
            except StateError as error:
                self._lost(error)

    async def close(self, *, interrupted: bool) -> None:
        """Save what is not saved yet, also where the run was cancelled, and a save with it; that has little time."""
        if self._file is None:
            return
        seconds = _LAST_SECONDS if interrupted else _FILE_SECONDS
        try:
            with anyio.CancelScope(shield=interrupted), anyio.fail_after(seconds):
                await in_thread(self._file.save)
        except StateError as error:
            self._lost(error)
        except TimeoutError:
            self._lost(_no_answer(self._file.path, seconds))

    def _lost(self, error: StateError) -> None:
        self._file = None
        self._session.emit(StateNotSaved(str(error)))
