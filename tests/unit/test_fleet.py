"""`run_fleet` and `plan_fleet` on embedded servers: the rules, what one cluster does to the others, and the report."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from asyncmigrate import Cluster, FleetReport, RetryPolicy, events, plan_fleet, run_fleet, sync
from asyncmigrate.errors import FleetError, ManifestError, StateError, UsageError
from asyncmigrate.events import Event
from asyncmigrate.testing import ApiServer
from tests.bed.fleet import CRD, Fleet, block, is_migrated, open_fleet
from tests.bed.processes import free_port
from tests.bed.scenes import crd, obj

BRIEF = RetryPolicy(max_seconds=0.3, first_wait=0.05, max_wait=0.1)
NAMES = ("a", "b", "c", "d")


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with open_fleet(NAMES) as found:
        yield found


def unreachable() -> Cluster:
    return Cluster.from_kubeconfig(server=f"http://127.0.0.1:{free_port()}", token="t", path=EMPTY)


EMPTY: dict[str, Any] = {"clusters": []}


def codes(report: FleetReport) -> dict[str, int | None]:
    return {c.name: c.code for c in report.clusters}


def messages(report: FleetReport) -> dict[str, str]:
    return {c.name: c.error.message if c.error else c.message for c in report.clusters}


async def test_every_cluster_is_migrated_and_reported_in_the_order_given(fleet: Fleet) -> None:
    report = await run_fleet(fleet.members())
    assert (report.code, report.ok, report.interrupted) == (0, True, False)
    assert [c.name for c in report.clusters] == [*NAMES]
    for result in report.clusters:
        assert result.report is not None
        assert result.server == fleet[result.name].url
        assert result.report.objects.rewritten == 3
        assert is_migrated(fleet[result.name])
    report.raise_for_outcome()
    assert FleetReport.from_json(report.to_json()).to_json() == report.to_json()
    assert "4 clusters: 4 done" in report.render()


async def test_unreachable_broken_blocked_and_denied_clusters_spoil_no_other(fleet: Fleet) -> None:
    def broken() -> Cluster:
        return Cluster.from_kubeconfig({"kind": "Config"})

    def wild() -> Cluster:
        raise KeyError("gone")

    block(fleet["b"])
    fleet["c"].faults.deny(name="w-1")
    members = dict(fleet.members(("away", unreachable()))) | {"broken": broken, "wild": wild}
    report = await run_fleet(members, max_clusters=2, retry_policy=BRIEF)
    assert codes(report) == {"a": 0, "b": 3, "c": 1, "d": 0, "away": 4, "broken": 4, "wild": 4}
    assert report.code == 3
    assert not report.ok
    assert is_migrated(fleet["a"])
    assert is_migrated(fleet["d"])
    said = messages(report)
    assert "it has no clusters" in said["broken"]
    assert said["wild"] == "the cluster cannot be made: KeyError: 'gone'"
    with pytest.raises(FleetError, match=r"cluster b: .*\(and 4 more\)") as raised:
        report.raise_for_outcome()
    assert raised.value.report is report
    assert FleetReport.from_json(report.to_json()).to_json() == report.to_json()
    assert [u.name for u in report.unfinished["c"]] == ["widgets.example.com"]


async def test_the_rest_does_not_begin_after_a_canary_that_failed(fleet: Fleet) -> None:
    fleet["c"].faults.deny(name="w-1")
    report = await run_fleet(fleet.members(), canary=["c", "b"])
    assert codes(report) == {"a": None, "b": 0, "c": 1, "d": None}
    assert report.code == 1
    assert "canary 'c' (exit code 1) failed" in messages(report)["a"]
    assert fleet["a"].requests == []
    assert [c.name for c in report.not_tried] == ["a", "d"]
    assert not fleet["d"].requests


async def test_the_rest_begins_once_every_canary_is_green(fleet: Fleet) -> None:
    ended: list[str] = []
    begun_after: dict[str, list[str]] = {}

    def watch(event: Event) -> None:
        match event:
            case events.ClusterStarted(cluster=name):
                begun_after[name] = [*ended]
            case events.ClusterFinished(result=result):
                ended.append(result.name)

    report = await run_fleet(fleet.members(), canary=("d", "b"), observers=watch)
    assert report.ok
    assert begun_after["b"] == begun_after["d"] == []
    assert {*begun_after["a"]} >= {"b", "d"}
    assert {*begun_after["c"]} >= {"b", "d"}


async def test_no_more_begin_after_so_many_failed(fleet: Fleet) -> None:
    for name in ("a", "b"):
        fleet[name].faults.deny(name="w-1")
    report = await run_fleet(fleet.members(), max_clusters=1, stop_after=2)
    assert codes(report) == {"a": 1, "b": 1, "c": None, "d": None}
    assert messages(report)["d"] == "not tried: 2 clusters failed, and no more begin after 2"
    assert fleet["c"].requests == []


async def test_no_more_clusters_are_open_at_once_than_asked_for(fleet: Fleet) -> None:
    now, most = 0, 0

    def watch(event: Event) -> None:
        nonlocal now, most
        now += isinstance(event, events.ClusterStarted) - isinstance(event, events.ClusterFinished)
        most = max(most, now)

    opened: list[str] = []

    def late(name: str) -> Any:  # noqa: ANN401 -- a function for a cluster
        def make() -> Cluster:
            opened.append(name)
            assert now <= 2
            return Cluster.from_kubeconfig(fleet[name].kubeconfig())

        return make

    assert (await run_fleet({n: late(n) for n in NAMES}, max_clusters=2, observers=watch)).ok
    assert most == 2
    assert opened == [*NAMES]


async def test_a_slow_cluster_holds_up_no_other(fleet: Fleet) -> None:
    fleet["a"].faults.hang(60, verb="patch")
    others_done = anyio.Event()
    ended: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, events.ClusterFinished):
            ended.append(event.result.name)
            if len(ended) == 3:
                others_done.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: run_fleet(fleet.members(), max_clusters=2, observers=watch))
        with anyio.fail_after(20):
            await others_done.wait()
        tasks.cancel_scope.cancel()
    assert sorted(ended[:3]) == ["b", "c", "d"]


async def test_one_that_is_cancelled_says_what_was_done(fleet: Fleet) -> None:
    fleet["b"].faults.hang(60, verb="patch", name="w-2")
    last: list[FleetReport] = []
    half = anyio.Event()
    settled = 0

    def watch(event: Event) -> None:
        nonlocal settled
        match event:
            case events.ClusterEvent(cluster="b", event=events.ObjectSettled()):
                settled += 1
            case events.FleetFinished(report=report):
                last.append(report)
        if settled == 2:
            half.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: run_fleet(fleet.members(), max_clusters=1, observers=watch))
        with anyio.fail_after(20):
            await half.wait()
        tasks.cancel_scope.cancel()
    [report] = last
    assert (report.code, report.interrupted) == (130, True)
    assert codes(report) == {"a": 0, "b": 130, "c": None, "d": None}
    assert messages(report)["c"] == "not tried: the fleet was interrupted"
    found = report.clusters[1].report
    assert found is not None
    assert found.interrupted
    assert found.objects.rewritten == 2
    assert FleetReport.from_json(report.to_json()).to_json() == report.to_json()
    assert not [t for t in asyncio.all_tasks() if "asyncmigrate._engine" in str(t.get_coro())]


async def test_observers_can_tell_clusters_apart(fleet: Fleet) -> None:
    seen: list[Event] = []
    await run_fleet(fleet.members(), observers=[seen.append])
    assert isinstance(seen[0], events.FleetStarted)
    assert seen[0].clusters == NAMES
    assert isinstance(seen[-1], events.FleetFinished)
    for name in NAMES:
        own = [e.event for e in seen if isinstance(e, events.ClusterEvent) and e.cluster == name]
        assert sum(isinstance(e, events.ObjectSettled) for e in own) == 3
        assert isinstance(own[-1], events.RunFinished)


async def test_an_observer_that_raises_ends_all_and_the_others_are_told(fleet: Fleet) -> None:
    seen: list[Event] = []

    def bad(event: Event) -> None:
        match event:
            case events.ClusterEvent(event=events.CRDStarted()):
                raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        await run_fleet(fleet.members(), observers=[bad, seen.append])
    last = seen[-1]
    assert isinstance(last, events.FleetFinished)
    assert last.report.interrupted


async def test_a_plan_is_made_first_and_run_as_it_is(fleet: Fleet) -> None:
    block(fleet["b"])
    members = fleet.members(("away", unreachable()))
    plans = await plan_fleet(members, retry_policy=BRIEF)
    assert codes(plans) == {"a": 0, "b": 3, "c": 0, "d": 0, "away": 4}
    assert plans.clusters[0].plan is not None
    assert len(plans.clusters[0].plan.stale) == 1
    assert not any(r.method == "PATCH" for r in fleet["a"].requests)
    fleet["a"].apply_crd(crd("example.com", "v1", "v1", plural="gadgets"))
    report = await run_fleet(members, plans=plans)
    assert codes(report) == {"a": 0, "b": 3, "c": 0, "d": 0, "away": 4}
    assert report.clusters[0].report is not None
    assert [c.name for c in report.clusters[0].report.crds] == ["widgets.example.com"]
    assert FleetReport.from_json(plans.to_json()).to_json() == plans.to_json()
    assert (await plan_fleet(fleet.members(), check=True)).code == 1


async def test_a_canary_whose_plan_failed_stops_the_rest(fleet: Fleet) -> None:
    members = fleet.members(("away", unreachable()))
    plans = await plan_fleet(members, retry_policy=BRIEF)
    report = await run_fleet(members, plans=plans, canary="away")
    assert codes(report) == {**dict.fromkeys(NAMES), "away": 4}


async def test_what_an_earlier_fleet_left_is_done(fleet: Fleet) -> None:
    fleet["b"].faults.deny(name="w-1")
    first = await run_fleet(fleet.members())
    fleet["b"].faults.clear()
    again = await run_fleet(fleet.members(), unfinished=FleetReport.from_json(first.to_json()).unfinished)
    assert again.ok
    assert is_migrated(fleet["b"])
    assert again.clusters[1].report is not None
    assert again.clusters[1].report.objects.rewritten == 1
    assert again.clusters[1].report.objects.proven == 2


async def test_one_cluster_under_two_names_is_worked_on_once(fleet: Fleet) -> None:
    twin = Cluster.from_kubeconfig(fleet["a"].kubeconfig())
    members = fleet.members(("twin", twin))
    report = await run_fleet(members, plans=await plan_fleet(members), canary="twin")
    assert report.ok
    assert messages(report)["a"] == "the same cluster as 'twin': it is worked on under that name"
    assert [c.report is None for c in report.clusters] == [True, False, False, False, False]


class Behind:
    """A proxy by whose address several clusters are reached."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def send(self, request: Any, *, within: float | None) -> Any:  # noqa: ANN401 -- passed through
        return await self._cluster.opened.transport.send(request, within=within)

    async def aclose(self) -> None: ...


