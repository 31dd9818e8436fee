"""What one plan or run shares: the calls, the pool, the retry policies, the counters and the observers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

import anyio
import msgspec

from asyncmigrate._cluster.calls import Calls
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.observing import Observers
from asyncmigrate._engine.pacing import Pace
from asyncmigrate._engine.pool import Job, Lane, Pool
from asyncmigrate._engine.retry import Attempt, retry, retry_after
from asyncmigrate._model import CRD
from asyncmigrate._options import Options
from asyncmigrate._rules.errors.causes import cause_of
from asyncmigrate._rules.errors.classify import Action, Operation, classify, is_outage, is_webhook_down
from asyncmigrate._rules.flow.retry_schedule import BRIEF_BUDGET, RetryPolicy, Schedule
from asyncmigrate._rules.safety.move_age import move_age
from asyncmigrate.errors import MigrateError, RequestTimeoutError, WrongAddressError
from asyncmigrate.events import Observer, Retrying

T = TypeVar("T")

KEEPS_OWNERS = 37  # the first minor version of Kubernetes that keeps managedFields which it cannot convert


class Policies:
    """How long to try: in general, where a webhook does not answer, and where a request was not answered in time."""

    def __init__(self, general: RetryPolicy, webhook: RetryPolicy, request_timeout: float | None) -> None:
        self.general = general
        self.webhook = webhook
        # The first try alone takes the whole time-out, which is more than the usual budget: it would be the last.
        lost = general.max_seconds + (request_timeout or 0.0)
        self._no_answer = msgspec.structs.replace(general, max_seconds=lost)

    @property
    def brief(self) -> RetryPolicy:
        """For what is good to know, and holds nothing up."""
        return msgspec.structs.replace(self.general, max_seconds=min(self.general.max_seconds, BRIEF_BUDGET))

    def choose(self, error: Exception) -> RetryPolicy:
        if isinstance(error, WrongAddressError):
            return self.brief
        if isinstance(error, RequestTimeoutError):
            return self._no_answer
        return self.webhook if is_webhook_down(error) else self.general


class Tries(msgspec.Struct):
    """The tries so far of a job that takes itself up again; made at its first failure: most have none."""

    began: float
    schedule: Schedule = msgspec.field(default_factory=Schedule)


class Session:
    """The state of one plan or run."""

    def __init__(
        self,
        cluster: Cluster,
        options: Options,
        *,
        observers: Iterable[Observer] | Observer,
        rate: float | None = None,
        contacted: bool = False,
    ) -> None:
        opened = cluster.opened  # first: it refuses what is no open cluster
        self.cluster = cluster
        self.policies = Policies(options.retry_policy, options.webhook_policy, cluster.request_timeout)
        self.emit = Observers(observers).emit
        self.pool = Pool(options.max_in_flight)
        self.calls = Calls(opened, timeout=cluster.request_timeout, emit=self.emit, contacted=contacted)
        self.retries = 0
        self.outages = 0  # errors that a restart of the server or of etcd would cause
        self.pace = Pace(rate, most_ready=options.max_in_flight)
        self._began = anyio.current_time()
        self._asking_version = anyio.Lock()
        self._minor: int | None = None

    @property
    def seconds(self) -> float:
        return anyio.current_time() - self._began

    def classify(self, operation: Operation, error: MigrateError) -> Action:
        return classify(operation, error, contacted=self.calls.contacted)

    def retrying(self, doing: str, attempt: int, wait: float, error: Exception, *, crd: str = "") -> None:
        self.retries += 1
        self.outages += is_outage(error)
        self.emit(Retrying(doing, attempt, wait, str(error), crd, cause_of(error).name.lower()))

    def again_later(self, doing: str, lane: Lane, job: Job, tries: Tries, error: MigrateError, *, crd: str) -> bool:
        """Have the pool run a failed job again after a wait; False where its budget is spent."""
        wait = self.wait_before_retry(doing, tries, error, crd=crd)
        if wait is not None:
            self.pool.add_later(wait, lane, job)
        return wait is not None

    def wait_before_retry(self, doing: str, tries: Tries, error: MigrateError, *, crd: str) -> float | None:
        """How many seconds to wait before another try, which is counted; None where the budget is spent."""
        elapsed = anyio.current_time() - tries.began
        wait = tries.schedule.next_wait(self.policies.choose(error), elapsed, retry_after(error))
        if wait is not None:
            self.retrying(doing, tries.schedule.tries, wait, error, crd=crd)
        return wait

    def age_of_move(self, crd: CRD, seen_for: float) -> float:
        """How many seconds ago a CRD's storage version moved, at least."""
        return move_age(crd.moved, server_now=self.calls.clock.now, seen_for=seen_for)

    async def robs_owners(self) -> bool:
        """Tell a server that removes all managedFields of an object where one entry cannot be converted.

        Kubernetes 1.36 and before do (kubernetes#136919). So may a server that does not say which it is.
        """
        async with self._asking_version:
            if self._minor is None:
                with suppress(MigrateError):
                    # Not through the pool: a job of it may ask.
                    self._minor = await retry(self.calls.minor_version, policy=self.policies.brief)
        return self._minor is None or self._minor < KEEPS_OWNERS

    async def look_up(self, lane: Lane, name: str) -> CRD | None:
        """Get one CRD; None, at once, where the server has none of that name."""
        try:
            doing = f"get CRD {name}"
            return await self.ask(Operation.LOOK_UP, lane, lambda: self.calls.get_crd(name), doing=doing, crd=name)
        except MigrateError as error:
            if self.classify(Operation.LOOK_UP, error) is Action.NEW:
                return None
            raise

    async def ask(
        self,
        operation: Operation,
        lane: Lane,
        call: Callable[[], Awaitable[T]],
        *,
        doing: str,
        crd: str = "",
        on_retry: Callable[[], None] = lambda: None,
        policy: RetryPolicy | None = None,
    ) -> T:
        """Make one call through the pool, again while its errors can get better; the waits hold no slot."""
        return await self.again(
            operation, lambda: self.pool.call(lane, call), doing=doing, crd=crd, on_retry=on_retry, policy=policy
        )

    async def again(
        self,
        operation: Operation,
        call: Callable[[], Awaitable[T]],
        *,
        doing: str,
        crd: str = "",
        on_retry: Callable[[], None] = lambda: None,
        policy: RetryPolicy | None = None,
    ) -> T:
        """The same past the pool."""

        def noted(attempt: Attempt) -> None:
            on_retry()
            self.retrying(doing, attempt.number, attempt.wait, attempt.error, crd=crd)

        def worth_it(error: Exception) -> bool:
            return isinstance(error, MigrateError) and self.classify(operation, error) is Action.RETRY

        return await retry(
            call,
            policy=policy or self.policies.choose,
            retry_on=worth_it,
            on_retry=noted,
        )
