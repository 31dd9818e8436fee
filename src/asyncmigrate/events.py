"""What happened, as frozen data: `plan` and `run` hand these to any number of observers.

An observer is a function (not an async one) that takes one event. It is called in the event loop, so it must be quick.
What it raises ends the plan or run, with a note that names the observer. Match on the class, and ignore the classes you
do not know: more may come.
"""

from __future__ import annotations

import time as clocks
from collections.abc import Callable
from enum import StrEnum

import msgspec

from asyncmigrate._results.fleet import ClusterResult, FleetReport
from asyncmigrate._results.plan import CRDPlan, Plan
from asyncmigrate._results.report import CRDReport, Failure, Report

__all__ = [
    "CRDDecided",
    "CRDFinished",
    "CRDRelisted",
    "CRDSettling",
    "CRDStarted",
    "ClusterEvent",
    "ClusterFinished",
    "ClusterStarted",
    "Event",
    "EventNotRecorded",
    "FleetFinished",
    "FleetStarted",
    "ManifestsRead",
    "ObjectFailed",
    "ObjectSettled",
    "Observer",
    "PageListed",
    "PlanFinished",
    "RequestSent",
    "Retrying",
    "RunFinished",
    "RunStarted",
    "Settled",
    "StateNotSaved",
]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all events. `time` is when it happened, in seconds since the epoch; keyword only."""

    # Behind the fields of each event, so that those may be given by position; two events with the same fields are equal
    # only if they happened at the same time.
    time: float = msgspec.field(default_factory=clocks.time)


class RequestSent(Event, frozen=True):
    """A request ended: `status` is the HTTP status, 0 where no answer came; `target` is path and query.

    `crd` is the CRD that it was about, or whose objects; empty where it was about none alone.
    """

    method: str
    target: str
    status: int
    seconds: float
    crd: str = ""


class Retrying(Event, frozen=True):
    """A call failed and is tried again in `wait` seconds; `attempt` counts the tries made, from 1.

    `crd` is the CRD that it was about, or whose objects; empty where it was about none alone. `cause` is one of few
    words for what the error is, such as `server_full`, `webhook_down` or `no_answer`.
    """

    doing: str
    attempt: int
    wait: float
    error: str
    crd: str = ""
    cause: str = ""


class ManifestsRead(Event, frozen=True):
    """All manifests are read: how many CRDs they hold."""

    crds: int


class CRDDecided(Event, frozen=True):
    """One CRD is planned."""

    plan: CRDPlan


class PlanFinished(Event, frozen=True):
    """Every CRD is planned."""

    plan: Plan


class RunStarted(Event, frozen=True):
    """A run begins: `stale` CRDs are to be migrated, or rehearsed in a dry run."""

    plan: Plan
    stale: int
    dry_run: bool


class StateNotSaved(Event, frozen=True):
    """The state cannot be written: the run goes on, and could not be resumed. `error` says why."""

    error: str


class EventNotRecorded(Event, frozen=True):
    """A Kubernetes Event about a CRD could not be recorded: the run goes on without. `error` says why.

    `crd` is empty where it was about several.
    """

    crd: str
    error: str


class CRDSettling(Event, frozen=True):
    """A CRD's storage version moved less than `settle` seconds ago: its objects are listed in `wait` seconds.

    Until then a write that began before the move may still be stored in the old version.
    """

    crd: str
    wait: float
    settle: float = 0.0


class CRDStarted(Event, frozen=True):
    """The migration of one CRD begins."""

    crd: str
    storage_version: str


class CRDRelisted(Event, frozen=True):
    """All objects of a CRD are listed once more, and counted anew; `why` is a sentence."""

    crd: str
    why: str


class PageListed(Event, frozen=True):
    """A page of objects is here; `remaining` come after it, None where the server does not say."""

    crd: str
    objects: int
    remaining: int | None


class Settled(StrEnum):
    """How an object was settled; the values are the fields of `Objects`."""

    PROVEN = "proven"
    REWRITTEN = "rewritten"
    UNCHANGED = "unchanged"
    GONE = "gone"


class ObjectSettled(Event, frozen=True):
    """One object needs no more work. `namespace` is empty for cluster-scoped objects."""

    crd: str
    namespace: str
    name: str
    how: Settled


class ObjectFailed(Event, frozen=True):
    """One object could not be settled."""

    crd: str
    failure: Failure


class CRDFinished(Event, frozen=True):
    """One CRD is done, one way or another."""

    report: CRDReport


class RunFinished(Event, frozen=True):
    """The run is over; also sent when it is cancelled, with what was done by then."""

    report: Report


class FleetStarted(Event, frozen=True):
    """A fleet begins: its clusters by their names, in the order in which they were given."""

    clusters: tuple[str, ...]


class ClusterStarted(Event, frozen=True):
    """The work on one cluster of a fleet begins: it is being opened."""

    cluster: str


class ClusterEvent(Event, frozen=True):
    """Something happened on one cluster of a fleet: `event` is what `plan` or `run` says of it."""

    cluster: str
    event: Event


class ClusterFinished(Event, frozen=True):
    """One cluster of a fleet is done, one way or another; one that was not tried is only in FleetFinished."""

    result: ClusterResult


class FleetFinished(Event, frozen=True):
    """The fleet is over; also sent when it is cancelled, with what was done by then."""

    report: FleetReport


Observer = Callable[[Event], None]
