"""The rewrites of one CRD's objects, list by list: one try each as a job of the pool, and what became of them."""

from __future__ import annotations

from functools import partial

import anyio

from asyncmigrate._engine.crd_result import NOT_SERVED, Stopped, failed
from asyncmigrate._engine.object_tally import ObjectTally
from asyncmigrate._engine.owner_moves import OwnerMoves
from asyncmigrate._engine.pool import Job, Lane
from asyncmigrate._engine.session import Session, Tries
from asyncmigrate._model import CRD, ObjectRef, Resource
from asyncmigrate._rules.decisions.versions import access_version, rewrite_version
from asyncmigrate._rules.errors.causes import Cause, cause_of
from asyncmigrate._rules.errors.classify import Action, Health, Operation, health_of
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.seen_objects import SeenObjects
from asyncmigrate.errors import ConfigError, MigrateError
from asyncmigrate.events import Settled

_CONFLICTS_AT_ONCE = 3  # tries without a wait; a guess: an object that is written more often than that is rare


class _Try(Tries, kw_only=True):
    """What is known of an object beyond its list, and of its tries if it did not settle at the first."""

    known: Settled | None = None  # it is in the storage version, and only its managedFields are to be moved
    conflicts: int = 0
    refused: bool = False  # as one that is another by now, or that is invalid
    straight: bool = False  # go through the storage version, whatever the object was written in
    looked: bool = False  # a GET found it, after a 404
    changed: bool = False  # it is not as it was known: look at it before the next write
    now: ObjectRef | None = None  # as such a look found it
    plain: bool = False  # leave its managedFields as they are


