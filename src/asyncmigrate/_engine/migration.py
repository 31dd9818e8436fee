"""One CRD's migration: list its pages, rewrite its objects, and once every one is settled trim storedVersions."""

from __future__ import annotations

from functools import partial

import anyio
import msgspec

from asyncmigrate._engine.pool import Health, LaneClosedError, health_of
from asyncmigrate._engine.retry import retry_after
from asyncmigrate._engine.session import Session
from asyncmigrate._model import CRD, ObjectRef, Page
from asyncmigrate._results import CRDPlan, CRDReport, Failure, Objects, Outcome
from asyncmigrate._rules.classify import Action, Operation, is_refusal, means_overload, reason_of
from asyncmigrate._rules.pages import PAGE_LIMIT, Frontier
from asyncmigrate._rules.plan import access_version
from asyncmigrate._rules.schedule import Schedule
from asyncmigrate._rules.trim import TrimVerdict, may_trim
from asyncmigrate.errors import (
    APIError,
    ConfigError,
    MigrateError,
    NotFoundError,
    UnauthorizedError,
    UsageError,
)
from asyncmigrate.events import CRDFinished, CRDStarted, ObjectFailed, ObjectSettled, PageListed, Settled

_PASSES = 3  # over the objects of a CRD whose spec keeps changing
_TRIM_TRIES = 10  # against writers of the CRD's status, of which there are few
_LOW = PAGE_LIMIT // 2  # fetch the next page when no more than so many objects of this one are left


class _Verdict(msgspec.Struct, frozen=True):
    """How one CRD ended."""

    outcome: Outcome
    reason: str
    message: str
    refused: bool = False


class _Stopped(Exception):  # noqa: N818 -- control flow inside this module, not an error that anyone sees
    """The CRD's migration cannot go on."""

    def __init__(self, verdict: _Verdict) -> None:
        self.verdict = verdict


class _Try(msgspec.Struct):
    """The tries of one object so far; made at its first failure."""

    schedule: Schedule
    began: float