async def test_what_could_not_be_planned_is_not_run_under_its_other_name(fleet: Fleet) -> None:
    refused = RetryPolicy(max_seconds=0)
    members = [("one", fleet.members()[0][1]), ("two", fleet.members()[0][1])]
    fleet["a"].faults.answer(
        403, reason="Forbidden", verb="list", resource="customresourcedefinitions.apiextensions.k8s.io"
    )
    plans = await plan_fleet(members, retry_policy=refused, max_clusters=1)
    assert [c.same_as for c in FleetReport.from_json(plans.to_json()).clusters] == ["", "one"]
    assert plans.clusters[0].error is not None
    fleet["a"].faults.clear()
    report = await run_fleet(members, plans=plans)
    assert codes(report) == {"one": 4, "two": 1}
    assert (
        messages(report)["two"]
        == "it has no plan, as 'one', which is the same cluster, could not be planned: plan again"
    )
    assert not any(r.method == "PATCH" for r in fleet["a"].requests)


async def test_a_twin_behind_a_proxy_is_run_by_its_own_plan(fleet: Fleet) -> None:
    """The proxy's address is that of another cluster, too, which was planned before."""
    fleet["b"].apply_crd(crd("example.com", "v1", "v1", plural="gadgets"))

    async with (
        Cluster.from_kubeconfig(fleet["a"].kubeconfig()) as one,
        Cluster.from_kubeconfig(fleet["b"].kubeconfig()) as two,
    ):
        pairs = (("x", one), ("y", two), ("z", two))
        members = {n: Cluster.from_transport(Behind(c), server="https://proxy") for n, c in pairs}
        plans = await plan_fleet(members, max_clusters=1)
        assert [c.same_as for c in plans.clusters] == ["", "", "y"]
        report = await run_fleet(members, plans=plans, canary="z")
    assert report.ok
    by_name = {c.name: c.report for c in report.clusters}
    assert by_name["z"] is not None
    assert [c.name for c in by_name["z"].crds] == ["gadgets.example.com", "widgets.example.com"]


