"""What the metrics of a plan or run count, from its events; the metrics' names, types and labels."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from asyncmigrate._observers.verbs import verb_of
from asyncmigrate._results.plan import CRDPlan, Decision
from asyncmigrate._results.report import Outcome
from asyncmigrate._rules.errors.causes import Cause
from asyncmigrate.events import (
    CRDDecided,
    CRDFinished,
    CRDRelisted,
    CRDStarted,
    Event,
    ObjectFailed,
    ObjectSettled,
    PageListed,
    PlanFinished,
    RequestSent,
    Retrying,
    RunFinished,
    RunStarted,
    Settled,
)

Labels = tuple[str, ...]  # the values, in the order of the metric's labels

FAILED = "failed"
RESULTS = (*(str(how) for how in Settled), FAILED)
# client-go's, of rest_client_request_duration_seconds: the same requests, so that the two can be laid side by side.
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
# There from the beginning, for the increase of what was not there cannot be told.
_COMMON = (
    Cause.WEBHOOK_DOWN,
    Cause.SERVER_FULL,
    Cause.SERVER_ERROR,
    Cause.NO_ANSWER,
    Cause.UNREACHABLE,
    Cause.WRONG_ADDRESS,
    Cause.REINITIALIZING,
    Cause.CONFLICT,
)


class MetricName(msgspec.Struct, frozen=True):
    """One metric, as it is registered."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


OBJECTS = MetricName(
    "asyncmigrate_objects_total",
    "counter",
    ("resource", "result"),
    "Objects by how they ended; begins at 0 again when a CRD is listed again.",
)
REMAINING = MetricName(
    "asyncmigrate_objects_remaining", "gauge", ("resource",), "Objects that are neither settled nor failed yet."
)
CRDS = MetricName("asyncmigrate_crds", "gauge", ("decision",), "CRDs by what the plan decided about them.")
REQUESTS = MetricName(
    "asyncmigrate_requests_total",
    "counter",
    ("verb", "code"),
    "Requests by Kubernetes verb and HTTP status; code 0 is no answer.",
)
RETRIES = MetricName("asyncmigrate_retries_total", "counter", ("reason",), "Calls that are tried again, by cause.")
DURATION = MetricName(
    "asyncmigrate_request_duration_seconds", "histogram", (), "How long requests took, also those without an answer."
)
IN_FLIGHT = MetricName("asyncmigrate_in_flight", "gauge", (), "Requests in flight now.")
LAST_SUCCESS = MetricName(
    "asyncmigrate_last_success_timestamp_seconds",
    "gauge",
    (),
    "When a run last ended with nothing blocked, failed or incomplete, on all of its clusters, in seconds since "
    "the epoch; no dry run counts.",
)
METRICS = (OBJECTS, REMAINING, CRDS, REQUESTS, RETRIES, DURATION, IN_FLIGHT, LAST_SUCCESS)


class _Objects:
    """The objects of one CRD: how they ended, and how many there are as far as is known."""

    def __init__(self) -> None:
        self.results = dict.fromkeys(RESULTS, 0)
        self.listed = 0
        self.to_list = 0
        self.is_counted = False
        self.is_started = False

    def wait(self, count: int) -> None:
        """The plan counted them."""
        self.to_list, self.is_counted = count, True

    def page(self, objects: int, remaining: int | None) -> None:
        self.listed += objects
        self.to_list, self.is_counted = remaining or 0, True

    def begin_again(self) -> None:
        """They are listed again; until then there are as many as there were."""
        self.to_list, self.listed = self.listed + self.to_list, 0
        self.results = dict.fromkeys(RESULTS, 0)

    def end(self) -> None:
        """Nothing is left to do, such as where the CRD was deleted before all were listed."""
        self.listed, self.to_list, self.is_counted = sum(self.results.values()), 0, True

    @property
    def remaining(self) -> int:
        return max(0, self.listed + self.to_list - sum(self.results.values()))


class Measures:
    """An observer that counts, of one cluster. Another thread may read it at any time.

    `is_part` of a fleet: then it takes more than its own run for a success.
    """

    def __init__(self, *, is_part: bool = False) -> None:
        self._is_part = is_part
        self.requests: Counter[Labels] = Counter()
        self.retries: Counter[Labels] = Counter({(cause.name.lower(),): 0 for cause in _COMMON})
        self.decisions: Counter[Labels] = Counter()
        self.in_buckets = [0] * (len(BUCKETS) + 1)  # those that took longer than the last come last
        self.seconds = 0.0
        self.last_success = 0.0
        self._objects: dict[str, _Objects] = {}
        self._takes: dict[type[Event], Callable[[Any], None]] = {
            RequestSent: self._sent,
            ObjectSettled: self._settled,
            ObjectFailed: self._failed,
            PageListed: self._listed,
            Retrying: self._retried,
            CRDDecided: self._decided,
            PlanFinished: self._planned,
            RunStarted: self._planned,
            CRDStarted: self._started,
            CRDRelisted: self._relisted,
            CRDFinished: self._finished,
            RunFinished: self._ended,
        }

    def __call__(self, event: Event) -> None:
        take = self._takes.get(type(event))
        if take is not None:
            take(event)

    def _of(self, crd: str) -> _Objects:
        found = self._objects.get(crd)
        if found is None:
            found = self._objects[crd] = _Objects()
        return found

    def _sent(self, event: RequestSent) -> None:
        self.requests[verb_of(event.method, event.target), str(event.status)] += 1
        self.in_buckets[bisect_left(BUCKETS, event.seconds)] += 1
        self.seconds += event.seconds

    def _settled(self, event: ObjectSettled) -> None:
        self._of(event.crd).results[event.how] += 1

    def _failed(self, event: ObjectFailed) -> None:
        self._of(event.crd).results[FAILED] += 1

    def _listed(self, event: PageListed) -> None:
        self._of(event.crd).page(event.objects, event.remaining)

    def _retried(self, event: Retrying) -> None:
        self.retries[event.cause,] += 1

    def _decided(self, event: CRDDecided) -> None:
        self.decisions[str(event.plan.decision),] += 1
        self._waits(event.plan)

    def _planned(self, event: PlanFinished | RunStarted) -> None:
        self.decisions = Counter((str(crd.decision),) for crd in event.plan.crds)
        for crd in event.plan.crds:
            self._waits(crd)

    def _waits(self, plan: CRDPlan) -> None:
        if plan.decision is Decision.STALE and plan.waiting is not None and not self._of(plan.name).is_started:
            self._of(plan.name).wait(plan.waiting)

    def _started(self, event: CRDStarted) -> None:
        self._of(event.crd).is_started = True

    def _relisted(self, event: CRDRelisted) -> None:
        self._of(event.crd).begin_again()

    def _finished(self, event: CRDFinished) -> None:
        found = self._objects.get(event.report.name)
        if found is not None and found.is_started and event.report.outcome in {Outcome.MIGRATED, Outcome.SKIPPED}:
            found.end()

    def _ended(self, event: RunFinished) -> None:
        if event.report.ok and not event.report.dry_run and not self._is_part:
            self.last_success = event.time

    @property
    def objects(self) -> dict[Labels, int]:
        """How many objects there were of each CRD and result, of the CRDs that were begun."""
        begun = [(crd, found) for crd, found in list(self._objects.items()) if found.is_started]
        return {(crd, result): n for crd, found in begun for result, n in found.results.items()}

    @property
    def remaining(self) -> dict[Labels, int]:
        """How many objects are left of each CRD, where that is known."""
        return {(crd,): found.remaining for crd, found in list(self._objects.items()) if found.is_counted}
