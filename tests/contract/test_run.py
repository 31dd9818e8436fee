"""The main job on both servers, judged by the stored bytes."""

from __future__ import annotations

import json

import pytest

from asyncmigrate import Objects, Outcome, Report, plan, run
from asyncmigrate.events import CRDFinished, Event, ObjectSettled, PageListed, RequestSent, RunFinished
from tests.bed.bed import CRDS, Bed, RealBed
from tests.bed.scenes import Manifest, crd, obj


async def migrate(bed: Bed, *, dry_run: bool = False) -> Report:
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        return await run(cluster, made, settle=0, dry_run=dry_run)


async def stale(bed: Bed, count: int, *, scope: str = "Namespaced", status: bool = False) -> Manifest:
    """A CRD whose storage has moved from v1alpha1 to v1beta1, with objects in the old version."""
    before = crd(bed.group, "v1alpha1", "v1alpha1", "v1beta1", scope=scope, status=status)
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1alpha1", f"w-{n}") for n in range(count)))
    after = crd(bed.group, "v1beta1", "v1alpha1", "v1beta1", scope=scope, status=status)
    await bed.apply_crd(after)
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1alpha1", "v1beta1"]
    return after


@pytest.mark.parametrize("scope", ["Namespaced", "Cluster"])
@pytest.mark.parametrize("status", [True, False])
async def test_every_object_is_stored_in_the_storage_version(bed: Bed, scope: str, status: bool) -> None:  # noqa: FBT001
    manifest = await stale(bed, 12, scope=scope, status=status)
    name = f"widgets.{bed.group}"
    if status:
        target = bed.path(manifest, "v1beta1", name="w-3")
        patch = {"status": {"phase": "Ready"}}
        answer = await bed.http.patch(
            f"{target}/status", json=patch, headers={"Content-Type": "application/merge-patch+json"}
        )
        assert answer.is_success
    assert "v1alpha1" in bed.stored_api_versions(name)
    report = await migrate(bed)
    [found] = report.crds
    assert (found.outcome, found.trimmed) == (Outcome.MIGRATED, True)
    assert found.objects == Objects(listed=12, rewritten=12)
    assert bed.stored_api_versions(name) == {"v1beta1"}
    assert await bed.stored_versions(name) == ["v1beta1"]
    if status:
        stored = bed.stored(name)["default" if scope == "Namespaced" else "", "w-3"]
        assert json.loads(stored)["status"] == {"phase": "Ready"}

    # Now the old version may go, and everything can still be read.
    await bed.apply_crd(crd(bed.group, "v1beta1", "v1beta1", scope=scope, status=status))
    listed = await bed.http.get(f"/apis/{bed.group}/v1beta1/widgets")
    assert len(listed.json()["items"]) == 12


async def test_a_second_run_changes_no_resource_version(bed: Bed) -> None:
    manifest = await stale(bed, 7)
    await migrate(bed)
    # Make it look stale again: the objects themselves are in order.
    name = f"widgets.{bed.group}"
    patch = {"status": {"storedVersions": ["v1alpha1", "v1beta1"]}}
    await bed.http.patch(f"{CRDS}/{name}/status", json=patch, headers={"Content-Type": "application/merge-patch+json"})
    target = bed.path(manifest, "v1beta1")
    before = bed.resource_versions((await bed.http.get(target)).json())
    report = await migrate(bed)
    assert report.crds[0].objects == Objects(listed=7, unchanged=7)
    assert bed.resource_versions((await bed.http.get(target)).json()) == before
    # And where nothing is stale, nothing but the lookup is sent.
    assert (await migrate(bed)).requests == 0


async def test_the_live_storage_version_counts_while_the_manifest_brings_the_next(bed: Bed) -> None:
    await stale(bed, 3)
    path = bed.folder / "next.json"
    path.write_text(json.dumps(crd(bed.group, "v1", "v1alpha1", "v1beta1", "v1")))
    async with bed.cluster() as cluster:
        report = await run(cluster, await plan(cluster, manifests=[path]), settle=0)
    name = f"widgets.{bed.group}"
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(name) == {"v1beta1"}
    assert await bed.stored_versions(name) == ["v1beta1"]


async def test_objects_are_reached_through_another_version_where_storage_is_not_served(bed: Bed) -> None:
    await stale(bed, 4)
    await bed.apply_crd(crd(bed.group, "v1beta1", "v1alpha1", "v1beta1", unserved=("v1beta1",)))
    report = await migrate(bed)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v1beta1"}


async def test_an_object_is_rewritten_through_the_version_that_it_was_written_in(bed: Bed) -> None:
    manifest = await stale(bed, 1)
    await bed.create(manifest, obj(manifest, "v1beta1", "new"))
    events: list[Event] = []
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        await run(cluster, made, settle=0, rewrite_all=True, managed_fields="keep", observers=[events.append])
    rewrites = sorted(
        e.target.removeprefix(f"/apis/{bed.group}/")
        for e in events
        if isinstance(e, RequestSent) and e.method == "PATCH" and "widgets/" in e.target
    )
    # Before 1.37 an object with old entries is watched when it is written, through the storage version.
    through = "v1alpha1" if bed.minor >= 37 else "v1beta1"
    wanted = [f"{through}/namespaces/default/widgets/w-0", "v1beta1/namespaces/default/widgets/new"]
    assert rewrites == sorted(wanted)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v1beta1"}