class Migration:
    """The migration of one stale CRD."""

    def __init__(self, session: Session, plan: CRDPlan, *, dry_run: bool) -> None:
        version = access_version(plan.live) if plan.live else None
        if plan.live is None or version is None or plan.storage_version is None:
            raise UsageError(f"CRD {plan.name} cannot be migrated: {plan.message}")
        self._session = session
        self._plan = plan
        self._crd: CRD = plan.live
        self._storage: str = plan.storage_version
        self._resource = plan.live.resource(version)
        self._dry_run = dry_run
        self._lane = session.pool.lane()
        self._counts = dict.fromkeys(Objects.__struct_fields__, 0)
        self._failures: list[Failure] = []
        self._pending = 0
        self._settled = anyio.Event()
        self._stop: _Verdict | None = None
        self._last_answer = -1.0
        self._verdict = _Verdict(Outcome.INCOMPLETE, "Interrupted", "stopped before it was done: run again")
        self._trimmed = False

    async def run(self) -> None:
        """Migrate; what became of it is in `report` and goes out as an event."""
        self._session.emit(CRDStarted(self._plan.name, self._storage))
        try:
            verdict = await self._migrate()
        except _Stopped as stopped:
            verdict = stopped.verdict
        await self._session.pool.drain(self._lane)
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
            objects=Objects(**self._counts),
            trimmed=self._trimmed,
            failures=tuple(self._failures),
            refused=self._verdict.refused,
        )

    async def _migrate(self) -> _Verdict:
        for _ in range(_PASSES):
            await self._rewrite_all()
            if self._failures:
                return _Verdict(
                    Outcome.INCOMPLETE,
                    "ObjectsFailed",
                    f"{len(self._failures)} object(s) could not be rewritten; storedVersions is left as it is",
                )
            verdict, reason, message = await self._trim()
            if verdict is not TrimVerdict.AGAIN:
                break
        return self._ended(verdict, reason, message)

    def _ended(self, verdict: TrimVerdict, reason: str, message: str) -> _Verdict:
        if verdict is TrimVerdict.GONE:
            return _Verdict(Outcome.SKIPPED, reason, message)
        if verdict in {TrimVerdict.NO, TrimVerdict.AGAIN}:
            return _Verdict(Outcome.INCOMPLETE, reason, f"{message}; storedVersions is left as it is")
        if self._dry_run:
            return _Verdict(
                Outcome.SKIPPED, "Rehearsed", "every object can be rewritten; nothing was changed (dry run)"
            )
        self._trimmed = True
        return _Verdict(Outcome.MIGRATED, reason, message)

    # Listing

    async def _rewrite_all(self) -> None:
        """Go over all objects once, a page ahead of the rewrites; returns when each is settled or has failed."""
        frontier = Frontier()
        while not frontier.done:
            await self._check_stopped()
            page = await self._next_page(frontier)
            if page is None:
                continue
            frontier.got(page)
            self._counts["listed"] += len(page.items)
            self._session.emit(PageListed(self._plan.name, len(page.items), page.remaining))
            self._pending += len(page.items)
            for ref in page.items:
                self._session.pool.add(self._lane, partial(self._rewrite, ref, None))
            await self._until_pending(0 if frontier.done else _LOW)

    async def _next_page(self, frontier: Frontier) -> Page | None:
        """Ask for the next page; None where the list has to be taken up elsewhere."""
        session = self._session

        async def ask() -> Page:
            return await session.calls.list_page(self._resource, token=frontier.token, limit=frontier.limit)

        try:
            return await session.ask(
                Operation.LIST, self._lane, ask, doing=f"list {self._plan.name}", on_retry=frontier.failed
            )
        except LaneClosedError:
            return None
        except MigrateError as error:
            action = session.classify(Operation.LIST, error)
            if action is Action.GONE:
                raise await self._not_served(error) from error
            if action is Action.RESUME and isinstance(error, APIError) and frontier.expired(error.status):
                return None
            raise _Stopped(_failed("ListFailed", error)) from error

    async def _until_pending(self, most: int) -> None:
        """Wait until no more than `most` objects are unsettled, or the migration is stopped."""
        while self._stop is None and self._pending > most:
            self._settled = anyio.Event()
            await self._settled.wait()
        await self._check_stopped()

    async def _check_stopped(self) -> None:
        if self._stop is not None:
            if self._stop.reason == "NotServed":
                raise await self._not_served(None)
            raise _Stopped(self._stop)

    async def _not_served(self, error: MigrateError | None) -> _Stopped:
        """A 404 that speaks of no object: the CRD is gone, or was replaced, or its version is not served any more."""
        verdict, reason, message = may_trim(self._crd, await self._fresh())
        if verdict in {TrimVerdict.GONE, TrimVerdict.NO}:
            return _Stopped(self._ended(verdict, reason, message))
        words = str(error or (self._stop and self._stop.message))
        return _Stopped(_Verdict(Outcome.FAILED, "NotServed", words))

    # Rewriting

    async def _rewrite(self, ref: ObjectRef, tried: _Try | None) -> Health:
        """One try at one object, as a job of the pool."""
        session = self._session
        try:
            after = await session.calls.rewrite(self._resource, ref, dry_run=self._dry_run)
        except MigrateError as error:
            self._failed_try(ref, tried or _Try(Schedule(), anyio.current_time()), error)
            return health_of(error)
        self._last_answer = anyio.current_time()
        same = after == ref.resource_version and not self._dry_run
        self._settle(ref, Settled.UNCHANGED if same else Settled.REWRITTEN)
        return Health.GOOD

    def _failed_try(self, ref: ObjectRef, tried: _Try, error: MigrateError) -> None:
        action = self._session.classify(Operation.REWRITE, error)
        if action is Action.GONE:
            if isinstance(error, NotFoundError) and error.status.details_name == ref.name:
                self._settle(ref, Settled.GONE)
            else:
                self._end(_Verdict(Outcome.FAILED, "NotServed", str(error)))
        elif isinstance(error, UnauthorizedError | ConfigError):
            # Without credentials every other object would fail in the same way.
            self._end(_failed("Unauthorized", error))
        elif action is Action.RETRY:
            self._retry(ref, tried, error)
        else:
            self._fail(ref, tried.schedule.tries + 1, error)

    def _retry(self, ref: ObjectRef, tried: _Try, error: MigrateError) -> None:
        session = self._session
        elapsed = anyio.current_time() - tried.began
        wait = tried.schedule.next_wait(session.policies.choose(error), elapsed, retry_after(error))
        if wait is not None:
            session.retrying(f"rewrite {self._plan.name} {ref}", tried.schedule.tries, wait, error)
            session.pool.add_later(wait, self._lane, partial(self._rewrite, ref, tried))
            return
        self._fail(ref, tried.schedule.tries, error)
        if self._last_answer < tried.began and means_overload(error):
            # Not this object is at fault: nothing of this CRD got through for as long as its budget lasted.
            self._end(_failed("NothingGetsThrough", error))

    def _settle(self, ref: ObjectRef, how: Settled) -> None:
        self._counts[how] += 1
        self._session.emit(ObjectSettled(self._plan.name, ref.namespace, ref.name, how))
        self._done_with_one()

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
        self._failures.append(failure)
        self._session.emit(ObjectFailed(self._plan.name, failure))
        self._done_with_one()

    def _done_with_one(self) -> None:
        self._pending -= 1
        self._settled.set()

    def _end(self, verdict: _Verdict) -> None:
        """Stop this CRD: what has not been sent is not sent any more."""
        self._stop = self._stop or verdict
        self._lane.close()
        self._settled.set()

    # Trimming

    async def _trim(self) -> tuple[TrimVerdict, str, str]:
        """Write storedVersions if a fresh look at the CRD allows it; a conflict means to look again."""
        session = self._session
        for _ in range(_TRIM_TRIES):
            fresh = await self._fresh()
            verdict, reason, message = may_trim(self._crd, fresh)
            if verdict is TrimVerdict.AGAIN and fresh is not None:
                self._crd = fresh
            if verdict is not TrimVerdict.TRIM or fresh is None:
                return verdict, reason, message
            try:
                await session.ask(
                    Operation.TRIM, self._lane, partial(self._write_trim, fresh), doing=f"trim {self._plan.name}"
                )
            except MigrateError as error:
                if session.classify(Operation.TRIM, error) in {Action.RECHECK, Action.GONE}:
                    continue
                raise _Stopped(_failed("TrimFailed", error)) from error
            return verdict, reason, message
        return TrimVerdict.NO, "TrimConflict", "the CRD was written by others each time it was to be trimmed: run again"

    async def _write_trim(self, fresh: CRD) -> None:
        await self._session.calls.trim(fresh, self._storage, dry_run=self._dry_run)

    async def _fresh(self) -> CRD | None:
        """The CRD as the server has it now; None where it is gone."""
        session = self._session
        # Not in the CRD's own lane: that may be closed, and this look is what says why.
        lane = session.pool.lane(windowed=False)
        try:
            return await session.look_up(lane, self._plan.name)
        except MigrateError as error:
            raise _Stopped(_failed("LookupFailed", error)) from error


def _failed(reason: str, error: MigrateError) -> _Verdict:
    return _Verdict(Outcome.FAILED, reason, str(error), refused=is_refusal(error))
