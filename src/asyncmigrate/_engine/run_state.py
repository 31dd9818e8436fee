"""What earlier runs left of each CRD, and what this one leaves for a later one: in a state, or in its report."""

from __future__ import annotations

from collections.abc import Iterable

import anyio

from asyncmigrate._engine.session import Session
from asyncmigrate._engine.stores import no_answer
from asyncmigrate._model import CRD
from asyncmigrate._results.unfinished import Progress, Unfinished
from asyncmigrate._rules.errors.classify import Operation
from asyncmigrate._rules.flow.retry_schedule import BRIEF_SECONDS
from asyncmigrate._rules.safety.resource_versions import number_of
from asyncmigrate._rules.safety.resume import Record, key_of, may_resume, record_left, record_of
from asyncmigrate._rules.safety.shard_marks import Marks
from asyncmigrate._state.content import Change, State, drop, put_record
from asyncmigrate._state.store import Store, unchanged
from asyncmigrate.errors import ForbiddenError, MigrateError, NotFoundError, StateError
from asyncmigrate.events import StateNotSaved


class RunState:
    """The records of one run; without a store they are kept for as long as it lasts."""

    def __init__(
        self, session: Session, store: Store | None, *, settle: float, resumes: bool, is_shared: bool = False
    ) -> None:
        self._session = session
        self._settle = settle
        self._store = store
        self._is_asked = store is not None or resumes
        # All shards have to call the cluster the same: one that calls it otherwise never hears of the rest.
        self._must_be_sure = is_shared and store is not None and not store.scope
        self._cluster = session.cluster.server
        self._state = State()
        self._pending: list[Change] = []
        self._changed = anyio.Event()
        self._saving = anyio.Lock()
        self._begun: dict[str, Record] = {}

    async def load(self) -> None:
        """Read what is kept, before anything is done.

        Raises:
            StateError: it cannot be used, or is something else.
            MigrateError: the cluster does not answer.
        """
        if self._store is not None:
            self._state = await self._update(self._store, unchanged)

    async def open(self, done: Iterable[str] = ()) -> None:
        """Find out which cluster this is: by its address, and by the uid of kube-system where we may read it.

        Neither will do alone: a cluster that was made from another's backup has its uid, and that of its CRDs, and many
        clusters have one address in their pods.

        What is kept of CRDs that are `done`, by their names, is dropped.

        Raises:
            MigrateError: shards have to know, and the cluster does not answer.
        """
        if not self._is_asked:
            return
        session = self._session
        lane = session.pool.lane(windowed=False)
        try:
            uid = await session.ask(
                Operation.LOOK_UP,
                lane,
                lambda: session.calls.cluster_uid(within=BRIEF_SECONDS),
                doing="get kube-system",
                policy=None if self._must_be_sure else session.policies.brief,
            )
        except (ForbiddenError, NotFoundError):  # which every shard is told
            uid = ""
        except MigrateError:
            if self._must_be_sure:
                raise
            uid = ""
        self._cluster = f"{uid}@{session.cluster.server}" if uid else session.cluster.server
        if gone := self._state.crds & {self.key(name) for name in done}:
            self._change(drop(gone))

    def key(self, name: str) -> str:
        """What the state keeps a CRD under."""
        return key_of(self._scope, name)

    @property
    def _scope(self) -> str:
        return (self._store.scope if self._store else "") or self._cluster

    def marks(self, key: str) -> Marks | None:
        """What shards agreed on, as it was last seen."""
        return self._state.shards.get(key)

    def begin(self, crd: CRD, list_version: str, age: float, earlier: Unfinished | None) -> Progress | None:
        """The resource version after which every object was written in the storage version.

        It is that of an earlier run whose record still holds, else `list_version`: that of the first page, listed when
        the storage version had moved `age` seconds ago. None where it is not certain when the CRD was changed.
        """
        now = self._session.calls.clock.now
        new = record_of(crd, self._scope, list_version, age, server_now=now)
        if new is None:
            return None
        kept = self._begun.get(new.key) or self._state.records.get(new.key)
        left = record_left(earlier, new, here={self._cluster, self._session.cluster.server}) if earlier else None
        known = [r for r in (kept, left) if r is not None and may_resume(r, new, settle=self._settle)]
        best = min([*known, new], key=lambda r: number_of(r.resource_version))
        if best is not kept:
            self._begun[best.key] = best
            self._change(put_record(best, settle=self._settle))
        return Progress(cluster=self._cluster, resource_version=best.resource_version, move_age=best.move_age)

    def forget(self, crd: CRD) -> None:
        """The CRD is done with."""
        self._change(drop([self.key(crd.name)]))

    def _change(self, change: Change) -> None:
        if self._store is not None:
            self._pending.append(change)
            self._changed.set()

    async def agree(self, change: Change) -> State:
        """Make a change, and return what is kept with it and with what others have changed: all see the same.

        Raises:
            StateError: it cannot be kept.
        """
        self._pending.append(change)
        await self._save()
        return self._state

    async def keep(self) -> None:
        """Save whatever changes, for as long as the run lasts; where that cannot be, say so, and go on without."""
        while self._store is not None:
            await self._changed.wait()
            self._changed = anyio.Event()
            try:
                await self._save()
            except StateError:
                return

    async def _save(self) -> None:
        """Make all changes that wait, at once: those of who waits for this save, too.

        Raises:
            StateError: they cannot be kept; that has been said.
        """
        async with self._saving:
            if self._store is None:
                raise StateError("the state is not kept any more")
            changes, self._pending = self._pending, []
            if not changes:
                return
            try:
                self._state = await self._update(self._store, _all(changes))
            except MigrateError as error:
                raise self._lost(error) from error
            except BaseException:
                self._pending = changes + self._pending
                raise

    async def _update(self, store: Store, change: Change) -> State:
        """Update, again while its errors can get better. Not through the pool: a job of it may wait for this."""
        try:
            with anyio.fail_after(store.seconds):
                return await self._session.again(
                    Operation.LOOK_UP, lambda: store.update(change), doing=f"write {store.name.removeprefix('the ')}"
                )
        except TimeoutError:
            raise no_answer(store, store.seconds) from None

    async def close(self, *, interrupted: bool) -> None:
        """Save what is not saved yet, also where the run was cancelled, and a save with it; that has little time."""
        if (store := self._store) is None or not self._pending:
            return
        seconds = store.last_seconds if interrupted else store.seconds
        try:
            with anyio.CancelScope(shield=interrupted), anyio.fail_after(seconds):
                await store.update(_all(self._pending)) if interrupted else await self._save()
        except TimeoutError:
            self._lost(no_answer(store, seconds))
        except MigrateError as error:
            if self._store is not None:
                self._lost(error)

    def _lost(self, error: MigrateError) -> StateError:
        self._store = None
        self._session.emit(StateNotSaved(str(error)))
        return error if isinstance(error, StateError) else StateError(str(error))


def _all(changes: list[Change]) -> Change:
    def change(state: State) -> State:
        for one in changes:
            state = one(state)
        return state

    return change
