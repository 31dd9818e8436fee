"""Pods with everything that `manifests` prints: a state in a ConfigMap, shards, and Events; with just those rights."""

from __future__ import annotations

import subprocess

import anyio
import pytest

from asyncmigrate._model import Right
from asyncmigrate._output.in_cluster import ConfigMapName, InCluster
from asyncmigrate._output.manifest_set import manifest_set
from tests.bed.bed import RealBed
from tests.bed.pods import Pod, apply, can_start_containers
from tests.contract.test_in_cluster import DEFAULT, single_rights, stale, until

pytestmark = pytest.mark.real


def whole(bed: RealBed, names: tuple[str, str], shards: int | None = None) -> InCluster:
    state = ConfigMapName("default", f"state-{bed.group.partition('.')[0]}")
    bed.leftovers.append(f"{DEFAULT}/configmaps/{state.name}")
    return InCluster(crds=names, name=f"whole-{bed.group.partition('.')[0]}", state=state, events=True, shards=shards)


def args_of(wanted: InCluster) -> list[str]:
    [job] = [m for m in manifest_set(wanted) if m["kind"] == "Job"]
    found: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


async def until_granted(pod: Pod) -> None:
    async with pod.client() as http:
        await until(http, Right(verb="create", group="", resource="configmaps", namespace="default"), holds=True)
        await until(http, Right(verb="create", group="", resource="events", namespace="default"), holds=True)


async def test_shards_migrate_with_a_state_and_events(real_bed: RealBed) -> None:
    if not await can_start_containers():
        pytest.skip("only root can make mount namespaces")
    names = await stale(real_bed, 30)
    wanted = whole(real_bed, names, shards=2)
    await apply(real_bed, manifest_set(wanted))
    pod = Pod(real_bed, wanted.name)
    await pod.rotate()
    await until_granted(pod)
    said: list[tuple[int, str]] = []

    async def one(index: int) -> None:
        env = pod.container_environment(ASYNCMIGRATE_SETTLE="0", JOB_COMPLETION_INDEX=str(index))
        done = await anyio.run_process(pod.container(args_of(wanted)), env=env, check=False, stderr=subprocess.STDOUT)
        said.append((done.returncode, done.stdout.decode()))

    with anyio.fail_after(80):
        async with anyio.create_task_group() as tasks:
            for index in range(2):
                tasks.start_soon(one, index)
    assert [code for code, _ in said] == [0, 0], said
    for name in names:
        assert real_bed.stored_api_versions(name) == {"v2"}
        assert await real_bed.stored_versions(name) == ["v2"]
    events = (await real_bed.http.get(f"{DEFAULT}/events")).json()["items"]
    assert {e["involvedObject"]["name"] for e in events if e["reason"] == "StorageMigrated"} >= set(names)
    assert "warning" not in "".join(text for _, text in said)


@pytest.mark.parametrize("verb", ["get", "patch", "create"])
async def test_without_a_right_to_its_state_the_run_names_the_rule(real_bed: RealBed, verb: str) -> None:
    if not await can_start_containers():
        pytest.skip("only root can make mount namespaces")
    names = await stale(real_bed, 1)
    wanted = whole(real_bed, names)
    made = manifest_set(wanted)
    for manifest in made:
        if manifest["kind"] == "Role" and "-state" in manifest["metadata"]["name"]:
            manifest["rules"] = [
                {"apiGroups": [g], "resources": [r], "verbs": [v], **({"resourceNames": [n]} if n else {})}
                for g, r, n, v in single_rights(manifest["rules"])
                if v != verb
            ]
    await apply(real_bed, made)
    pod = Pod(real_bed, wanted.name)
    await pod.rotate()
    async with pod.client() as http:
        await until(http, Right(verb="create", group="", resource="events", namespace="default"), holds=True)
        other = "create" if verb != "create" else "get"
        assert wanted.state is not None
        name = "" if other == "create" else wanted.state.name
        await until(
            http, Right(verb=other, group="", resource="configmaps", namespace="default", name=name), holds=True
        )
    env = pod.container_environment(ASYNCMIGRATE_SETTLE="0")
    with anyio.fail_after(60):
        done = await anyio.run_process(pod.container(args_of(wanted)), env=env, check=False, stderr=subprocess.STDOUT)
    text = done.stdout.decode()
    assert 'apiGroups: [""], resources: [configmaps]' in text
    assert verb in text.partition("verbs: [")[2].partition("]")[0], text
