"""What earlier runs left of each CRD, and what this one leaves for a later one; without a state file, nothing."""

from __future__ import annotations

import anyio

from asyncmigrate._engine.session import Session
from asyncmigrate._engine.tasks import in_thread
from asyncmigrate._model import CRD
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate._rules.flow.retry_schedule import BRIEF_SECONDS
from asyncmigrate._rules.safety.resume import may_resume, record_of
from asyncmigrate._state.file import StateFile
from asyncmigrate.errors import MigrateError, StateError
from asyncmigrate.events import StateNotSaved


class RunState:
    """The records of one run."""

    def __init__(self, session: Session, file: StateFile | None) -> None:
        self._session = session
        self._file = file
        self._cluster = session.cluster.server
        self._changed = anyio.Event()

    async def open(self) -> None:
        """Find out which cluster this is: by the uid of kube-system where we may read it, else by its address."""
        if self._file is None:
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

    def begin(self, crd: CRD, list_version: str) -> str:
        """The resource version after which every object was written in the storage version.

        It is that of an earlier run whose record still holds, else `list_version`: that of the first page, listed
        after storage had settled.
        """
        if self._file is None:
            return list_version
        new = record_of(crd, self._cluster, list_version)
        old = self._file.get(new.key)
        if old is not None and may_resume(old, crd, self._cluster, list_version):
            return old.resource_version
        self._file.put(new)
        self._changed.set()
        return list_version

    def forget(self, crd: CRD) -> None:
        """The CRD is done with."""
        if self._file is not None:
            self._file.drop(record_of(crd, self._cluster, "").key)
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

    def close(self) -> None:
        """Save what is not saved yet, also where the run was cancelled, and a save with it."""
        if self._file is not None:
            try:
                self._file.save()
            except StateError as error:
                self._lost(error)

    def _lost(self, error: StateError) -> None:
        self._file = None
        self._session.emit(StateNotSaved(str(error)))
