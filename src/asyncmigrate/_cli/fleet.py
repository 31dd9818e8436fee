"""What `plan` and `run` do on several clusters: one plan, one question, one display, one report."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from asyncmigrate._cli.commands import PATIENCE, Job, ask, state_of
from asyncmigrate._cli.contexts import contexts_of, readable
from asyncmigrate._cli.exits import Exit
from asyncmigrate._cli.fleet_options import FleetOptions
from asyncmigrate._cli.guard import guarded, loaded
from asyncmigrate._cli.options import Connection, CRDOptions, StateOptions
from asyncmigrate._cli.show import Show
from asyncmigrate._cli.watch_options import WatchOptions
from asyncmigrate._cli.watching import Watching, watched
from asyncmigrate._cluster import kubeconfig  # noqa: F401 -- loaded before there are several to open
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.fleet import plan_fleet, run_fleet
from asyncmigrate._engine.fleet_work import Member
from asyncmigrate._engine.tasks import in_thread
from asyncmigrate._manifests.given import Place
from asyncmigrate._manifests.reader import ReadOnce
from asyncmigrate._options import RunOptions
from asyncmigrate._output.read_unfinished import read_fleet
from asyncmigrate._results.fleet import ClusterResult, FleetReport
from asyncmigrate._results.unfinished import Unfinished
from asyncmigrate._rules.decisions.fleet import worst
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate.errors import UsageError
from asyncmigrate.events import Event, FleetFinished, Observer


class _Clusters(msgspec.Struct, frozen=True):
    """What to open, in the order to show it, and which go first."""

    members: dict[str, Member]
    canary: tuple[str, ...]
    watcher: Observer

    def only(self, names: set[str]) -> _Clusters:
        members = {n: m for n, m in self.members.items() if n in names}
        return _Clusters(members, tuple(n for n in self.canary if n in names), self.watcher)


def fleet_plan_command(
    fleet: FleetOptions,
    connection: Connection,
    choice: CRDOptions,
    show: Show,
    *,
    watch: WatchOptions,
    allow_pruning: bool,
    drop: str | None,
    check: bool,
) -> Exit:
    """`asyncmigrate plan` with several contexts."""

    async def body(watching: Watching) -> Exit:
        clusters = await _open(fleet, connection, show, watching)
        last = _Last()
        try:
            with show.fleet_display([*clusters.members]) as display:
                await plan_fleet(
                    clusters.members,
                    max_clusters=fleet.max_clusters,
                    check=check,
                    drop=drop,
                    allow_pruning=allow_pruning,
                    **await _wanted(choice),
                    observers=[display, last, clusters.watcher],
                )
        finally:
            last.show(show, drop=drop is not None)
        return last.code

    return guarded(watched(body, watch, show), show, advice="nothing was changed")


def fleet_run_command(
    fleet: FleetOptions,
    connection: Connection,
    choice: CRDOptions,
    show: Show,
    job: Job,
    *,
    watch: WatchOptions,
    state: StateOptions,
    retry_failed: str | None,
) -> Exit:
    """`asyncmigrate run` with several contexts."""

    async def body(watching: Watching) -> Exit:
        clusters = await _open(fleet, connection, show, watching)
        told = msgspec.structs.replace(job, state=await state_of(state, show))
        wanted = await _wanted(choice)
        if retry_failed is not None:
            return await _retry(fleet, await _left(retry_failed, clusters, show), show, told, wanted, path=retry_failed)
        plans = await _confirmed(fleet, clusters, wanted, show, told) if told.ask else None
        return await _run(fleet, clusters, show, told, wanted | {"plans": plans})

    return guarded(watched(body, watch, show), show)


async def _retry(fleet: FleetOptions, left: _Left, show: Show, job: Job, wanted: dict[str, Any], *, path: str) -> Exit:
    """Run what an earlier run left."""
    if not left.clusters.members:
        if not left.unknown:
            show.note(f"{path} has nothing left to do on these clusters")
        nothing = _with(FleetReport(clusters=(), code=Exit.OK, seconds=0.0), left.unknown)
        show.result(nothing)
        return Exit(nothing.code)
    if job.ask:
        await ask(f"retry what is left on {count(len(left.unfinished), 'cluster')}? [y/N] ")
    return await _run(fleet, left.clusters, show, job, wanted | {"unfinished": left.unfinished}, left_out=left.unknown)


async def _run(
    fleet: FleetOptions,
    clusters: _Clusters,
    show: Show,
    job: Job,
    wanted: dict[str, Any],
    *,
    left_out: tuple[ClusterResult, ...] = (),
) -> Exit:
    """Run, and print the report, also when interrupted: then with what was done by then."""
    last = _Last()
    try:
        with show.fleet_display([*clusters.members]) as display:
            await run_fleet(
                clusters.members,
                max_clusters=fleet.max_clusters,
                canary=clusters.canary,
                stop_after=fleet.stop_after,
                allow_pruning=job.allow_pruning,
                clean_only=job.clean_only,
                state=job.state,
                **wanted,
                observers=[display, _amended(left_out, (last, clusters.watcher))],
                **_each(job.options),
            )
    finally:
        last.show(show)
    return last.code


def _each(options: RunOptions) -> dict[str, Any]:
    """What each run is told; a shard goes with one cluster, and is refused before this."""
    return {name: value for name, value in msgspec.structs.asdict(options).items() if name != "shard"}


class _Last:
    """An observer that keeps the report for printing."""

    def __init__(self) -> None:
        self._report: FleetReport | None = None
        self.code = Exit.FAILED

    def __call__(self, event: Event) -> None:
        if isinstance(event, FleetFinished):
            self._report, self.code = event.report, Exit(event.report.code)

    def show(self, show: Show, *, drop: bool = False) -> None:
        if self._report is not None:
            show.result(self._report, drop=drop)


def _amended(left_out: tuple[ClusterResult, ...], observers: tuple[Observer, ...]) -> Observer:
    """Tell observers of the fleet's end with the clusters that were left out."""

    def tell(event: Event) -> None:
        if isinstance(event, FleetFinished):
            event = msgspec.structs.replace(event, report=_with(event.report, left_out))
        for observer in observers:
            observer(event)

    return tell