class Rewriter:
    """The objects of one list, from listed to settled or failed."""

    def __init__(self, session: Session, crd: CRD, owners: OwnerMoves, *, dry_run: bool) -> None:
        self._session = session
        self._owners = owners
        self._dry_run = dry_run
        self.sent = 0
        self._last_answer = -1.0
        self._current = SeenObjects()  # what the server found unchanged
        self.tally = ObjectTally(crd.name, session.emit)
        self._use(crd)
        self.count_anew("")

    def _use(self, crd: CRD) -> None:
        self._crd = crd
        self._owners.use(crd)
        self._resources: dict[str, Resource] = {}
        self._straight = crd.resource(access_version(crd) or "")
        self.lane: Lane = self._session.pool.lane()
        self._stop: Stopped | None = None
        self._free = anyio.Event()

    def count_anew(self, since: str) -> None:
        """Begin another list of the same objects, with none of them pending.

        What was written after `since`, the resource version of the run's first list, counts as rewritten: by this run,
        or by somebody else meanwhile.
        """
        self._since = since
        self._owners.count_anew()
        self.tally.count_anew()

    async def begin_again(self, crd: CRD, since: str) -> None:
        """Wait for what is in flight, and count anew for another list, of the objects of `crd` as it is now."""
        await self._session.pool.drain(self.lane)
        if (crd.uid, crd.generation, crd.moved) != (self._crd.uid, self._crd.generation, self._crd.moved):
            self._current = SeenObjects()
        self._use(crd)
        self.count_anew(since)

    def _resource(self, ref: ObjectRef, tries: _Try | None) -> Resource:
        if tries is not None and tries.straight:
            return self._straight
        found = self._resources.get(ref.written_as)
        if found is None:
            version = rewrite_version(self._crd, ref.written_as)
            found = self._resources[ref.written_as] = self._crd.resource(version or "")
        return found

    def is_current(self, ref: ObjectRef) -> bool:
        """Tell an object that an earlier list of this run showed in just this state, and the server found unchanged."""
        return bool(self._since) and ref in self._current

    def add(self, ref: ObjectRef, known: Settled | None = None) -> None:
        """Have an object rewritten; one that is `known` to be settled only if its managedFields are to be moved."""
        tries = None if known is None else _Try(began=0.0, known=known)
        self._session.pool.add(self.lane, partial(self._rewrite, ref, tries))

    async def until_pending(self, most: int) -> None:
        """Wait until no more than `most` objects are unsettled; raises Stopped where that will not be."""
        while self._stop is None and self.tally.pending > most:
            await self.tally.fewer_than(most)
        self.check()

    def check(self) -> None:
        if self._stop is not None:
            raise self._stop

    async def _rewrite(self, ref: ObjectRef, tries: _Try | None) -> Health:
        session = self._session
        began = anyio.current_time()
        self.sent += 1
        try:
            after = await self._write(ref, tries)
        except MigrateError as error:
            self._failed_try(ref, tries, error)
            return health_of(error)
        self._last_answer = anyio.current_time()
        session.pool.answered(self.lane, self._last_answer - began)
        if isinstance(after, Settled):
            self.tally.settled(ref, after)
        elif after == ref.resource_version and not self._dry_run:
            self._current.add(ref)
            earlier = bool(self._since) and is_newer(after, self._since)
            self.tally.settled(ref, Settled.REWRITTEN if earlier else Settled.UNCHANGED)
        else:
            self.tally.settled(ref, Settled.REWRITTEN)
        return Health.GOOD

    async def _write(self, ref: ObjectRef, tries: _Try | None) -> str | Settled:
        """Write once: the resource version after it, or how the object is settled without a write."""
        calls, owners = self._session.calls, self._owners
        now = ref
        after: str | Settled | None
        if tries is not None:
            if tries.changed:
                found = await calls.look_at(self._straight, ref)
                if found is None:
                    return Settled.GONE
                tries.now, tries.changed = found, False
            now = tries.now or ref
        leave = tries is not None and tries.plain
        if not leave and owners.are_due(now) and (after := await owners.write(now)) is not None:
            return after
        known = tries.known if tries is not None else None
        if known is not None:
            after = known
        elif not leave and owners.need_guard(now):
            after = await owners.write_guarded(now)
        else:
            after = await calls.rewrite(self._resource(now, tries), now, dry_run=self._dry_run)
        if leave:
            owners.leave(now)
        return after

    def _failed_try(self, ref: ObjectRef, tries: _Try | None, error: MigrateError) -> None:
        tries = tries or _Try(began=0.0)
        if not tries.schedule.tries:
            tries.began = anyio.current_time()
        cause = cause_of(error)
        action = self._session.classify(Operation.REWRITE, error)
        if cause is Cause.CONFLICT:
            self._look_again(ref, tries, error)
        elif action is Action.RETRY:
            self._retry(ref, tries, error)
        elif cause is Cause.UNAUTHORIZED or isinstance(error, ConfigError):
            # Without credentials every other object would fail in the same way.
            self.stop(Stopped(failed("Unauthorized", error)))
        elif not tries.straight and self._resource(ref, tries) != self._straight:
            # The version it was written in may not be served any more, or policies may refuse it there.
            tries.straight = True
            self._at_once(ref, tries)
        elif action is Action.LOOK:
            self._session.pool.add(self.lane, partial(self._look_at, ref, tries, error), first=True)
        elif cause is Cause.REFUSED and self._owners.tests_uid(ref) and not tries.refused:
            # A patch is refused for another uid as for invalid fields: it may have been made anew.
            tries.refused = tries.changed = True
            self._at_once(ref, tries)
        else:
            self.tally.failed(ref, tries.schedule.tries + 1, error)

    def _look_again(self, ref: ObjectRef, tries: _Try, error: MigrateError) -> None:
        """After a conflict: the next write is made for the object as it is by then, at first without a wait."""
        tries.changed = True
        tries.conflicts += 1
        if tries.conflicts <= _CONFLICTS_AT_ONCE:
            self._session.retrying(f"rewrite {self._crd.name} {ref}", tries.conflicts, 0.0, error)
            self._at_once(ref, tries)
        else:
            self._retry(ref, tries, error)

    def _at_once(self, ref: ObjectRef, tries: _Try) -> None:
        self._session.pool.add(self.lane, partial(self._rewrite, ref, tries), first=True)

    async def _look_at(self, ref: ObjectRef, tries: _Try, refused: MigrateError) -> Health:
        """Ask whether an object is gone, once a write was answered 404: an admission webhook may have said that."""
        try:
            found = await self._session.calls.look_at(self._straight, ref)
        except MigrateError as error:
            action = self._session.classify(Operation.LOOK_AT, error)
            if action is Action.GONE:
                self.stop(Stopped(failed(NOT_SERVED, error)))
            elif action is not Action.RETRY or not self._again_later(
                ref, partial(self._look_at, ref, tries, refused), tries, error
            ):
                self.tally.failed(ref, tries.schedule.tries + 1, error)
            return health_of(error)
        if found is None:
            self.tally.settled(ref, Settled.GONE)
        elif tries.looked:
            self.tally.failed(ref, tries.schedule.tries + 1, refused)
        else:  # it may have been made anew in between
            tries.looked, tries.now = True, found
            self._at_once(ref, tries)
        return Health.GOOD

    def _again_later(self, ref: ObjectRef, job: Job, tries: _Try, error: MigrateError) -> bool:
        return self._session.again_later(f"rewrite {self._crd.name} {ref}", self.lane, job, tries, error)

    def _retry(self, ref: ObjectRef, tries: _Try, error: MigrateError) -> None:
        if self._again_later(ref, partial(self._rewrite, ref, tries), tries, error):
            return
        if cause_of(error) is Cause.CONFLICT and not tries.plain:
            self._session.pool.add(self.lane, partial(self._leave, ref, tries, error), first=True)
            return
        self.tally.failed(ref, tries.schedule.tries, error)
        if self._last_answer < tries.began and health_of(error) is not Health.GOOD:
            # Not this object is at fault: nothing of this CRD got through for as long as its budget lasted.
            self.stop(Stopped(failed("NothingGetsThrough", error)))

    async def _leave(self, ref: ObjectRef, tries: _Try, error: MigrateError) -> Health:
        """An object that others write all the time: an empty patch cannot conflict, and leaves its managedFields."""
        if await self._owners.may_be_left(ref):
            tries.plain = True
            self._at_once(ref, tries)
        else:
            self.tally.failed(ref, tries.schedule.tries, error)
        return Health.GOOD

    def hold(self, *, held: bool) -> None:
        """Send nothing more for now, or go on."""
        self._session.pool.hold(self.lane, held=held)
        self._free.set()

    async def until_free(self) -> None:
        """Wait while nothing is to be sent; raises Stopped where nothing will be."""
        while self.lane.held and self._stop is None:
            self._free = anyio.Event()
            await self._free.wait()
        self.check()

    def stop(self, why: Stopped) -> None:
        """Stop this CRD: what has not been sent is not sent any more."""
        self._stop = self._stop or why
        self.lane.close()
        self.tally.wake()
        self._free.set()
