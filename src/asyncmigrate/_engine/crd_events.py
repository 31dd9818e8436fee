"""Records Kubernetes Events about CRDs beside the migrations, which they neither hold up nor fail."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from asyncmigrate._cluster import event_calls
from asyncmigrate._engine.retry import retry
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.tasks import open_tasks
from asyncmigrate._results.report import CRDReport
from asyncmigrate._rules.decisions.crd_events import CRDEvent, event_for
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate._rules.errors.classify import Action, Operation
from asyncmigrate._rules.flow.retry_schedule import BRIEF_SECONDS
from asyncmigrate._rules.safety.stamps import stamp_of
from asyncmigrate.errors import ConflictError, ForbiddenError, MigrateError, NotFoundError
from asyncmigrate.events import EventNotRecorded

T = TypeVar("T")

_AT_ONCE = 4  # requests for Events in flight, of the budget of all
_LAST_SECONDS = 5.0  # that a run waits for them when all else is done
_FAILURES = 3  # in a row, after which no more is tried: the next would fail as well, and is as slow
_ADVICE = f"it takes the rights to create and patch events in namespace {event_calls.NAMESPACE}, or leave out --events"


class CRDEvents:
    """The Events of one run, recorded in the order in which CRDs end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lane = session.pool.lane(windowed=False)
        self._send, self._waiting = anyio.create_memory_object_stream[CRDEvent](float("inf"))
        self._failures = 0
        self._left = 0
        self._none_left = anyio.Event()
        self._none_left.set()
        self._gave_up = False

    def add(self, report: CRDReport) -> None:
        """Have an Event recorded about what became of a CRD, if that is worth one."""
        event = event_for(report)
        if event is None or self._gave_up:
            return
        if not self._left:
            self._none_left = anyio.Event()
        self._left += 1
        self._send.send_nowait(event)

    async def keep(self) -> None:
        """Record what is added, for as long as the scope lasts."""
        async with open_tasks() as tasks:
            for _ in range(_AT_ONCE):
                tasks.start_soon(self._work)

    async def finish(self) -> None:
        """Wait for what is not recorded yet, but not for long."""
        with anyio.move_on_after(_LAST_SECONDS):
            await self._none_left.wait()
        if self._left and not self._gave_up:
            error = f"{count(self._left, 'Event')} more could not be recorded within {_LAST_SECONDS:g} s"
            self._session.emit(EventNotRecorded("", error))

    def close(self) -> None:
        self._send.close()
        self._waiting.close()

    async def _work(self) -> None:
        async for event in self._waiting:
            try:
                if not self._gave_up:
                    await self._record(event)
            except MigrateError as error:
                self._failed(event, error)
            else:
                self._failures = 0
            self._left -= 1
            if not self._left:
                self._none_left.set()

    def _failed(self, event: CRDEvent, error: MigrateError) -> None:
        self._failures += 1
        if self._gave_up:
            return
        said = str(error)
        if isinstance(error, ForbiddenError):
            said = f"{said} ({_ADVICE})"
        if isinstance(error, ForbiddenError) or self._failures >= _FAILURES:
            self._gave_up = True
            self._none_left.set()
            said = f"{said}; this run records no more Events"
        self._session.emit(EventNotRecorded(event.crd, said))

    async def _record(self, event: CRDEvent) -> None:
        calls, now = self._session.calls, self._session.calls.clock.now
        at = stamp_of(time.time() if now is None else now)
        within = BRIEF_SECONDS
        try:
            await self._ask(lambda: event_calls.create(calls, event, at, within=within))
        except ConflictError:  # an earlier run said the same within the hour that the server keeps Events
            try:
                said = await self._ask(lambda: event_calls.say_again(calls, event, at, within=within))
                await self._ask(lambda: event_calls.set_count(calls, event, said + 1, within=within))
            except NotFoundError:  # and the hour was just over
                await self._ask(lambda: event_calls.create(calls, event, at, within=within))

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make one call through the pool, for a short while again.

        It is not among the run's retries and outages: a fault of Events says nothing of the objects.
        """
        session = self._session

        def worth_it(error: Exception) -> bool:
            return isinstance(error, MigrateError) and session.classify(Operation.LOOK_UP, error) is Action.RETRY

        return await retry(
            lambda: session.pool.call(self._lane, call), policy=session.policies.brief, retry_on=worth_it
        )


@asynccontextmanager
async def recording(events: CRDEvents | None) -> AsyncIterator[None]:
    """Record Events within the scope, and those that are left at its end; none where it ends by an error."""
    if events is None:
        yield
        return
    try:
        async with open_tasks() as tasks:
            tasks.start_soon(events.keep)
            yield
            await events.finish()
            tasks.cancel_scope.cancel()
    finally:
        events.close()
