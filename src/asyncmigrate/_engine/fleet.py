"""`plan_fleet` and `run_fleet`: several clusters, some at once, the canaries first; one that fails spoils no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import msgspec

from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.fleet_work import Fleet, Members, Seen, members_of
from asyncmigrate._engine.planner import crd_names, plan
from asyncmigrate._engine.runner import run
from asyncmigrate._engine.stores import check_file, is_configmap
from asyncmigrate._engine.tasks import in_thread
from asyncmigrate._engine.upgrade import RunKeywords
from asyncmigrate._manifests.given import Manifests
from asyncmigrate._manifests.reader import ReadOnce
from asyncmigrate._options import ManagedFields, PlanOptions, RunOptions
from asyncmigrate._results.fleet import ClusterResult, FleetReport
from asyncmigrate._results.plan import Plan
from asyncmigrate._results.unfinished import Unfinished
from asyncmigrate._rules.decisions.exit_codes import Exit, for_plan, for_report
from asyncmigrate._rules.decisions.fleet import MAX_CLUSTERS, Rollout
from asyncmigrate._rules.decisions.selector import parse_selector
from asyncmigrate._rules.flow.retry_schedule import RetryPolicy
from asyncmigrate.errors import MigrateError, UsageError
from asyncmigrate.events import Observer

_PLAN = PlanOptions()


async def plan_fleet(
    clusters: Members,
    *,
    max_clusters: int = MAX_CLUSTERS,
    check: bool = False,
    manifests: Manifests | None = None,
    recursive: bool = False,
    names: Iterable[str] | str = (),
    selector: str = "",
    ignore_not_found: bool = False,
    allow_pruning: bool = False,
    clean_only: bool = False,
    drop: str | None = None,
    counts_within: float | None = _PLAN.counts_within,
    max_in_flight: int = _PLAN.max_in_flight,
    retry_policy: RetryPolicy = _PLAN.retry_policy,
    webhook_policy: RetryPolicy = _PLAN.webhook_policy,
    observers: Iterable[Observer] | Observer = (),
) -> FleetReport:
    """Plan on several clusters; nothing is written. Each result has its Plan, or the error that there was instead.

    Args:
        clusters: as in `run_fleet`.
        max_clusters: so many are asked at once, 4 by default.
        check: a cluster's code is 1 unless all of its CRDs are new or current.
        manifests: as in `plan`; they are read once for all clusters.
        recursive: as in `plan`, like all that follow.
        names: only these CRDs.
        selector: only CRDs with these labels.
        ignore_not_found: a name that is not on a cluster is a new CRD there, not a failed one.
        allow_pruning: plan to migrate even if that removes fields.
        clean_only: plan to move managedFields only.
        drop: a version of which is to be said whether it can be dropped.
        counts_within: how long to wait for the number of objects.
        max_in_flight: requests in flight at once for each cluster.
        retry_policy: how long to try again.
        webhook_policy: the same where a webhook does not answer.
        observers: called with each event; what happens on one cluster comes as a ClusterEvent.

    Raises:
        UsageError: an argument makes no sense: two clusters of one name, say.
        ManifestError: a manifest cannot be read.
    """
    options = PlanOptions(
        ignore_not_found=ignore_not_found,
        allow_pruning=allow_pruning,
        clean_only=clean_only,
        drop=drop,
        counts_within=counts_within,
        max_in_flight=max_in_flight,
        retry_policy=retry_policy,
        webhook_policy=webhook_policy,
    )
    wanted = await _wanted(manifests, recursive=recursive, names=names, selector=selector)

    async def work(cluster: Cluster, seen: Seen, tell: Observer) -> None:
        seen.plan = await plan(cluster, **wanted.keywords, **msgspec.structs.asdict(options), observers=[tell])

    def code_of(seen: Seen) -> Exit:
        return Exit.OK if seen.plan is None else for_plan(seen.plan, check=check, drop=drop is not None)

    members = members_of(clusters)
    rollout = Rollout(names=tuple(name for name, _ in members), max_clusters=max_clusters)
    return await Fleet(dict(members), rollout, work, code_of, observers=observers).go()


async def run_fleet(
    clusters: Members,
    *,
    max_clusters: int = MAX_CLUSTERS,
    canary: Iterable[str] | str = (),
    stop_after: int | None = None,
    plans: FleetReport | None = None,
    manifests: Manifests | None = None,
    recursive: bool = False,
    names: Iterable[str] | str = (),
    selector: str = "",
    ignore_not_found: bool = False,
    allow_pruning: bool = False,
    clean_only: bool = False,
    unfinished: Mapping[str, Iterable[Unfinished]] | None = None,
    **how: Unpack[RunKeywords],
) -> FleetReport:
    """Plan and run on several clusters. One that fails, or cannot be reached, spoils no other.

    When cancelled, the runs end, what was done goes out as a FleetFinished event, and the cancellation goes on.

    Args:
        clusters: a name for each cluster, and the Cluster, or a function that makes it: as a mapping, or as pairs. Each
            is opened when its turn comes and closed when it is done, so that no more than `max_clusters` are open. One
            that is open already is used as it is, and stays open.
        max_clusters: so many are worked on at once, 4 by default. Each has its own `max_in_flight` and `rate`.
        canary: these clusters go first, and the rest begin only when all of these have ended with exit code 0.
        stop_after: once so many clusters have ended with another exit code no more begin. Those that have begun go on.
        plans: what `plan_fleet` returned for these clusters: it is run as it is. None plans each cluster first.
        manifests: as in `plan`; they are read once for all clusters.
        recursive: as in `plan`, like the next ones.
        names: only these CRDs.
        selector: only CRDs with these labels.
        ignore_not_found: a name that is not on a cluster is a new CRD there, not a failed one.
        allow_pruning: migrate even if that removes fields.
        clean_only: only move managedFields.
        unfinished: what an earlier fleet left, as `FleetReport.unfinished` has it: of the clusters in it only that is
            done.
        how: as in `run`; `state` may be one file for all clusters, or a ConfigMap that each of them has.

    Raises:
        UsageError: an argument makes no sense: a canary that is none of the clusters, say.
        ManifestError: a manifest cannot be read.
        StateError: the state file cannot be used. Nothing has been written then.
    """
    observers = how.get("observers", ())
    each: dict[str, Any] = {k: v for k, v in how.items() if k != "observers"}  # what every run is told
    options = _run_options(each)
    state = each.get("state")
    members = members_of(clusters)
    rollout = Rollout(
        names=tuple(name for name, _ in members),
        max_clusters=max_clusters,
        canary=frozenset([canary] if isinstance(canary, str) else canary),
        stop_after=stop_after,
    )
    work = _Runs(
        options=options,
        each=each,
        plans={} if plans is None else _planned(plans, rollout),
        wanted=await _wanted(manifests, recursive=recursive, names=names, selector=selector),
        how_to_plan={
            "ignore_not_found": ignore_not_found,
            "allow_pruning": allow_pruning,
            "clean_only": clean_only,
        },
        left={name: tuple(some) for name, some in (unfinished or {}).items()},
    )
    if state is not None and not is_configmap(state) and not options.dry_run:
        await check_file(state)
    fleet = Fleet(dict(members), rollout, work.run, work.code_of, observers=observers, dry_run=options.dry_run)
    fleet.known = {n: r for n, r in work.plans.items() if r.error is not None}
    return await fleet.go()


class _Runs(msgspec.Struct, frozen=True, kw_only=True):
    """What is done on each cluster of a `run_fleet`."""

    options: RunOptions
    each: dict[str, Any]
    plans: dict[str, ClusterResult]
    wanted: _Wanted
    how_to_plan: dict[str, Any]
    left: dict[str, tuple[Unfinished, ...]]

    async def run(self, cluster: Cluster, seen: Seen, tell: Observer) -> None:
        made = self._planned(seen.name) if self.plans else await self._plan(cluster, seen.name, tell)
        await run(cluster, made, unfinished=self.left.get(seen.name), **self.each, observers=[seen.keep, tell])

    def _planned(self, name: str) -> Plan:
        """The plan of a cluster, which may have been made under its other name. What was not planned is not done."""
        result = self.plans[name]
        found = result.plan or next((r.plan for r in self.plans.values() if r.name == result.same_as), None)
        if found is None:
            same = f"as {result.same_as!r}, which is the same cluster, could not be planned: " if result.same_as else ""
            raise MigrateError(f"it has no plan, {same}plan again")
        return found

    async def _plan(self, cluster: Cluster, name: str, tell: Observer) -> Plan:
        keywords = self.wanted.keywords | self.how_to_plan
        if name in self.left:
            keywords |= {"names": tuple(u.name for u in self.left[name]), "selector": ""}
        return await plan(
            cluster,
            **keywords,
            counts_within=0,  # the run finds out by itself
            max_in_flight=self.options.max_in_flight,
            retry_policy=self.options.retry_policy,
            webhook_policy=self.options.webhook_policy,
            observers=[tell],
        )

    def code_of(self, seen: Seen) -> Exit:
        return Exit.OK if seen.report is None else for_report(seen.report, skip_blocked=self.options.skip_blocked)


def _run_options(each: dict[str, Any]) -> RunOptions:
    """The options of every run, checked before anything is opened."""
    if unknown := sorted(each.keys() - RunKeywords.__annotations__.keys()):
        raise TypeError(f"unexpected keyword {unknown[0]}")
    fields = {k: v for k, v in each.items() if k != "state"}
    if "managed_fields" in fields:
        fields["managed_fields"] = ManagedFields.of(fields["managed_fields"])
    return RunOptions(**fields)


def _planned(plans: FleetReport, rollout: Rollout) -> dict[str, ClusterResult]:
    found = {c.name: c for c in plans.clusters}
    if missing := [n for n in rollout.names if n not in found]:
        raise UsageError(f"the plans have none for cluster {missing[0]!r}: plan again with all clusters")
    return found


class _Wanted(msgspec.Struct, frozen=True):
    """What each plan is told about the CRDs that it is for."""

    manifests: ReadOnce | None
    names: tuple[str, ...]
    selector: str

    @property
    def keywords(self) -> dict[str, Any]:
        return {"manifests": self.manifests, "names": self.names, "selector": self.selector}


async def _wanted(
    manifests: Manifests | None, *, recursive: bool, names: Iterable[str] | str, selector: str
) -> _Wanted:
    wanted = tuple(sorted(crd_names(names)))
    parse_selector(selector)
    if wanted and selector:
        raise UsageError("names and a selector exclude each other")
    if manifests is None or isinstance(manifests, ReadOnce):
        return _Wanted(manifests, wanted, selector)
    return _Wanted(await in_thread(lambda: ReadOnce(manifests, recursive=recursive)), wanted, selector)
