"""etcd is put back to an older state: what the backup brings back is not taken for migrated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from asyncmigrate import Cluster, Outcome, Report, plan, run
from asyncmigrate.events import CRDSettling, Event
from tests.bed import real
from tests.bed.bed import CRDS, MERGE, Bed, EmbeddedBed, open_embedded, open_real
from tests.bed.scenes import Manifest, crd, obj

OBJECTS = 5


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
async def own_bed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bed]:
    """A server of the test's own, for it is put back to an older state."""
    if request.param == "embedded":
        async with open_embedded(tmp_path) as embedded_bed:
            yield embedded_bed
        return
    request.getfixturevalue("has_real_server")
    with real.start(tmp_path) as server:
        async with open_real(server, tmp_path) as real_bed:
            yield real_bed


async def stale(bed: Bed) -> Manifest:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n}") for n in range(OBJECTS)))
    return await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))


async def migrate(bed: Bed, **how: Any) -> Report:  # noqa: ANN401 -- run's own options
    async with bed.cluster() as cluster:
        return await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]), settle=0, **how)


async def grow(bed: Bed, manifest: Manifest, writes: int) -> None:
    """Let the cluster write more than the backup lost, so that resource versions alone tell nothing."""
    for number in range(writes):
        path = "/api/v1/namespaces/default"
        patch = {"metadata": {"annotations": {"touched": str(number)}}}
        (await bed.http.patch(path, json=patch, headers=MERGE)).raise_for_status()
    del manifest


@pytest.mark.timeout(200)
async def test_what_a_backup_brings_back_before_the_trim_is_rewritten_again(own_bed: Bed) -> None:
    bed = own_bed
    await stale(bed)
    name = f"widgets.{bed.group}"
    saved = await bed.save()

    async def restore() -> None:
        await bed.restore(saved)
        assert bed.stored_api_versions(name) == {"v1"}

    looks = 0

    async def hook(request: httpx.Request) -> None:
        nonlocal looks
        if request.method == "GET" and request.url.path.endswith(f"/{name}"):
            looks += 1
            if looks == 2:  # the first is the plan's; this one comes between the last rewrite and the trim
                await restore()
                raise httpx.ReadError("the server went away")

    async with (
        bed.client(event_hooks={"request": [hook]}, timeout=60) as client,
        Cluster.from_httpx(client) as cluster,
    ):
        report = await run(cluster, await plan(cluster, names=[name]), settle=0)
    assert looks >= 2
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(name) == {"v2"}


@pytest.mark.timeout(200)
@pytest.mark.parametrize("how", ["report", "state"])
async def test_what_a_backup_brings_back_between_two_runs_is_rewritten(own_bed: Bed, how: str, tmp_path: Path) -> None:
    """Same uid, generation and change; four objects were done by the first run, and the backup brings them back."""
    bed = own_bed
    manifest = await stale(bed)
    name = f"widgets.{bed.group}"
    saved = await bed.save()
    state = tmp_path / "state.json" if how == "state" else None

    async def fail(request: httpx.Request) -> None:
        if request.method == "PATCH" and request.url.path.endswith("/w-1"):
            request.headers["Content-Type"] = "text/plain"  # which the server refuses

    async with bed.client(event_hooks={"request": [fail]}, timeout=60) as client, Cluster.from_httpx(client) as cluster:
        first = await run(cluster, await plan(cluster, names=[name]), settle=0, state=state)
    assert (first.crds[0].objects.rewritten, first.crds[0].objects.failed) == (OBJECTS - 1, 1)
    await bed.restore(saved)
    assert bed.stored_api_versions(name) == {"v1"}
    await grow(bed, manifest, 40)
    report = await migrate(bed, unfinished=first.unfinished if how == "report" else None, state=state)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(name) == {"v2"}


@pytest.mark.timeout(200)
@pytest.mark.parametrize("how", ["report", "state"])
async def test_a_move_that_is_made_once_more_after_a_restore_is_told_beside_a_stamp_of_the_future(
    own_bed: Bed, how: str, tmp_path: Path
) -> None:
    """A client has sent a time of 2099, which is the CRD's newest for ever: it does not tell the two moves apart."""
    bed = own_bed
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    name = f"widgets.{bed.group}"
    entry = {
        "manager": "odd",
        "operation": "Update",
        "apiVersion": "apiextensions.k8s.io/v1",
        "time": "2099-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {"f:odd": {}}}},
    }
    path = f"{CRDS}/{name}"
    (await bed.http.patch(path, json={"metadata": {"labels": {"odd": "1"}}}, headers=MERGE)).raise_for_status()
    entries = (await bed.live_crd(name))["metadata"]["managedFields"]
    patch = {"metadata": {"managedFields": [*entries, entry]}}
    (await bed.http.patch(path, json=patch, headers=MERGE)).raise_for_status()
    assert "2099-01-01T00:00:00Z" in str((await bed.live_crd(name))["metadata"]["managedFields"])
    await bed.create(before, *(obj(before, "v2", f"w-{n}") for n in range(OBJECTS)))
    saved = await bed.save()
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    state = tmp_path / "state.json" if how == "state" else None

    async def fail(request: httpx.Request) -> None:
        if request.method == "PATCH" and request.url.path.endswith("/w-1"):
            request.headers["Content-Type"] = "text/plain"  # which the server refuses

    async with bed.client(event_hooks={"request": [fail]}, timeout=60) as client, Cluster.from_httpx(client) as cluster:
        first = await run(cluster, await plan(cluster, names=[name]), settle=0, state=state)
    assert (first.crds[0].objects.rewritten, first.crds[0].objects.failed) == (OBJECTS - 1, 1)
    await bed.restore(saved)
    await grow(bed, before, 60)
    for n in range(OBJECTS):  # stored in the old version, and newer than the first run's list
        path = bed.path(before, "v2", name=f"w-{n}")
        (await bed.http.patch(path, json={"spec": {"size": 7}}, headers=MERGE)).raise_for_status()
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    report = await migrate(bed, unfinished=first.unfinished if how == "report" else None, state=state)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(name) == {"v2"}


