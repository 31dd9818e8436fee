"""The clusters of a fleet at work: each opened when its turn comes, one that fails spoils no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup

from asyncmigrate._cluster.calls import Calls
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.observing import Observers
from asyncmigrate._engine.tasks import open_tasks
from asyncmigrate._results.fleet import ClusterError, ClusterResult, FleetReport
from asyncmigrate._results.plan import Plan
from asyncmigrate._results.report import Report
from asyncmigrate._rules.decisions.exit_codes import Exit, for_error
from asyncmigrate._rules.decisions.fleet import Identity, Rollout, Standing, to_begin, why_stopped, worst
from asyncmigrate._rules.errors.classify import reason_of
from asyncmigrate._rules.errors.secrets import on_one_line
from asyncmigrate._rules.flow.retry_schedule import BRIEF_SECONDS
from asyncmigrate.errors import ConfigError, MigrateError, UsageError
from asyncmigrate.events import (
    ClusterEvent,
    ClusterFinished,
    ClusterStarted,
    Event,
    FleetFinished,
    FleetStarted,
    Observer,
    RunFinished,
)

Member: TypeAlias = Cluster | Callable[[], Cluster]
Members: TypeAlias = Mapping[str, Member] | Iterable[tuple[str, Member]]


def members_of(clusters: Members) -> list[tuple[str, Member]]:
    pairs = clusters.items() if isinstance(clusters, Mapping) else clusters
    if not isinstance(pairs, Iterable):
        raise UsageError(f"clusters is {type(clusters).__name__}: give pairs of a name and a Cluster, or a mapping")
    found: list[tuple[str, Member]] = []
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) and pair[0]):  # noqa: PLR2004 -- a pair
            raise UsageError("clusters has something that is no pair: give a name and a Cluster for each")
        if not (isinstance(pair[1], Cluster) or callable(pair[1])):
            raise UsageError(f"cluster {pair[0]!r} is {type(pair[1]).__name__}: give a Cluster, or a function for one")
        found.append(pair)
    return found


class Seen:
    """What has become of one cluster by now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began = anyio.current_time()
        self.plan: Plan | None = None
        self.report: Report | None = None
        self.same_as = ""

    def keep(self, event: Event) -> None:
        if isinstance(event, RunFinished):
            self.report = event.report


Work: TypeAlias = Callable[[Cluster, Seen, Observer], Awaitable[None]]


