"""A fleet of real clusters, one of which dies in the middle, one is blocked and one cannot be reached."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from asyncmigrate import Cluster, FleetReport, RetryPolicy, events, run_fleet
from asyncmigrate.events import Event
from tests.bed import real
from tests.bed.bed import RealBed, open_real, real_kubeconfig
from tests.bed.processes import free_port
from tests.bed.scenes import Manifest, crd, obj
from tests.command.runner import asyncmigrate

BRIEF = RetryPolicy(max_seconds=1, first_wait=0.1, max_wait=0.2)
OBJECTS = 300
_SIZE: Manifest = {"size": {"type": "integer"}}
_SCHEMAS = {
    version: {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    for version, fields in (("v1", _SIZE | {"old": {"type": "string"}}), ("v2", _SIZE))
}


async def make_stale(bed: RealBed, schemas: dict[str, Manifest] | None = None) -> None:
    before = crd(bed.group, "v1", "v1", "v2", schemas=schemas)
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:03}") for n in range(OBJECTS)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", schemas=schemas))


@pytest.fixture
async def beds(real_server: real.RealServer, tmp_path: Path) -> AsyncIterator[dict[str, RealBed]]:
    """Three API servers, each with an etcd of its own."""
    with ExitStack() as servers:
        found = {"good": real_server}
        for name in ("blocked", "dies"):
            (tmp_path / name).mkdir()
            found[name] = servers.enter_context(real.start(tmp_path / name))
        async with AsyncExitStack() as stack:
            opened = {}
            for name, server in found.items():
                (folder := tmp_path / f"bed-{name}").mkdir()
                opened[name] = await stack.enter_async_context(open_real(server, folder))
            yield opened


def codes(report: FleetReport) -> dict[str, int | None]:
    return {c.name: c.code for c in report.clusters}


@pytest.mark.real
@pytest.mark.timeout(400)
async def test_a_cluster_that_dies_a_blocked_one_and_an_unreachable_one_spoil_no_other(
    beds: dict[str, RealBed],
) -> None:
    for name, bed in beds.items():
        await make_stale(bed, _SCHEMAS if name == "blocked" else None)
    dying = beds["dies"]
    settled = 0

    def kill_in_the_middle(event: Event) -> None:
        nonlocal settled
        match event:
            case events.ClusterEvent(cluster="dies", event=events.ObjectSettled()):
                settled += 1
                if settled == 50:
                    dying.server.apiserver.kill()

    def members() -> dict[str, Cluster]:
        away = Cluster.from_kubeconfig({"clusters": []}, server=f"https://127.0.0.1:{free_port()}", token="t")
        return {"away": away} | {name: bed.cluster() for name, bed in beds.items()}

    first = await run_fleet(members(), settle=0, retry_policy=BRIEF, observers=kill_in_the_middle)
    found = codes(first)
    assert (found["away"], found["good"], found["blocked"]) == (4, 0, 3)
    assert found["dies"] in {1, 4}
    assert first.code == 3
    dying.server.apiserver.start_again()
    dying.server.apiserver.wait_until(dying.server.is_ready)
    stored = {name: bed.stored_api_versions(f"widgets.{bed.group}") for name, bed in beds.items()}
    assert stored == {"good": {"v2"}, "blocked": {"v1"}, "dies": {"v1", "v2"}}
    trimmed = {name: await bed.stored_versions(f"widgets.{bed.group}") for name, bed in beds.items()}
    assert trimmed == {"good": ["v2"], "blocked": ["v1", "v2"], "dies": ["v1", "v2"]}

    second = await run_fleet(members(), settle=0, retry_policy=BRIEF, unfinished=first.unfinished)
    assert codes(second) == {"away": 4, "good": 0, "blocked": 3, "dies": 0}
    assert dying.stored_api_versions(f"widgets.{dying.group}") == {"v2"}
    assert await dying.stored_versions(f"widgets.{dying.group}") == ["v2"]
    report = {c.name: c.report for c in second.clusters}["dies"]
    assert report is not None
    assert report.objects.proven >= 50 - 32  # all that were settled but those in flight when it began
    assert beds["blocked"].stored_api_versions(f"widgets.{beds['blocked'].group}") == {"v1"}
    await check_the_command(beds, dying.folder)


async def check_the_command(beds: dict[str, RealBed], folder: Path) -> None:
    """The flags on the same clusters, of which only the blocked one is still stale."""
    args = ("--all-contexts", "-o", "json", "--kubeconfig", kubeconfig(beds, folder / "all"))
    planned = await asyncmigrate("plan", "--check", *args, home=folder)
    assert planned.code == 1
    assert {c["name"]: c["code"] for c in planned.json["clusters"]} == {"good": 0, "blocked": 1, "dies": 0}
    careful = ("--canary", "blocked", "--max-clusters", "1", "--stop-after", "1")
    ended = await asyncmigrate("run", "-y", *careful, *args, home=folder)
    assert ended.code == 3
    assert {c["name"]: c["code"] for c in ended.json["clusters"]} == {"good": None, "blocked": 3, "dies": None}
    names = ("--context", "dies", "--contexts-from", "-", "-o", "name", *args[3:])
    both = await asyncmigrate("run", "-y", *names, home=folder, stdin=b"good\n")
    assert (both.code, both.out.split()) == (0, ["dies", "good"])


def kubeconfig(beds: dict[str, RealBed], path: Path) -> Path:
    whole: Manifest = {"current-context": "good", "clusters": [], "users": [], "contexts": []}
    for name, bed in beds.items():
        own = real_kubeconfig(bed.server, "admin-token")
        for kind, one in (("clusters", "cluster"), ("users", "user")):
            whole[kind].append({"name": name, one: own[kind][0][one]})
        whole["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    path.write_text(json.dumps(whole))
    return path