async def test_objects_that_others_write_first_after_a_restore_hide_nothing(embedded: EmbeddedBed) -> None:
    """Resource versions have grown past those from before, and the newest objects of the run are the newest again."""
    bed = embedded
    manifest = await stale(bed)
    saved = await bed.save()

    restored = False

    async def hook(request: httpx.Request) -> None:
        nonlocal restored
        if restored or request.method != "PATCH" or not request.url.path.endswith("/status"):
            return
        restored = True
        await bed.restore(saved)
        await grow(bed, manifest, 60)
        for name in ("w-3", "w-4"):
            path = bed.path(manifest, "v2", name=name)
            (await bed.http.patch(path, json={"spec": {"size": 2}}, headers=MERGE)).raise_for_status()
        raise httpx.ReadError("the server went away")

    async with bed.client(event_hooks={"request": [hook]}) as client, Cluster.from_httpx(client) as cluster:
        report = await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]), settle=0)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


async def test_a_restore_while_all_retries_wait_is_noticed(embedded: EmbeddedBed) -> None:
    """Nothing is in flight but the looks at the CRD."""
    bed = embedded
    manifest = await stale(bed)
    saved = await bed.save()
    bed.server.faults.answer(429, retry_after=5, verb="patch", name="w-4", times=1)

    async def restore() -> None:
        await bed.server.until(lambda: sum(s.method == "PATCH" and s.code == 200 for s in bed.server.requests) >= 4)
        await bed.restore(saved)
        await grow(bed, manifest, 60)

    async with bed.cluster() as cluster, anyio.create_task_group() as tasks:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        bed.server.requests.clear()
        tasks.start_soon(restore)
        report = await run(cluster, made, settle=0)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


async def test_a_move_that_is_made_again_after_a_restore_is_waited_for_anew(embedded: EmbeddedBed) -> None:
    """Same uid and generation, and nobody looks while a CRD waits: the stamp of the move tells."""
    bed = embedded
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    saved = await bed.save()
    after = crd(bed.group, "v2", "v1", "v2")
    await bed.apply_crd(after, settled=False)
    waits: list[float] = []

    async def move_again() -> None:
        await anyio.sleep(1.2)
        await bed.restore(saved)
        bed.server.advance(10)
        await grow(bed, before, 20)
        await bed.apply_crd(after, settled=False)

    def note(event: Event) -> None:
        if isinstance(event, CRDSettling):
            waits.append(event.wait)

    async with bed.cluster() as cluster, anyio.create_task_group() as tasks:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        tasks.start_soon(move_again)
        report = await run(cluster, made, settle=6, observers=[note])
    assert len(waits) == 2
    assert report.crds[0].outcome is Outcome.MIGRATED


async def test_a_report_of_another_cluster_is_not_believed(embedded: EmbeddedBed, tmp_path: Path) -> None:
    async with open_embedded(tmp_path) as other:
        other.group = embedded.group
        await stale(embedded)
        async with embedded.cluster() as cluster:
            report = await run(cluster, await plan(cluster), settle=0, rewrite_all=True)
        assert report.crds[0].progress
        assert report.crds[0].progress.cluster == embedded.url
        await stale(other)
        left = report.crds[0].unfinished
        assert left is None


async def test_retrying_what_failed_asks_only_for_what_is_not_known_to_be_done(embedded: EmbeddedBed) -> None:
    await stale(embedded)
    embedded.server.faults.deny(name="w-1")
    first = await migrate(embedded)
    embedded.server.faults.clear()
    embedded.server.requests.clear()
    report = await migrate(embedded, unfinished=first.unfinished)
    assert (report.crds[0].objects.proven, report.crds[0].objects.rewritten) == (OBJECTS - 1, 1)
    sent = [s.path.rpartition("/")[2] for s in embedded.server.requests if s.method == "PATCH"]
    assert sent == ["w-1", "status"]


async def test_a_run_that_asks_for_an_older_move_believes_no_record_of_a_younger_one(embedded: EmbeddedBed) -> None:
    await stale(embedded)
    embedded.server.faults.deny(name="w-1")
    first = await migrate(embedded)
    assert first.crds[0].progress
    embedded.server.faults.clear()
    embedded.server.advance(3600)
    async with embedded.cluster() as cluster:
        made = await plan(cluster)
        age = first.crds[0].progress.move_age
        report = await run(cluster, made, settle=age + 1, proof_margin=1e6, unfinished=first.unfinished)
    assert (report.crds[0].objects.proven, report.crds[0].objects.unchanged) == (0, OBJECTS - 1)