async def test_two_clusters_behind_one_address_are_both_worked_on(fleet: Fleet) -> None:
    """As Teleport's proxy serves them: the user chooses the cluster."""

    async with (
        Cluster.from_kubeconfig(fleet["a"].kubeconfig()) as one,
        Cluster.from_kubeconfig(fleet["b"].kubeconfig()) as two,
    ):
        members = {n: Cluster.from_transport(Behind(c), server="https://proxy") for n, c in (("x", one), ("y", two))}
        report = await run_fleet(members)
    assert report.ok
    assert is_migrated(fleet["a"])
    assert is_migrated(fleet["b"])


async def test_a_cluster_that_is_open_is_used_and_stays_open(fleet: Fleet) -> None:
    async with Cluster.from_kubeconfig(fleet["a"].kubeconfig()) as cluster:
        assert (await run_fleet({"a": cluster})).ok
        assert cluster.is_open


async def test_one_state_file_serves_all(fleet: Fleet, tmp_path: Path) -> None:
    for name in NAMES:
        fleet[name].faults.deny(name="w-1")
    state = tmp_path / "state.json"
    assert (await run_fleet(fleet.members(), state=state)).code == 1
    records = json.loads(state.read_text())["records"]
    assert len(records) == len(NAMES)  # one for each cluster, though their CRDs have one name
    for name in NAMES:
        fleet[name].faults.clear()
    again = await run_fleet(fleet.members(), state=state)
    assert [c.report.objects.proven for c in again.clusters if c.report] == [2] * 4
    assert json.loads(state.read_text())["records"] == {}


