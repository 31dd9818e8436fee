"""The rewrites of one CRD's objects, list by list: one try each as a job of the pool, and what became of them."""

from __future__ import annotations

from functools import partial

import anyio

from asyncmigrate._engine.crd_result import NOT_SERVED, Stopped, failed
from asyncmigrate._engine.object_tally import ObjectTally
from asyncmigrate._engine.object_tries import ObjectTries
from asyncmigrate._engine.owner_moves import OwnerMoves
from asyncmigrate._engine.pool import Job, Lane
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD, ObjectRef, Resource
from asyncmigrate._rules.decisions.versions import access_version, rewrite_version
from asyncmigrate._rules.errors.causes import Cause, cause_of, is_about
from asyncmigrate._rules.errors.classify import Action, Health, Operation, health_of
from asyncmigrate._rules.flow.crd_clock import CRDClock
from asyncmigrate._rules.flow.first_request import FirstRequest
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.seen_objects import SeenObjects
from asyncmigrate.errors import APIError, ConfigError, MigrateError
from asyncmigrate.events import Settled

_CONFLICTS_AT_ONCE = 3  # tries without a wait; a guess: an object that is written more often than that is rare


class Rewriter:
    """The objects of one list, from listed to settled or failed."""

    def __init__(self, session: Session, crd: CRD, owners: OwnerMoves, *, dry_run: bool) -> None:
        self._session = session
        self._owners = owners
        self._dry_run = dry_run
        self.sent = 0
        self._current = SeenObjects()  # what the server found unchanged
        self._next = FirstRequest()
        self.tally = ObjectTally(crd.name, session.emit)
        self._use(crd)
        self.count_anew("")

    def _use(self, crd: CRD) -> None:
        self._crd = crd
        self._owners.use(crd)
        self._resources: dict[str, Resource] = {}
        self._straight = crd.resource(access_version(crd) or "")
        self.lane: Lane = self._session.pool.lane(kin=crd.domain)
        self._clock = CRDClock()
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

    def _resource(self, ref: ObjectRef, tries: ObjectTries | None) -> Resource:
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
        tries = None if known is None else ObjectTries(began=0.0, known=known)
        self._session.pool.add(self.lane, partial(self._rewrite, ref, tries))

    async def until_pending(self, most: int) -> None:
        """Wait until no more than `most` objects are unsettled; raises Stopped where that will not be."""
        while self._stop is None and self.tally.pending > most:
            await self.tally.fewer_than(most)
        self.check()

    def check(self) -> None:
        if self._stop is not None:
            raise self._stop

    async def _rewrite(self, ref: ObjectRef, tries: ObjectTries | None) -> Health:
        began = anyio.current_time()
        self.sent += 1
        tries = self._first_try(tries)
        try:
            after = await self._write(ref, tries)
        except MigrateError as error:
            self._note(error, began)
            self._failed_try(ref, tries, error)
            return health_of(error)
        self._answered(began)
        if after is Settled.GONE:
            self._next.gone()
        else:
            self._next.settled()
            self._clock.answered(anyio.current_time())
            self._session.pool.probe(self.lane, probing=False)
        if isinstance(after, Settled):
            self.tally.settled(ref, after)
        elif after == ref.resource_version and not self._dry_run:
            self._current.add(ref)
            earlier = bool(self._since) and is_newer(after, self._since)
            self.tally.settled(ref, Settled.REWRITTEN if earlier else Settled.UNCHANGED)
        else:
            self.tally.settled(ref, Settled.REWRITTEN)
        return Health.GOOD

    def _first_try(self, tries: ObjectTries | None) -> ObjectTries | None:
        """Count an object's first try, and ask as the last ones teach."""
        if tries is not None and tries.tried:
            return tries
        self.tally.begun()
        if tries is None and (self._next.looks or self._next.straight):
            tries = ObjectTries(began=0.0, changed=self._next.looks, straight=self._next.straight)
        if tries is not None:
            tries.tried = True
        return tries

    def _answered(self, began: float) -> None:
        """Note an answer that is about an object, and not about what is in its way."""
        self._session.pool.answered(self.lane, anyio.current_time() - began)

    def _note(self, error: MigrateError, began: float) -> None:
        if health_of(error) is Health.GOOD:
            self._answered(began)
            return
        budget = self._session.policies.choose(error).max_seconds
        self._clock.failed(cause_of(error), began=began, now=anyio.current_time(), budget=budget)
        self._session.pool.probe(self.lane, probing=self._clock.probes)

    async def _write(self, ref: ObjectRef, tries: ObjectTries | None) -> str | Settled:
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

    def _failed_try(self, ref: ObjectRef, tries: ObjectTries | None, error: MigrateError) -> None:
        tries = tries or ObjectTries(began=0.0, tried=True)
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
        elif action is Action.LOOK and not tries.looked and self._is_about(ref, error):
            self._look(ref, tries, error)
        elif not tries.straight and self._resource(ref, tries) != self._straight:
            # The version it was written in may not be served any more, or policies may refuse it there.
            tries.straight = True
            self._at_once(ref, tries)
        elif action is Action.LOOK:
            self._look(ref, tries, error)
        elif cause is Cause.REFUSED and self._owners.tests_uid(ref) and not tries.refused:
            # A patch is refused for another uid as for invalid fields: it may have been made anew.
            tries.refused = tries.changed = True
            self._at_once(ref, tries)
        else:
            self._next.refused()
            self.tally.failed(ref, tries.schedule.tries + 1, error)

    def _look_again(self, ref: ObjectRef, tries: ObjectTries, error: MigrateError) -> None:
        """After a conflict: the next write is made for the object as it is by then, at first without a wait."""
        tries.changed = True
        tries.conflicts += 1
        if tries.conflicts <= _CONFLICTS_AT_ONCE:
            doing = f"rewrite {self._crd.name} {ref}"
            self._session.retrying(doing, tries.conflicts, 0.0, error, crd=self._crd.name)
            self._at_once(ref, tries)
        else:
            self._retry(ref, tries, error)

    def _at_once(self, ref: ObjectRef, tries: ObjectTries) -> None:
        self._session.pool.add(self.lane, partial(self._rewrite, ref, tries), first=True)

    def _is_about(self, ref: ObjectRef, error: MigrateError) -> bool:
        """Tell a 404 that names the object from one of a version that is not served."""
        crd = self._crd
        return isinstance(error, APIError) and is_about(error.status, crd.group, crd.plural, ref.name)

    def _look(self, ref: ObjectRef, tries: ObjectTries, refused: MigrateError) -> None:
        self._session.pool.add(self.lane, partial(self._look_at, ref, tries, refused), first=True)

    async def _look_at(self, ref: ObjectRef, tries: ObjectTries, refused: MigrateError) -> Health:
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
            self._next.gone()
            self.tally.settled(ref, Settled.GONE)
        elif tries.looked:
            self.tally.failed(ref, tries.schedule.tries + 1, refused)
        else:  # it may have been made anew in between
            tries.looked, tries.now = True, found
            self._at_once(ref, tries)
        return Health.GOOD

    def _again_later(self, ref: ObjectRef, job: Job, tries: ObjectTries, error: MigrateError) -> bool:
        doing = f"rewrite {self._crd.name} {ref}"
        return self._session.again_later(doing, self.lane, job, tries, error, crd=self._crd.name)

    def _retry(self, ref: ObjectRef, tries: ObjectTries, error: MigrateError) -> None:
        over = health_of(error) is not Health.GOOD and self._clock.is_over(anyio.current_time())
        if not over and self._again_later(ref, partial(self._rewrite, ref, tries), tries, error):
            return
        if cause_of(error) is Cause.CONFLICT and not tries.plain:
            self._session.pool.add(self.lane, partial(self._leave, ref, tries, error), first=True)
            return
        self.tally.failed(ref, tries.schedule.tries + over, error)
        if over or (self._clock.last_answer < tries.began and health_of(error) is not Health.GOOD):
            # Not this object is at fault: nothing of this CRD got through for as long as its budget lasted.
            untried = f" ({count} object(s) were not tried)" if (count := self.tally.untried) > 0 else ""
            self.stop(Stopped(failed("NothingGetsThrough", error, message=f"{error}{untried}")))

    async def _leave(self, ref: ObjectRef, tries: ObjectTries, error: MigrateError) -> Health:
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
