"""Several runs divide the objects of a CRD among them, and one of them trims, whatever becomes of the others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from asyncmigrate import CRDReport, Outcome, RetryPolicy, TrimmedBy, plan, run
from asyncmigrate._rules.decisions.shard import Shard
from asyncmigrate.errors import APIError, UsageError
from asyncmigrate.events import Event, ObjectSettled
from tests.bed.bed import Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj

OBJECTS = 620
SHARDS = 4


async def stale(bed: Bed, count: int = OBJECTS) -> Manifest:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:04}") for n in range(count)))
    after = crd(bed.group, "v2", "v1", "v2")
    await bed.apply_crd(after)
    return after


async def one(
    bed: Bed, state: Path | str, index: int | None, *, count: int = SHARDS, watch: list[Event] | None = None
) -> CRDReport:
    """One run as a shard, or for an index of None as a whole."""
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        report = await run(
            cluster,
            made,
            settle=0,
            state=state,
            shard=None if index is None else (index, count),
            observers=[] if watch is None else [watch.append],
        )
    [found] = report.crds
    assert report.ok is (found.outcome in {Outcome.MIGRATED, Outcome.SKIPPED})
    return found


async def check_done(bed: Bed, state: Path) -> None:
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v2"]
    assert json.loads(state.read_text()) == {"apiVersion": "asyncmigrate/v1", "kind": "State", "records": {}}


async def test_shards_one_after_the_other_and_the_last_trims(bed: Bed, tmp_path: Path) -> None:
    await stale(bed)
    state = tmp_path / "state.json"
    found = []
    for index in (2, 0, 3, 1):
        assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1", "v2"]
        found.append(await one(bed, state, index))
    assert [(r.outcome, r.reason) for r in found[:3]] == [(Outcome.SKIPPED, "ShardDone")] * 3
    *others, last = found
    assert (last.outcome, last.trimmed_by) == (Outcome.MIGRATED, TrimmedBy.THIS_RUN)
    assert last.objects.listed == last.objects.settled == OBJECTS
    # Nothing is rewritten twice: what the others did the last one finds proven.
    done = sum(r.objects.rewritten for r in others)
    assert all(r.objects.rewritten == r.objects.listed > OBJECTS / 8 for r in others)
    assert (last.objects.proven, last.objects.rewritten) == (done, OBJECTS - done)
    await check_done(bed, state)


async def test_shards_at_once_and_one_of_them_trims(bed: Bed, tmp_path: Path) -> None:
    await stale(bed)
    state = tmp_path / "state.json"
    found: list[CRDReport] = []

    async def go(index: int) -> None:
        found.append(await one(bed, state, index))

    async with anyio.create_task_group() as tasks:
        for index in (*range(SHARDS), 1):  # two of them are the same one
            tasks.start_soon(go, index)
    assert [r.trimmed_by for r in found].count(TrimmedBy.THIS_RUN) == 1
    assert {(r.outcome, r.reason) for r in found} <= {(Outcome.SKIPPED, "ShardDone"), (Outcome.MIGRATED, "Migrated")}
    await check_done(bed, state)


async def test_a_crd_of_one_page_is_one_shards(bed: Bed, tmp_path: Path) -> None:
    await stale(bed, 20)
    state = tmp_path / "state.json"
    uid = (await bed.live_crd(f"widgets.{bed.group}"))["metadata"]["uid"]
    owner = next(i for i in range(SHARDS) if Shard(i, SHARDS).owns(uid))
    for index in range(SHARDS):
        if index != owner:
            found = await one(bed, state, index)
            assert (found.outcome, found.reason, found.objects.listed) == (Outcome.SKIPPED, "OtherShard", 0)
    found = await one(bed, state, owner)
    assert (found.outcome, found.objects.rewritten) == (Outcome.MIGRATED, 20)
    await check_done(bed, state)


async def test_whoever_comes_first_decides_whether_it_is_cut(embedded: EmbeddedBed, tmp_path: Path) -> None:
    manifest = await stale(embedded, 500)
    state = tmp_path / "state.json"
    uid = (await embedded.live_crd(f"widgets.{embedded.group}"))["metadata"]["uid"]
    first, *others, owner = sorted(range(SHARDS), key=lambda i: Shard(i, SHARDS).owns(uid))
    assert (await one(embedded, state, first)).reason == "OtherShard"
    await embedded.create(manifest, *(obj(manifest, "v2", f"later-{n}") for n in range(50)))
    for index in others:
        assert (await one(embedded, state, index)).reason == "OtherShard"
    assert (await one(embedded, state, owner)).outcome is Outcome.MIGRATED
    await check_done(embedded, state)


async def test_shards_that_never_come_are_made_up_for_by_a_run_without_a_shard(bed: Bed, tmp_path: Path) -> None:
    await stale(bed)
    state = tmp_path / "state.json"
    done = sum([(await one(bed, state, index)).objects.rewritten for index in (0, 1)])
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1", "v2"]
    found = await one(bed, state, None)
    assert (found.outcome, found.objects.proven) == (Outcome.MIGRATED, done)
    await check_done(bed, state)


async def test_a_shard_that_is_done_does_nothing_again_until_it_has_to_finish(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    await stale(embedded)
    state = tmp_path / "state.json"
    for _ in range(2):
        found = await one(embedded, state, 0)
        assert (found.outcome, found.reason) == (Outcome.SKIPPED, "ShardDone")
    assert found.objects.listed == 0
    # Another number of shards has nothing to do with these.
    assert (await one(embedded, state, 0, count=2)).reason == "ShardDone"
    assert (await one(embedded, state, 1, count=2)).outcome is Outcome.MIGRATED
    await check_done(embedded, state)


async def test_objects_that_fail_keep_their_shard_from_being_done(embedded: EmbeddedBed, tmp_path: Path) -> None:
    await stale(embedded)
    state = tmp_path / "state.json"
    listed = (await embedded.http.get(embedded.path(crd(embedded.group, "v2", "v1", "v2"), "v2", ""))).json()["items"]
    bad = next(o["metadata"] for o in listed if Shard(1, SHARDS).owns(o["metadata"]["uid"]))
    embedded.server.faults.deny(name=bad["name"])
    for index in range(SHARDS):
        found = await one(embedded, state, index)
        wanted = (Outcome.INCOMPLETE, "ObjectsFailed") if index == 1 else (Outcome.SKIPPED, "ShardDone")
        assert (found.outcome, found.reason) == wanted
    embedded.server.faults.clear()
    found = await one(embedded, state, 1)
    assert (found.outcome, found.objects.settled) == (Outcome.MIGRATED, OBJECTS)
    await check_done(embedded, state)


async def test_an_object_that_turned_bad_meanwhile_stops_the_trim(embedded: EmbeddedBed, tmp_path: Path) -> None:
    """The last shard goes by a list of all objects, and not by what others say of theirs."""
    manifest = await stale(embedded)
    state = tmp_path / "state.json"
    saved = await embedded.save()
    for index in range(SHARDS - 1):
        assert (await one(embedded, state, index)).reason == "ShardDone"
    await embedded.restore(saved)  # what the others have rewritten is in the old version again
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v1"}
    found = await one(embedded, state, SHARDS - 1)
    assert (found.outcome, found.objects.rewritten) == (Outcome.MIGRATED, OBJECTS)
    assert manifest["metadata"]["name"] == found.name
    await check_done(embedded, state)


async def test_shards_call_the_cluster_the_same_though_it_does_not_answer_for_a_while(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    """Else the marks of one are not where the others look, each waits for the rest, and nobody trims."""
    await stale(embedded)
    state = tmp_path / "state.json"
    embedded.server.faults.answer(500, verb="get", name="kube-system", times=7)
    for index in range(SHARDS):
        found = await one(embedded, state, index)
    assert found.outcome is Outcome.MIGRATED
    await check_done(embedded, state)


async def test_a_shard_that_cannot_find_out_which_cluster_it_is_writes_nothing(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    await stale(embedded)
    embedded.server.faults.answer(500, verb="get", name="kube-system")
    async with embedded.cluster() as cluster:
        made = await plan(cluster)
        with pytest.raises(APIError, match="kube-system"):
            await run(
                cluster,
                made,
                settle=0,
                shard=(0, 2),
                state=tmp_path / "state.json",
                retry_policy=RetryPolicy(max_seconds=0.5),
            )
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v1"}


async def test_a_spec_that_changes_between_shards(bed: Bed, tmp_path: Path) -> None:
    await stale(bed)
    state = tmp_path / "state.json"
    for index in (0, 1):
        assert (await one(bed, state, index)).reason == "ShardDone"
    await bed.apply_crd(crd(bed.group, "v1", "v1", "v2"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    # What was done and recorded under the old spec holds no more, and nobody waits for those shards.
    assert (await one(bed, state, 2)).reason == "ShardDone"
    found = await one(bed, state, 3)
    assert (found.outcome, found.objects.settled) == (Outcome.MIGRATED, OBJECTS)
    await check_done(bed, state)


async def move_there_and_back(bed: Bed) -> None:
    for storage in ("v1", "v2"):
        await bed.apply_crd(crd(bed.group, storage, "v1", "v2"))


async def owner_first(bed: Bed) -> list[int]:
    """Two shards: the one that a CRD of one page belongs to, and the other."""
    uid = (await bed.live_crd(f"widgets.{bed.group}"))["metadata"]["uid"]
    owner = Shard(0, 2).owner_of(uid)
    return [owner, 1 - owner]


async def test_a_crd_that_is_cut_stays_cut_when_its_objects_become_few(bed: Bed, tmp_path: Path) -> None:
    """The shard that it would belong to has ended, and hears no more of it."""
    manifest = await stale(bed)
    state = tmp_path / "state.json"
    owner, other = await owner_first(bed)
    assert (await one(bed, state, owner, count=2)).reason == "ShardDone"
    await move_there_and_back(bed)
    for n in range(200):
        (await bed.http.delete(bed.path(manifest, "v2", name=f"w-{n:04}"))).raise_for_status()
    assert (await one(bed, state, other, count=2)).outcome is Outcome.MIGRATED
    await check_done(bed, state)


async def test_a_crd_that_is_whole_stays_whole_when_its_objects_become_many(bed: Bed, tmp_path: Path) -> None:
    """The other shards have ended, and do no part of it."""
    manifest = await stale(bed, 20)
    state = tmp_path / "state.json"
    owner, other = await owner_first(bed)
    assert (await one(bed, state, other, count=2)).reason == "OtherShard"
    await bed.create(manifest, *(obj(manifest, "v1", f"later-{n}") for n in range(OBJECTS)))
    await move_there_and_back(bed)
    assert (await one(bed, state, owner, count=2)).outcome is Outcome.MIGRATED
    await check_done(bed, state)


@asynccontextmanager
async def during_shard_1(bed: EmbeddedBed, state: Path, *, seconds: float = 1) -> AsyncIterator[list[CRDReport]]:
    """Inside, shard 1 has settled an object, and has others to do; when this ends its report is there."""
    bed.server.faults.delay(seconds, verb="patch", times=1)
    events: list[Event] = []
    found: list[CRDReport] = []

    async def go() -> None:
        found.append(await one(bed, state, 1, watch=events))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        with anyio.fail_after(30):
            while not any(isinstance(e, ObjectSettled) for e in events):
                await anyio.sleep(0.01)
        yield found


async def test_a_spec_that_changes_under_a_shard(embedded: EmbeddedBed, tmp_path: Path) -> None:
    await stale(embedded)
    state = tmp_path / "state.json"
    assert (await one(embedded, state, 0)).reason == "ShardDone"
    async with during_shard_1(embedded, state, seconds=2) as found:  # so that the change is seen by then
        await embedded.apply_crd(crd(embedded.group, "v1", "v1", "v2"))
        await embedded.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    assert found[0].outcome in {Outcome.SKIPPED, Outcome.INCOMPLETE}
    for index in (2, 3, 1):
        await one(embedded, state, index)
    await check_done(embedded, state)


async def test_a_state_that_is_lost_has_who_comes_then_finish(embedded: EmbeddedBed, tmp_path: Path) -> None:
    await stale(embedded)
    state = tmp_path / "state.json"
    async with during_shard_1(embedded, state) as found:
        state.unlink()
    assert (found[0].outcome, found[0].objects.settled) == (Outcome.MIGRATED, OBJECTS)
    assert await embedded.stored_versions(f"widgets.{embedded.group}") == ["v2"]
    assert not state.exists()  # nothing is left to be forgotten


async def test_a_state_that_cannot_be_kept_fails_a_shard(embedded: EmbeddedBed, tmp_path: Path) -> None:
    await stale(embedded)
    state = tmp_path / "state.json"
    async with during_shard_1(embedded, state) as found:
        state.write_text("no state any more")
    assert (found[0].outcome, found[0].reason) == (Outcome.FAILED, "StateNotKept")
    assert "is no asyncmigrate state file" in found[0].message


async def test_what_is_kept_of_crds_that_are_done_is_dropped(embedded: EmbeddedBed, tmp_path: Path) -> None:
    """As of a CRD that others have trimmed while a shard of theirs came late."""
    await stale(embedded, 3)
    done = crd(embedded.group, "v1", "v1", plural="gadgets")
    await embedded.apply_crd(done)
    state = tmp_path / "state.json"
    cluster_uid = (await embedded.http.get("/api/v1/namespaces/kube-system")).json()["metadata"]["uid"]
    async with embedded.cluster() as cluster:
        stray = {f"{cluster_uid}@{cluster.server}/gadgets.{embedded.group}/4": {"spec": "s"}}
        state.write_text(json.dumps({"apiVersion": "asyncmigrate/v1", "kind": "State", "records": {}, "shards": stray}))
        await run(cluster, await plan(cluster), settle=0, state=state)
    await check_done(embedded, state)


async def test_what_excludes_a_shard(embedded: EmbeddedBed, tmp_path: Path) -> None:
    async with embedded.cluster() as cluster:
        made = await plan(cluster)
        cleans = await plan(cluster, clean_only=True)
        with pytest.raises(UsageError, match="a shard needs a state that all shards share"):
            await run(cluster, made, shard=(0, 4))
        state = tmp_path / "state.json"
        with pytest.raises(UsageError, match="a dry run has no shard"):
            await run(cluster, made, shard=(0, 4), state=state, dry_run=True)
        with pytest.raises(UsageError, match="rewrite_all and shard exclude each other"):
            await run(cluster, made, shard=(0, 4), state=state, rewrite_all=True)
        with pytest.raises(UsageError, match="unfinished and shard exclude each other"):
            await run(cluster, made, shard=(0, 4), state=state, unfinished=[])
        with pytest.raises(UsageError, match="there is no shard 4/4"):
            await run(cluster, made, shard=(4, 4), state=state)
        assert not state.exists()
        await stale(embedded, 1)
        await run(cluster, await plan(cluster), settle=0)
        cleans = await plan(cluster, clean_only=True)
        with pytest.raises(UsageError, match="clean_only"):
            await run(cluster, cleans, shard=(0, 4), state=state)
