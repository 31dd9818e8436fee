"""The rewrites of one CRD's objects: one try each as a job of the pool, and what became of them."""

from __future__ import annotations

from functools import partial

import anyio

from asyncmigrate._engine.crd_result import NOT_SERVED, CRDResult, Stopped, failed
from asyncmigrate._engine.pool import Health, Lane, health_of
from asyncmigrate._engine.session import Session, Tries
from asyncmigrate._model import CRD, ObjectRef, Resource
from asyncmigrate._results.report import OBJECTS_FAILED, Failure, Objects, Outcome
from asyncmigrate._rules.decisions.versions import rewrite_version
from asyncmigrate._rules.errors.classify import Action, Operation, means_overload, reason_of
from asyncmigrate.errors import APIError, ConfigError, MigrateError, NotFoundError, UnauthorizedError
from asyncmigrate.events import ObjectFailed, ObjectSettled, Settled

KEPT_FAILURES = 1000  # of one CRD, with their words; more are only counted


class Rewriter:
    """The objects of one CRD, from listed to settled or failed."""

    def __init__(self, session: Session, crd: CRD, *, dry_run: bool) -> None:
        self._session = session
        self._name = crd.name
        self._dry_run = dry_run
        self.reach_through(crd)
        self.lane: Lane = session.pool.lane()
        self._counts = dict.fromkeys(Objects.__struct_fields__, 0)
        self.failures: list[Failure] = []
        self._pending = 0
        self._enough = 0  # `_fewer` is set when no more than so many objects are unsettled
        self._fewer = anyio.Event()
        self._stop: CRDResult | None = None
        self._last_answer = -1.0

    @property
    def objects(self) -> Objects:
        return Objects(**self._counts)

    def reach_through(self, crd: CRD) -> None:
        """Reach the objects through the versions that `crd` serves."""
        self._crd = crd
        self._resources: dict[str, Resource] = {}

    def _resource(self, ref: ObjectRef) -> Resource:
        found = self._resources.get(ref.written_as)
        if found is None:
            version = rewrite_version(self._crd, ref.written_as)
            found = self._resources[ref.written_as] = self._crd.resource(version or "")
        return found

    def listed(self, count: int) -> None:
        """Count objects that are to be added or are proven."""
        self._counts["listed"] += count
        self._pending += count

    def add(self, ref: ObjectRef) -> None:
        self._session.pool.add(self.lane, partial(self._rewrite, ref, None))

    def settle(self, ref: ObjectRef, how: Settled) -> None:
        """Count an object that needs no more work."""
        self._counts[how] += 1
        self._session.emit(ObjectSettled(self._name, ref.namespace, ref.name, how))
        self._done_with_one()

    async def until_pending(self, most: int) -> None:
        """Wait until no more than `most` objects are unsettled; raises Stopped where that will not be."""
        while self._stop is None and self._pending > most:
            self._enough, self._fewer = most, anyio.Event()
            await self._fewer.wait()
        self.check()

    def check(self) -> None:
        if self._stop is not None:
            raise Stopped(self._stop)

    async def _rewrite(self, ref: ObjectRef, tries: Tries | None) -> Health:
        session = self._session
        began = anyio.current_time()
        try:
            after = await session.calls.rewrite(self._resource(ref), ref, dry_run=self._dry_run)
        except MigrateError as error:
            self._failed_try(ref, tries or Tries(anyio.current_time()), error)
            return health_of(error)
        self._last_answer = anyio.current_time()
        session.pool.answered(self.lane, self._last_answer - began)
        same = after == ref.resource_version and not self._dry_run
        self.settle(ref, Settled.UNCHANGED if same else Settled.REWRITTEN)
        return Health.GOOD

    def _failed_try(self, ref: ObjectRef, tries: Tries, error: MigrateError) -> None:
        action = self._session.classify(Operation.REWRITE, error)
        if action is Action.GONE:
            if isinstance(error, NotFoundError) and error.status.details_name == ref.name:
                self.settle(ref, Settled.GONE)
            else:
                self._end(failed(NOT_SERVED, error))
        elif isinstance(error, UnauthorizedError | ConfigError):
            # Without credentials every other object would fail in the same way.
            self._end(failed("Unauthorized", error))
        elif action is Action.RETRY:
            self._retry(ref, tries, error)
        else:
            self._fail(ref, tries.schedule.tries + 1, error)

    def _retry(self, ref: ObjectRef, tries: Tries, error: MigrateError) -> None:
        job = partial(self._rewrite, ref, tries)
        if self._session.again_later(f"rewrite {self._name} {ref}", self.lane, job, tries, error):
            return
        self._fail(ref, tries.schedule.tries, error)
        if self._last_answer < tries.began and means_overload(error):
            # Not this object is at fault: nothing of this CRD got through for as long as its budget lasted.
            self._end(failed("NothingGetsThrough", error))

    def _fail(self, ref: ObjectRef, attempts: int, error: MigrateError) -> None:
        status = error.status if isinstance(error, APIError) else None
        failure = Failure(
            namespace=ref.namespace,
            name=ref.name,
            code=status.code if status else 0,
            reason=reason_of(error),
            message=status.message if status else str(error),
            attempts=attempts,
        )
        self._counts["failed"] += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(failure)
        self._session.emit(ObjectFailed(self._name, failure))
        self._done_with_one()

    def _done_with_one(self) -> None:
        self._pending -= 1
        if self._pending <= self._enough:
            self._fewer.set()

    def _end(self, verdict: CRDResult) -> None:
        """Stop this CRD: what has not been sent is not sent any more."""
        self._stop = self._stop or verdict
        self.lane.close()
        self._fewer.set()

    @property
    def verdict(self) -> CRDResult | None:
        """What the objects that failed mean for their CRD; None where there are none."""
        if not self._counts["failed"]:
            return None
        return CRDResult(
            Outcome.INCOMPLETE,
            OBJECTS_FAILED,
            f"{self._counts['failed']} object(s) could not be rewritten; storedVersions is left as it is",
        )