class Fleet:
    """The clusters at work, and what became of those that ended."""

    def __init__(
        self,
        members: dict[str, Member],
        rollout: Rollout,
        work: Work,
        code_of: Callable[[Seen], Exit],
        *,
        observers: Iterable[Observer] | Observer,
        dry_run: bool = False,
    ) -> None:
        self._members = members
        self._rollout = rollout
        self._work = work
        self._code_of = code_of
        self._emit = Observers(observers).emit
        self.known: Mapping[str, ClusterResult] = {}  # what ended when it was planned: it is not tried again
        self._dry_run = dry_run
        self._running: set[str] = set()
        self._results: dict[str, ClusterResult] = {}
        self._claims: dict[Identity, str] = {}

    async def go(self) -> FleetReport:
        began = anyio.current_time()
        self._emit(FleetStarted(self._rollout.names))
        interrupted = True
        try:
            async with open_tasks() as tasks:
                self._begin(tasks)
            interrupted = False
        finally:
            report = self._report(anyio.current_time() - began, interrupted=interrupted)
            self._emit(FleetFinished(report))
        return report

    @property
    def _standing(self) -> Standing:
        codes = {name: Exit(r.code or 0) for name, r in self._results.items()}
        return Standing(running=frozenset(self._running), codes=codes)

    def _begin(self, tasks: TaskGroup) -> None:
        """Begin what may begin now."""
        while begun := to_begin(self._rollout, self._standing):
            for name in begun:
                if name in self.known:
                    self._end(self.known[name])
                    break  # it may have stopped the others
                self._running.add(name)
                tasks.start_soon(self._one, tasks, name)

    async def _one(self, tasks: TaskGroup, name: str) -> None:
        seen = Seen(name)
        error: Exception | None = None
        interrupted = True
        try:
            self._emit(ClusterStarted(name))
            error = await self._try(name, seen)
            interrupted = False
        finally:
            self._running.discard(name)
            self._end(self._result(seen, error, interrupted=interrupted))
        self._begin(tasks)

    async def _try(self, name: str, seen: Seen) -> Exception | None:
        """Work on one cluster; returns what ended that, and raises only what is to end all."""

        def tell(event: Event) -> None:
            self._emit(ClusterEvent(name, event))

        try:
            async with _opened(self._members[name]) as cluster:
                seen.same_as = await self._claim(name, cluster)
                if not seen.same_as:
                    await self._work(cluster, seen, tell)
        except (MigrateError, OSError) as error:
            return error
        return None

    async def _claim(self, name: str, cluster: Cluster) -> str:
        """The name under which this cluster is worked on already; empty if it is this one."""
        identity = Identity(cluster.server, await _uid(cluster))
        other = self._claims.setdefault(identity, name)
        return other if other != name and identity.is_known else ""

    def _end(self, result: ClusterResult) -> None:
        self._results[result.name] = result
        self._emit(ClusterFinished(result))

    def _result(self, seen: Seen, error: Exception | None, *, interrupted: bool) -> ClusterResult:
        code = Exit.INTERRUPTED if interrupted else self._code_of(seen) if error is None else for_error(error)
        same = f"the same cluster as {seen.same_as!r}: it is worked on under that name" if seen.same_as else ""
        return ClusterResult(
            name=seen.name,
            code=code,
            plan=seen.plan,
            report=seen.report,
            error=None if error is None else _error(error),
            message=same,
            same_as=seen.same_as,
            seconds=anyio.current_time() - seen.began,
        )

    def _report(self, seconds: float, *, interrupted: bool) -> FleetReport:
        why = why_stopped(self._rollout, self._standing) or "not tried: the fleet was interrupted"
        results = [self._results.get(n) or ClusterResult(name=n, message=why) for n in self._rollout.names]
        codes = [Exit(r.code) for r in results if r.code is not None]
        return FleetReport(
            clusters=tuple(results),
            code=worst([*codes, *([Exit.INTERRUPTED] if interrupted else [])]),
            seconds=seconds,
            dry_run=self._dry_run,
            interrupted=interrupted,
        )


@asynccontextmanager
async def _opened(member: Member) -> AsyncIterator[Cluster]:
    """Open a cluster, unless it is open already."""
    cluster = member if isinstance(member, Cluster) else _made(member)
    if cluster.is_open:
        yield cluster
        return
    async with cluster:
        yield cluster


def _made(make: Callable[[], Cluster]) -> Cluster:
    try:
        made: object = make()
    except MigrateError:
        raise
    except Exception as error:  # it is the caller's code, and about this cluster alone
        raise ConfigError(f"the cluster cannot be made: {type(error).__name__}: {on_one_line(str(error))}") from error
    if not isinstance(made, Cluster):
        raise UsageError(f"the function for the cluster returned {type(made).__name__}, which is no Cluster")
    return made


async def _uid(cluster: Cluster) -> str:
    """The uid of kube-system; empty where we may not read it, or nothing answers: then the plan says what is wrong."""
    calls = Calls(cluster.opened, timeout=cluster.request_timeout, emit=lambda _: None)
    with suppress(MigrateError):
        return await calls.cluster_uid(within=BRIEF_SECONDS)
    return ""


def _error(error: Exception) -> ClusterError:
    reason = reason_of(error) if isinstance(error, MigrateError) else type(error).__name__.removesuffix("Error")
    return ClusterError(reason=reason, message=on_one_line(str(getattr(error, "strerror", "") or error)))