async def test_a_clone_made_from_a_backup_is_not_taken_for_the_other_by_its_record(tmp_path: Path) -> None:
    """It has the same uids, and moved in the same second; its resource versions went another way."""
    old, new = crd("example.com", "v1", "v1", "v2"), crd("example.com", "v2", "v1", "v2")
    async with ApiServer() as first, ApiServer() as clone:
        first.apply_crd(old)
        for number in range(3):
            first.create(obj(old, "v1", f"w-{number}"))
        clone.restore(first.save(), seconds=0)
        for number in range(40):
            clone.create(obj(old, "v1", f"late-{number}"))
        while not _moved_in_one_second(first, clone):
            for server in (first, clone):
                server.apply_crd(old)
                server.apply_crd(new)
        for server in (first, clone):
            server.advance(3600)
        first.faults.deny(name="w-1")
        members = {n: Cluster.from_kubeconfig(s.kubeconfig()) for n, s in (("first", first), ("clone", clone))}
        state = tmp_path / "state.json"
        report = await run_fleet(members, max_clusters=1, state=state, managed_fields="keep")
        assert codes(report) == {"first": 1, "clone": 0}
        assert is_migrated(clone)


def _moved_in_one_second(*servers: ApiServer) -> bool:
    found = [server.crd(CRD) for server in servers]
    stamps = {max(e["time"] for e in f["metadata"]["managedFields"]) for f in found if f is not None}
    return len(stamps) == 1 and all(f is not None and f["spec"]["versions"][1]["storage"] for f in found)


