"""Decisions, on both servers: how each is reached, and with how many requests."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from asyncmigrate import Changes, Decision, Outcome, Plan, plan, run
from tests.bed.bed import Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "upjet-aws-344.tar.xz"


def write(folder: Path, *manifests: Manifest) -> Path:
    path = folder / "manifests.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    return path


async def decided(bed: Bed, *manifests: Manifest) -> Plan:
    async with bed.cluster() as cluster:
        return await plan(cluster, manifests=[write(bed.folder, *manifests)])


async def test_an_absent_crd_is_new_after_exactly_one_request(bed: Bed) -> None:
    made = await decided(bed, crd(bed.group, "v1", "v1"))
    [found] = made.crds
    assert (found.decision, found.reason) == (Decision.NEW, "NotFound")
    assert (made.requests, made.retries) == (1, 0)
    assert found.changes is None
    assert made.summary is not None
    assert (made.summary.new, made.summary.changed, made.summary.unchanged) == (1, 0, 0)


async def test_a_name_that_is_on_no_cluster_and_in_no_manifest_fails_at_once(bed: Bed) -> None:
    await bed.apply_crd(crd(bed.group, "v1", "v1"))
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}", f"wigdets.{bed.group}"])
    assert [(c.decision, c.reason) for c in made.crds] == [
        (Decision.CURRENT, "StoredAsStorageVersion"),
        (Decision.FAILED, "NotFound"),
    ]
    assert "no CRD of this name is on the cluster" in made.crds[1].message
    assert made.requests == 2


async def test_or_is_new_where_that_is_to_be_ignored(bed: Bed) -> None:
    async with bed.cluster() as cluster:
        [found] = (await plan(cluster, names=f"widgets.{bed.group}", ignore_not_found=True)).crds
    assert (found.decision, found.reason) == (Decision.NEW, "NotFound")


@pytest.mark.skipif(not CORPUS.is_file(), reason="the corpus of real CRDs is not here")
async def test_344_real_crds_all_new_are_344_lookups(bed: Bed, tmp_path: Path) -> None:
    with tarfile.open(CORPUS) as archive:
        archive.extractall(tmp_path / "corpus", filter="data")
    async with bed.cluster() as cluster:
        made = await plan(cluster, manifests=[tmp_path / "corpus"], recursive=True)
    assert len(made.crds) == 344
    assert {c.decision for c in made.crds} == {Decision.NEW}
    assert (made.requests, made.retries) == (344, 0)


@pytest.mark.parametrize("on_cluster", [True, False])
async def test_a_manifest_without_storage_version_blocks(bed: Bed, on_cluster: bool) -> None:  # noqa: FBT001
    if on_cluster:
        await bed.apply_crd(crd(bed.group, "v1", "v1"))
    made = await decided(bed, crd(bed.group, None, "v1", "v2"))
    assert [(c.decision, c.reason) for c in made.crds] == [(Decision.BLOCKED, "NoStorageVersion")]


async def test_a_manifest_with_two_storage_versions_blocks(bed: Bed) -> None:
    manifest = crd(bed.group, "v1", "v1", "v2")
    manifest["spec"]["versions"][1]["storage"] = True
    made = await decided(bed, manifest)
    assert [(c.decision, c.reason) for c in made.crds] == [(Decision.BLOCKED, "ManyStorageVersions")]


async def test_a_manifest_without_the_live_storage_version_blocks_and_nothing_is_written(bed: Bed) -> None:
    dropped = crd(bed.group, "v1alpha1", "v1alpha1", plural="gadgets")
    stale = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(dropped)
    await bed.apply_crd(stale)
    await bed.create(stale, obj(stale, "v1", "w"))
    await bed.apply_crd(stale := crd(bed.group, "v2", "v1", "v2"))
    before = await bed.live_crd(f"widgets.{bed.group}"), bed.stored(f"widgets.{bed.group}")
    made = await decided(bed, crd(bed.group, "v1", "v1", plural="gadgets"), stale)
    assert [(c.decision, c.reason) for c in made.crds] == [
        (Decision.BLOCKED, "StorageVersionDropped"),
        (Decision.STALE, "OldStoredVersions"),
    ]
    async with bed.cluster() as cluster:
        report = await run(cluster, made, settle=0)
    assert [(c.outcome, c.reason) for c in report.crds] == [
        (Outcome.BLOCKED, "StorageVersionDropped"),
        (Outcome.SKIPPED, "PlanBlocked"),
    ]
    assert report.requests == 0
    assert (await bed.live_crd(f"widgets.{bed.group}"), bed.stored(f"widgets.{bed.group}")) == before
    async with bed.cluster() as cluster:
        report = await run(cluster, made, settle=0, skip_blocked=True)
    assert [c.outcome for c in report.crds] == [Outcome.BLOCKED, Outcome.MIGRATED]
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


@pytest.mark.parametrize("versions", [("v1",), ("v1", "v2")])
async def test_a_crd_stored_in_its_storage_version_is_current_and_never_listed(
    bed: Bed, versions: tuple[str, ...]
) -> None:
    live = crd(bed.group, "v1", "v1")
    await bed.apply_crd(live)
    await bed.create(live, obj(live, "v1", "w"))
    made = await decided(bed, crd(bed.group, "v1", *versions))
    assert [c.decision for c in made.crds] == [Decision.CURRENT]
    async with bed.cluster() as cluster:
        report = await run(cluster, made, settle=0)
    assert [c.outcome for c in report.crds] == [Outcome.SKIPPED]
    assert (made.requests, report.requests) == (1, 0)


async def test_the_plan_says_what_a_manifest_changes(bed: Bed) -> None:
    await bed.apply_crd(crd(bed.group, "v1beta1", "v1alpha1", "v1beta1"))
    await bed.apply_crd(crd(bed.group, "v1", "v1", plural="gadgets"))
    made = await decided(
        bed, crd(bed.group, "v1", "v1beta1", "v1", unserved=("v1beta1",)), crd(bed.group, "v1", "v1", plural="gadgets")
    )
    gadgets, widgets = made.crds
    assert gadgets.changes == Changes()
    assert widgets.changes == Changes(
        added=("v1",), dropped=("v1alpha1",), unserved=("v1beta1",), storage_moves_to="v1"
    )
    assert made.summary is not None
    assert (made.summary.new, made.summary.changed, made.summary.unchanged) == (0, 1, 1)


async def test_a_crd_that_serves_no_version_is_blocked(bed: Bed) -> None:
    await bed.apply_crd(crd(bed.group, "v1", "v1", "v2"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", unserved=("v1", "v2")))
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
    assert [(c.decision, c.reason) for c in made.crds] == [(Decision.BLOCKED, "NoServedVersion")]


async def test_after_an_upgrade_live_crds_are_found_by_selector(bed: Bed) -> None:
    labels = {"suite": bed.group}
    for plural in ("widgets", "gadgets", "gizmos"):
        await bed.apply_crd(crd(bed.group, "v1", "v1", "v2", plural=plural, labels=labels))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", plural="gadgets", labels=labels))
    await bed.apply_crd(crd(bed.group, "v1", "v1", plural="others"))
    async with bed.cluster() as cluster:
        made = await plan(cluster, selector=f"suite={bed.group}")
        everything = await plan(cluster)
    assert [(c.name.partition(".")[0], c.decision) for c in made.crds] == [
        ("gadgets", Decision.STALE),
        ("gizmos", Decision.CURRENT),
        ("widgets", Decision.CURRENT),
    ]
    # One page of CRDs; of the stale one: may we do everything, and how many objects wait.
    assert made.requests == 1 + 2
    assert made.summary is None
    assert {c.name for c in made.crds} < {c.name for c in everything.crds}


async def test_live_crds_are_listed_in_pages(embedded: Bed) -> None:
    for number in range(120):
        await embedded.apply_crd(crd(embedded.group, "v1", "v1", plural=f"kind{number:03d}s"))
    async with embedded.cluster() as cluster:
        made = await plan(cluster)
    assert len(made.crds) == 120
    assert made.requests == 3


async def test_lookups_start_while_manifests_are_still_being_read(embedded: EmbeddedBed, tmp_path: Path) -> None:
    """The second manifest is only handed out once the first one's CRD has been looked up."""

    async def serve(_: web.BaseRequest) -> web.StreamResponse:
        await embedded.server.until(lambda: any("first" in s.path for s in embedded.server.requests))
        return web.Response(text=json.dumps(crd(embedded.group, "v1", "v1", plural="seconds")))

    runner = web.ServerRunner(web.Server(serve, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        first = write(tmp_path, crd(embedded.group, "v1", "v1", plural="firsts"))
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/crds.yaml"
        async with embedded.cluster() as cluster:
            made = await plan(cluster, manifests=[first, url])
    finally:
        await runner.cleanup()
    assert [c.decision for c in made.crds] == [Decision.NEW, Decision.NEW]


async def test_a_crd_that_was_never_established_says_whose_name_it_has(bed: Bed) -> None:
    """Another CRD of the group has its kind: it is accepted, never served, and its objects cannot be listed."""
    await bed.apply_crd(crd(bed.group, "v1", "v1"))
    for storage in ("v1", "v2"):
        second = crd(bed.group, storage, "v1", "v2", plural="gadgets")
        second["spec"]["names"]["kind"] = "Widget"
        await bed.apply_crd(second, settled=False)
        if storage == "v1":
            await until_conditions(bed, f"gadgets.{bed.group}")
    answer = await bed.http.get(bed.path(second, "v1"))
    assert answer.status_code == 404
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"gadgets.{bed.group}"])
        report = await run(cluster, made, settle=0)
    (found,) = made.crds
    assert (found.decision, found.reason) == (Decision.BLOCKED, "NamesNotAccepted")
    assert "its condition NamesAccepted is False (" in found.message
    assert 'ListKindConflict: "WidgetList" is already in use' in found.message
    assert [c.outcome for c in report.crds] == [Outcome.BLOCKED]


async def until_conditions(bed: Bed, name: str) -> None:
    with anyio.fail_after(30):
        while not (await bed.live_crd(name))["status"].get("conditions"):
            await anyio.sleep(0.02)