def _with(report: FleetReport, left_out: tuple[ClusterResult, ...]) -> FleetReport:
    """The report with clusters that were left out; they are not done, so it is no success."""
    if not left_out:
        return report
    code = worst([Exit(report.code), Exit.FAILED])
    return msgspec.structs.replace(report, clusters=(*report.clusters, *left_out), code=code)


async def _open(fleet: FleetOptions, connection: Connection, show: Show, watching: Watching) -> _Clusters:
    """Find the clusters; none is opened yet."""
    given = await in_thread(lambda: readable(connection.kubeconfig))
    found = await in_thread(lambda: contexts_of(given, fleet))
    for said in found.notes:
        show.note(said)
    loaded()
    # Several credential plugins would ask on one terminal at once: none gets it.
    each = msgspec.structs.replace(connection, kubeconfig=given, reads_stdin=True)
    opened: dict[str, Cluster] = {}
    watcher = watching.fleet_observer(lambda name: opened[name].in_flight if name in opened else 0)
    return _Clusters({name: partial(_cluster, each, name, opened) for name in found.names}, found.canary, watcher)


def _cluster(connection: Connection, context: str, opened: dict[str, Cluster]) -> Cluster:
    opened[context] = msgspec.structs.replace(connection, context=context).open()
    return opened[context]


async def _wanted(choice: CRDOptions) -> dict[str, Any]:
    """What every plan is told of the CRDs that it is for; manifests are read once."""
    files = [Place(f) for f in choice.files]
    manifests = await in_thread(lambda: ReadOnce(files, recursive=choice.recursive)) if files else None
    return {
        "manifests": manifests,
        "names": choice.names,
        "selector": choice.selector,
        "ignore_not_found": choice.ignore_not_found,
    }


async def _confirmed(
    fleet: FleetOptions, clusters: _Clusters, wanted: dict[str, Any], show: Show, job: Job
) -> FleetReport:
    """Plan all, show that, and ask once.

    Raises:
        Declined: the answer is not yes.
    """
    with show.fleet_display([*clusters.members]) as display:
        plans = await plan_fleet(
            clusters.members,
            max_clusters=fleet.max_clusters,
            allow_pruning=job.allow_pruning,
            clean_only=job.clean_only,
            counts_within=PATIENCE,
            max_in_flight=job.options.max_in_flight,
            **wanted,
            observers=[display, clusters.watcher],
        )
    made = [c.plan for c in plans.clusters if c.plan is not None]
    open_ones = [p for p in made if p.stale and (job.options.skip_blocked or not p.blocked)]
    if open_ones:
        show.plan_to_confirm(plans)
        crds = count(sum(len(p.stale) for p in open_ones), "CRD")
        await ask(f"migrate {crds} on {count(len(open_ones), 'cluster')}? [y/N] ")
    return plans


class _Left(msgspec.Struct, frozen=True):
    """What an earlier run left: the clusters to work on again, what to do there, and those that it says nothing of."""

    clusters: _Clusters
    unfinished: dict[str, tuple[Unfinished, ...]]
    unknown: tuple[ClusterResult, ...]


async def _left(path: str, clusters: _Clusters, show: Show) -> _Left:
    """The clusters on which an earlier run left something, and what; those that it did not come to are named.

    Raises:
        UsageError: a canary is one of these, so nothing says that the rest may begin.
    """
    report = await in_thread(lambda: read_fleet(path))
    left = {name: some for name, some in report.unfinished.items() if some and name in clusters.members}
    done = {c.name for c in report.clusters if c.ok}
    unknown = [n for n in clusters.members if n not in left and n not in done]
    if canaries := [n for n in unknown if n in clusters.canary]:
        raise UsageError(
            f"{path} has no report of canary {canaries[0]}, so the rest must not begin: run it without --retry-failed"
        )
    if unknown:
        others = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        show.warning(f"{path} has no report of {unknown[0]}{others}: left out; run it without --retry-failed")
    why = f"not tried: {path} has no report of it; run it without --retry-failed"
    return _Left(clusters.only(set(left)), left, tuple(ClusterResult(name=n, message=why) for n in unknown))