async def test_manifests_are_read_once_for_all(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "next.json"
    path.write_text(json.dumps(crd("example.com", "v2", "v2")))

    def texts() -> Any:  # noqa: ANN401 -- what has no second time
        yield path.read_text() + "\n"

    report = await run_fleet(fleet.members(), manifests=texts())
    assert report.ok
    assert all(c.report is not None and len(c.report.crds) == 1 for c in report.clusters)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"canary": "x"}, UsageError, "canary 'x' is not among the clusters"),
        ({"max_clusters": 0}, UsageError, "max_clusters is 0"),
        ({"stop_after": 0}, UsageError, "stop_after is 0"),
        ({"max_in_flight": 0}, UsageError, "max_in_flight is 0"),
        ({"managed_fields": "x"}, UsageError, "managed_fields is 'x'"),
        ({"selector": "=="}, UsageError, "selector"),
        ({"names": "x"}, UsageError, "no CRD's name"),
        ({"names": "a.b", "selector": "a=b"}, UsageError, "exclude each other"),
        ({"manifests": "kind: Pod\napiVersion: v1\n"}, ManifestError, "no CustomResourceDefinition"),
        ({"state": "/dev/null/x"}, StateError, "state file"),
        ({"observers": 3}, UsageError, "observers is 3"),
        ({"bogus": 1}, TypeError, "bogus"),
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_said_before_anything_is_sent(
    fleet: Fleet, wrong: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await run_fleet(fleet.members(), **wrong)
    assert all(fleet[name].requests == [] for name in NAMES)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "no clusters are given"),
        (3, "clusters is int"),
        (["a"], "no pair"),
        ([("a", "b")], "cluster 'a' is str"),
        ([("a", unreachable), ("a", unreachable)], "given twice"),
    ],
)
async def test_so_are_wrong_clusters(members: Any, words: str) -> None:  # noqa: ANN401 -- that is the point
    with pytest.raises(UsageError, match=words):
        await run_fleet(members)


async def test_a_function_that_makes_something_else_fails_its_cluster_alone(fleet: Fleet) -> None:
    report = await run_fleet([*fleet.members(), ("odd", lambda: 3)])  # type: ignore[list-item,return-value]
    assert codes(report) == {**dict.fromkeys(NAMES, 0), "odd": 2}
    assert "returned int" in messages(report)["odd"]


async def test_programs_that_are_not_async_have_it_too(fleet: Fleet) -> None:
    seen: list[Event] = []

    def late() -> sync.Cluster:
        return sync.Cluster.from_kubeconfig(fleet["b"].kubeconfig())

    def script() -> None:
        members: dict[str, sync.Member] = {"a": sync.Cluster.from_kubeconfig(fleet["a"].kubeconfig()), "b": late}
        assert codes(sync.plan_fleet(members)) == {"a": 0, "b": 0}
        assert sync.run_fleet(members, canary="b", observers=seen.append).ok
        with sync.Cluster.from_kubeconfig(fleet["c"].kubeconfig()) as cluster:
            with pytest.raises(UsageError, match="open already"):
                sync.run_fleet([("c", cluster)])
            with pytest.raises(UsageError, match="cluster 'x' is int"):
                sync.run_fleet([("x", 3)])  # type: ignore[list-item]
        stop = SystemExit(3)

        def watch(event: Event) -> None:
            del event
            raise stop

        with pytest.raises(SystemExit) as raised:
            sync.run_fleet(members, observers=watch)
        assert raised.value is stop

    before = set(threading.enumerate())
    await anyio.to_thread.run_sync(script)
    assert isinstance(seen[-1], events.FleetFinished)
    assert not [t for t in set(threading.enumerate()) - before if t.name == "asyncmigrate.sync"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"apiVersion": "asyncmigrate/v1", "kind": "FleetReport", "code": 7, "clusters": []}',
        '{"apiVersion": "asyncmigrate/v1", "kind": "Report", "crds": []}',
        '{"apiVersion": "asyncmigrate/v1", "kind": "FleetReport"}',
        '{"apiVersion": "asyncmigrate/v1", "kind": "FleetReport", "code": 0, "clusters": [{"name": "a", "report": '
        '{"apiVersion": "asyncmigrate/v1", "kind": "Report", "crds": [{"name": "../x", "decision": "stale", "reason": '
        '"", "outcome": "migrated", "objects": {}, "spec": {"uid": "u", "generation": 1, "changed": ""}}]}}]}',
    ],
)
def test_what_is_no_fleet_report_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no FleetReport"):
        FleetReport.from_json(text)
