"""Shards as processes of their own, as an Indexed Job runs them: killed, doubled, late; and stopped by SIGTERM."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process

from tests.bed.bed import CRDS, MERGE, Bed, EmbeddedBed, RealBed
from tests.bed.scenes import Manifest, crd, obj
from tests.command.runner import Ended, asyncmigrate, command, environment

STATE = "configmap:default/asyncmigrate-shards"
CONFIGMAP = "/api/v1/namespaces/default/configmaps/asyncmigrate-shards"
SHARDS = 4
# Twenty thousand take some minutes: ASYNCMIGRATE_SHARDED_OBJECTS=20000 .venv/bin/python -m pytest -k four_processes -s
OBJECTS = int(os.environ.get("ASYNCMIGRATE_SHARDED_OBJECTS", "2400"))
BOUND = 90 + OBJECTS // 6  # seconds, on a machine that has other things to do


class Others:
    """Who writes all the while, and knows what must be there."""

    def __init__(self, bed: Bed, manifest: Manifest) -> None:
        self._bed = bed
        self._manifest = manifest
        self._draw = random.Random(5)  # noqa: S311 -- no secret
        self.expected: dict[str, int] = {}  # name to size
        self.writes = 0

    async def create(self, count: int) -> None:
        names = [f"w-{n:05}" for n in range(count)]
        await self._bed.create(self._manifest, *(obj(self._manifest, "v1", n) for n in names))
        self.expected = dict.fromkeys(names, 1)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            for part in range(3):
                tasks.start_soon(self._write, part)
            yield
            tasks.cancel_scope.cancel()

    async def _write(self, part: int) -> None:
        mine = sorted(self.expected)[part::3]
        while True:
            with anyio.CancelScope(shield=True):
                await self._write_once(mine, part)
            await anyio.sleep(max(0.02, len(mine) / 100_000))

    async def _write_once(self, mine: list[str], part: int) -> None:
        self.writes += 1
        size = self.writes  # others write meanwhile
        version = self._draw.choice(["v1", "v2"])
        what = self._draw.random()
        if what < 0.1:
            name = f"new-{part}-{size}"
            await self._bed.create(self._manifest, obj(self._manifest, version, name, spec={"size": size}))
            self.expected[name] = size
            mine.append(name)
            return
        name = self._draw.choice(mine)
        path = self._bed.path(self._manifest, version, name=name)
        if what < 0.15:
            (await self._bed.http.delete(path)).raise_for_status()
            del self.expected[name]
            mine.remove(name)
            return
        body = json.dumps({"spec": {"size": size}})
        (await self._bed.http.patch(path, content=body, headers=MERGE)).raise_for_status()
        self.expected[name] = size

    def check(self, stored: dict[tuple[str, str], bytes]) -> None:
        """Every byte that is stored is what somebody was told is there, in the storage version."""
        found = {name: json.loads(data) for (_, name), data in stored.items()}
        assert {n: o["spec"] for n, o in found.items()} == {n: {"size": size} for n, size in self.expected.items()}
        assert {o["apiVersion"].rpartition("/")[2] for o in found.values()} == {"v2"}


class Job:
    """An Indexed Job: a process for each index, and another one where it was killed or failed."""

    def __init__(self, bed: Bed, *flags: str, tries: int = 6) -> None:
        self._bed = bed
        self._flags = flags
        self._tries = tries
        self.running: dict[int, Process] = {}
        self.reports: list[dict[str, Any]] = []
        self.codes: list[tuple[int, int]] = []

    async def pod(self, index: int) -> None:
        """Run an index until it has ended well."""
        for _ in range(self._tries):
            if await self.process(index) == 0:
                return
        raise AssertionError(f"shard {index} has not ended well: {self.codes}")

    async def process(self, index: int) -> int:
        env = environment(self._bed.folder, JOB_COMPLETION_INDEX=str(index))
        args = ("run", f"widgets.{self._bed.group}", "-y", "-q", "-o", "json", "--kubeconfig", self._bed.kubeconfig())
        whole = command(*args, "--shards", str(SHARDS), "--state", STATE, *self._flags)
        async with await anyio.open_process(whole, env=env, stderr=subprocess.DEVNULL) as process:
            self.running[index] = process
            assert process.stdout is not None
            said = b"".join([chunk async for chunk in process.stdout])
            code = await process.wait()
        self.codes.append((index, code))
        if code == 0:
            self.reports.append(json.loads(said)["crds"][0])
        return code


@asynccontextmanager
async def watched(bed: Bed) -> AsyncIterator[list[list[str]]]:
    """The storedVersions of each state that the CRD has meanwhile: one for each write of it."""
    name = f"widgets.{bed.group}"
    seen: list[list[str]] = []
    at = (await bed.live_crd(name))["metadata"]["resourceVersion"]
    query = {"watch": "1", "fieldSelector": f"metadata.name={name}", "resourceVersion": at}

    async def watch() -> None:
        async with bed.http.stream("GET", CRDS, params=query, timeout=None) as answer:
            async for line in answer.aiter_lines():
                seen.append(json.loads(line)["object"]["status"]["storedVersions"])  # noqa: PERF401 -- as they come

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        yield seen
        await anyio.sleep(0.5)  # for what is on its way
        tasks.cancel_scope.cancel()


def rewritten(bed: Bed) -> int:
    return sum(b'/v2"' in data[:200] for data in bed.stored(f"widgets.{bed.group}").values())


@pytest.mark.real
@pytest.mark.timeout(2 * BOUND)
async def test_four_processes_one_killed_twice_beside_writers(real_bed: RealBed) -> None:
    real_bed.leftovers.append(CONFIGMAP)
    before = crd(real_bed.group, "v1", "v1", "v2")
    await real_bed.apply_crd(before)
    others = Others(real_bed, before)
    await others.create(OBJECTS)
    await real_bed.apply_crd(crd(real_bed.group, "v2", "v1", "v2"))
    job = Job(real_bed, "--settle", "0", "--rate", str(max(60, OBJECTS // 100)))
    began = anyio.current_time()
    with anyio.fail_after(BOUND):
        async with watched(real_bed) as seen, others.writing(), anyio.create_task_group() as tasks:
            for index in range(SHARDS):
                tasks.start_soon(job.pod, index)
            for share in (0.25, 0.5):
                while rewritten(real_bed) < share * OBJECTS:
                    await anyio.sleep(OBJECTS / 20_000)
                job.running[1].kill()
    others.check(real_bed.stored(f"widgets.{real_bed.group}"))
    assert seen == [["v2"]]  # the CRD was written once, by one trim
    assert sorted(job.codes) == [(0, 0), (1, -9), (1, -9), (1, 0), (2, 0), (3, 0)]
    assert [r["outcome"] for r in job.reports].count("migrated") == 1
    assert {r["reason"] for r in job.reports} == {"ShardDone", "Migrated"}
    kept = json.loads((await real_bed.http.get(CONFIGMAP)).json()["data"]["state.json"])
    assert (kept["records"], kept.get("shards")) == ({}, None)
    counts = [r["objects"] for r in job.reports]
    print(f"{OBJECTS} objects, {others.writes} writes of others, {anyio.current_time() - began:.1f} s: {counts}")  # noqa: T201


@pytest.mark.real
async def test_two_pods_with_the_same_index_and_one_that_comes_late(real_bed: RealBed) -> None:
    real_bed.leftovers.append(CONFIGMAP)
    before = crd(real_bed.group, "v1", "v1", "v2")
    await real_bed.apply_crd(before)
    others = Others(real_bed, before)
    await others.create(800)
    await real_bed.apply_crd(crd(real_bed.group, "v2", "v1", "v2"))
    job = Job(real_bed, "--settle", "0")
    with anyio.fail_after(80):
        async with watched(real_bed) as seen, others.writing():
            async with anyio.create_task_group() as tasks:
                for index in (0, 1, 1, 3):
                    tasks.start_soon(job.pod, index)
            assert {r["reason"] for r in job.reports} == {"ShardDone"}
            assert seen == []
            await job.pod(2)
    others.check(real_bed.stored(f"widgets.{real_bed.group}"))
    assert seen == [["v2"]]
    assert job.reports[-1]["outcome"] == "migrated"


async def stale(bed: Bed, count: int) -> None:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:04}") for n in range(count)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))


async def test_sigterm_leaves_a_state_by_which_the_next_pod_goes_on(bed: Bed) -> None:
    bed.leftovers.append(CONFIGMAP)
    await stale(bed, 900)
    args = ("run", f"widgets.{bed.group}", "-y", "-o", "json", "--settle", "0", "--kubeconfig", bed.kubeconfig())
    state = ("--state", STATE)
    process = await anyio.open_process(
        command(*args, *state, "--rate", "150"), env=environment(bed.folder), stdout=subprocess.DEVNULL
    )
    with anyio.fail_after(60):
        while rewritten(bed) < 100:
            await anyio.sleep(0.02)
        began = anyio.current_time()
        process.terminate()
        assert await process.wait() == 130
    assert anyio.current_time() - began < 5
    await process.aclose()
    done = rewritten(bed)
    kept = json.loads((await bed.http.get(CONFIGMAP)).json()["data"]["state.json"])
    assert [r["name"] for r in kept["records"].values()] == [f"widgets.{bed.group}"]
    ended = await asyncmigrate(*args, *state, home=bed.folder)
    objects = ended.json["crds"][0]["objects"]
    assert (ended.code, objects["listed"]) == (0, 900)
    assert objects["proven"] >= done >= 100
    assert objects["rewritten"] == 900 - objects["proven"]
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v2"]


BAD = [
    (("--shard", "4/4"), "there is no shard 4/4: the first is 0/4, the last 3/4"),
    (("--shard", "x/3"), "shard 'x/3' cannot be read: write INDEX/COUNT, counted from 0, such as 0/4"),
    (("--shard", "1/0"), "shard 1/0: there may be 1 to 1,000 shards"),
    (("--shard", "0/4", "--shards", "4"), "--shard and --shards exclude each other"),
    (("--shards", "4"), "--shards is for pods of an Indexed Job, and $JOB_COMPLETION_INDEX is not set"),
    (("--shards", "0"), "--shards is for pods of an Indexed Job"),
    (("--shard", "0/4", "--no-state"), "a shard needs a state that all shards share"),
    (("--shard", "0/4", "--rewrite-all"), "--rewrite-all goes over all objects, or over none"),
    (("--shard", "0/4", "--clean-only"), "--clean-only goes over all objects, or over none"),
    (("--shard", "0/4", "--dry-run", "server"), "--dry-run goes over all objects, or over none"),
    (("--shard", "0/4", "--retry-failed", "report.json"), "--retry-failed goes over all objects, or over none"),
    (("--state", "configmap:one"), "the state 'configmap:one' names no ConfigMap: write configmap:NAMESPACE/NAME"),
    (("--state", "configmap:a/B"), "names no ConfigMap"),
    (("--state", "configmap:a/b/c"), "names no ConfigMap"),
]


@pytest.mark.parametrize(("flags", "words"), BAD, ids=lambda b: " ".join(b) if isinstance(b, tuple) else "")
async def test_bad_input_is_one_line_and_exit_2(embedded: EmbeddedBed, flags: tuple[str, ...], words: str) -> None:
    await stale(embedded, 1)
    embedded.server.requests.clear()
    ended = await run(embedded, *flags)
    assert (ended.code, words in ended.error) == (2, True), ended.error
    assert not any(s.method in {"PATCH", "PUT"} for s in embedded.server.requests)


@pytest.mark.parametrize(
    ("index", "words"), [("4", "there is no shard 4/4"), ("x", "$JOB_COMPLETION_INDEX is 'x'"), ("", "is ''")]
)
async def test_an_index_that_is_none_is_exit_2(embedded: EmbeddedBed, index: str, words: str) -> None:
    ended = await run(embedded, "--shards", "4", "--state", STATE, JOB_COMPLETION_INDEX=index)
    assert (ended.code, words in ended.error) == (2, True), ended.error


async def run(bed: Bed, *flags: str, **env: str) -> Ended:
    return await asyncmigrate("run", "-y", "--kubeconfig", bed.kubeconfig(), *flags, home=bed.folder, env=env)


async def test_a_shard_without_a_state_of_its_own_choice_is_exit_2(embedded: EmbeddedBed, tmp_path: Path) -> None:
    ended = await run(embedded, "--shard", "0/4")
    assert (ended.code, "--state configmap:NS/NAME" in ended.error) == (2, True)
    ended = await run(embedded, "--shard", "0/4", "--state", str(tmp_path / "state.json"))
    assert ended.code == 0