@pytest.mark.real
async def test_an_object_that_only_the_storage_versions_schema_refuses_is_reported(real_bed: RealBed) -> None:
    """Through the version that it was written in the server would take it; the embedded one checks no schemas."""
    before = crd(real_bed.group, "v1", "v1", "v2")
    await real_bed.apply_crd(before)
    await real_bed.create(before, obj(before, "v1", "w"))
    after = crd(real_bed.group, "v2", "v1", "v2")
    # The default is what changes the object: what is as it was is not held against a schema that is new (KEP-4008).
    fields = {"owner": {"type": "string"}, "tier": {"type": "string", "default": "free"}}
    spec = {"type": "object", "properties": fields, "required": ["owner"]}
    after["spec"]["versions"][1]["schema"] = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    await real_bed.apply_crd(after, settled=False)
    async with real_bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{real_bed.group}"], allow_pruning=True)
        report = await run(cluster, made, settle=3)
    [found] = report.crds
    assert (found.outcome, found.trimmed) == (Outcome.INCOMPLETE, False)
    assert [(f.name, f.code) for f in found.failures] == [("w", 422)]
    assert real_bed.stored_api_versions(f"widgets.{real_bed.group}") == {"v1"}


async def test_1201_objects_come_in_three_pages(bed: Bed) -> None:
    await stale(bed, 1201)
    events: list[Event] = []
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        report = await run(cluster, made, settle=0, observers=[events.append])
    assert report.crds[0].objects == Objects(listed=1201, rewritten=1201)
    assert [(e.objects, e.remaining) for e in events if isinstance(e, PageListed)] == [
        (500, 701),
        (500, 201),
        (201, None),
    ]
    # Three pages, a rewrite for each object, one more look at the CRD, one trim: and the events tell of each.
    sent = [e for e in events if isinstance(e, RequestSent)]
    looks = sum(e.method == "GET" and e.target.startswith(CRDS) for e in sent) - 1
    assert report.requests == len(sent) == 3 + 1201 + 1 + 1 + looks
    assert looks <= report.seconds  # at most one a second, while objects are being written
    assert sum(isinstance(e, ObjectSettled) for e in events) == 1201
    assert [e.report for e in events if isinstance(e, CRDFinished)] == [report.crds[0]]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].report == report
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v1beta1"}


async def test_a_crd_without_objects_is_just_trimmed(bed: Bed) -> None:
    await stale(bed, 0)
    report = await migrate(bed)
    assert (report.crds[0].outcome, report.crds[0].objects) == (Outcome.MIGRATED, Objects())
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1beta1"]
    assert report.requests == 3


async def test_an_object_that_is_being_deleted_is_rewritten_and_stays_so(bed: Bed) -> None:
    before = crd(bed.group, "v1alpha1", "v1alpha1", "v1beta1")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1alpha1", "w", metadata={"finalizers": ["example.com/keep"]}))
    await bed.http.delete(bed.path(before, "v1alpha1", name="w"))
    await bed.apply_crd(crd(bed.group, "v1beta1", "v1alpha1", "v1beta1"))
    report = await migrate(bed)
    assert report.crds[0].outcome is Outcome.MIGRATED
    [stored] = map(json.loads, bed.stored(f"widgets.{bed.group}").values())
    assert stored["apiVersion"].endswith("/v1beta1")
    assert stored["metadata"]["deletionTimestamp"]
    assert stored["metadata"]["finalizers"] == ["example.com/keep"]
    # The last finalizer goes, and the object with it: for the clean-up too.
    patch = {"metadata": {"finalizers": None}}
    target = bed.path(before, "v1beta1", name="w")
    await bed.http.patch(target, json=patch, headers={"Content-Type": "application/merge-patch+json"})
    assert (await bed.http.get(target)).status_code == 404


async def test_a_rehearsal_changes_nothing(bed: Bed) -> None:
    await stale(bed, 5)
    name = f"widgets.{bed.group}"
    before = bed.stored(name), await bed.live_crd(name)
    report = await migrate(bed, dry_run=True)
    [found] = report.crds
    assert report.dry_run
    assert (found.outcome, found.reason, found.trimmed) == (Outcome.SKIPPED, "Rehearsed", False)
    assert found.objects == Objects(listed=5, rewritten=5)
    assert (bed.stored(name), await bed.live_crd(name)) == before


async def test_several_crds_are_migrated_at_once(bed: Bed) -> None:
    plurals = [f"kind{n}s" for n in range(6)]
    for plural in plurals:
        before = crd(bed.group, "v1", "v1", "v2", plural=plural)
        await bed.apply_crd(before)
        await bed.create(before, *(obj(before, "v1", f"w-{n}") for n in range(10)))
        await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", plural=plural))
    async with bed.cluster() as cluster:
        report = await run(cluster, await plan(cluster, names=[f"{p}.{bed.group}" for p in plurals]), settle=0)
    assert {c.outcome for c in report.crds} == {Outcome.MIGRATED}
    for plural in plurals:
        assert bed.stored_api_versions(f"{plural}.{bed.group}") == {"v2"}
