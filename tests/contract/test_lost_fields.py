"""No field is lost: what a rewrite would prune, or convert there and back, is not written unasked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from asyncmigrate import CRDReport, Decision, Outcome, Plan, PrunedObjects, Report, plan, run
from asyncmigrate.events import Event, RequestSent
from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest, crd, obj
from tests.bed.webhook import serve_tls


def schema(**fields: str) -> Manifest:
    """A schema whose spec has just these fields, each of a type."""
    properties = {name: {"type": kind} for name, kind in fields.items()}
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


WIDE = schema(size="integer", legacy="string")
NARROW = schema(size="integer")


async def planned(bed: Bed, **how: Any) -> Plan:  # noqa: ANN401 -- plan's own options
    async with bed.cluster() as cluster:
        return await plan(cluster, names=[f"widgets.{bed.group}"], **how)


async def migrate(bed: Bed, *, dry_run: bool = False, **how: Any) -> CRDReport:  # noqa: ANN401
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"], **how)
        report: Report = await run(cluster, made, settle=0, dry_run=dry_run)
    return report.crds[0]


def specs(bed: Bed) -> dict[str, Manifest]:
    return {name: json.loads(data)["spec"] for (_, name), data in bed.stored(f"widgets.{bed.group}").items()}


# A narrower storage schema under conversion None.


async def narrowed(bed: Bed, *, objects: int = 3) -> None:
    """Objects stored in v1, of which the first two hold a field that v2, the storage version, lacks."""
    before = crd(bed.group, "v1", "v1", "v2", schemas={"v1": WIDE, "v2": NARROW})
    await bed.apply_crd(before)
    for number in range(objects):
        more = {"legacy": "kept"} if number < 2 else {}
        await bed.create(before, obj(before, "v1", f"w-{number}", spec={"size": 1} | more))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", schemas={"v1": WIDE, "v2": NARROW}))


async def test_fields_that_the_storage_version_lacks_block_and_nothing_is_written(bed: Bed) -> None:
    await narrowed(bed)
    [found] = (await planned(bed)).crds
    assert (found.decision, found.reason) == (Decision.BLOCKED, "FieldsWouldBePruned")
    assert "spec.legacy" in found.message
    assert found.live
    assert found.live.pruned == ("spec.legacy",)
    assert (await migrate(bed)).outcome is Outcome.BLOCKED
    assert specs(bed)["w-0"] == {"size": 1, "legacy": "kept"}
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v1"}


async def test_a_rehearsal_counts_the_objects_that_would_lose_fields(bed: Bed) -> None:
    await narrowed(bed)
    before = bed.stored(f"widgets.{bed.group}")
    found = await migrate(bed, dry_run=True)
    assert (found.outcome, found.reason) == (Outcome.BLOCKED, "FieldsWouldBePruned")
    assert found.pruning == PrunedObjects(fields=("spec.legacy",), objects=2, read=3, example="default/w-0")
    assert "2 of 3 objects would lose spec.legacy, such as default/w-0" in found.message
    assert bed.stored(f"widgets.{bed.group}") == before


async def test_pruning_that_is_allowed_goes_ahead(bed: Bed) -> None:
    await narrowed(bed)
    rehearsed = await migrate(bed, dry_run=True, allow_pruning=True)
    assert (rehearsed.outcome, rehearsed.reason) == (Outcome.SKIPPED, "Rehearsed")
    assert "2 of 3 objects would lose spec.legacy" in rehearsed.message
    assert (await migrate(bed, allow_pruning=True)).outcome is Outcome.MIGRATED
    assert specs(bed) == {f"w-{n}": {"size": 1} for n in range(3)}


async def test_a_null_that_the_storage_version_does_not_keep_blocks_too(bed: Bed) -> None:
    maybe = schema(size="integer")
    maybe["properties"]["spec"]["properties"]["size"]["nullable"] = True
    schemas = {"v1": maybe, "v2": NARROW}
    before = crd(bed.group, "v1", "v1", "v2", schemas=schemas)
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w-0", spec={"size": None}), obj(before, "v1", "w-1"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", schemas=schemas))
    found = await migrate(bed, dry_run=True)
    assert (found.outcome, found.reason) == (Outcome.BLOCKED, "FieldsWouldBePruned")
    assert found.pruning == PrunedObjects(fields=("spec.size",), objects=1, read=2, example="default/w-0")
    assert specs(bed)["w-0"] == {"size": None}


async def test_schemas_that_differ_in_what_prunes_nothing_are_no_obstacle(bed: Bed) -> None:
    described = schema(size="integer", legacy="string")
    described["properties"]["spec"] |= {"description": "what is wanted", "required": ["size"]}
    before = crd(bed.group, "v1", "v1", "v2", schemas={"v1": WIDE, "v2": described})
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w", spec={"size": 1, "legacy": "kept"}))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", schemas={"v1": WIDE, "v2": described}))
    assert (await migrate(bed)).outcome is Outcome.MIGRATED
    assert specs(bed) == {"w": {"size": 1, "legacy": "kept"}}


async def test_what_a_manifest_would_prune_and_require_is_a_warning(bed: Bed) -> None:
    live = crd(bed.group, "v1", "v1", schemas={"v1": WIDE})
    await bed.apply_crd(live)
    narrow = schema(size="integer", owner="string")
    narrow["properties"]["spec"]["required"] = ["owner"]
    path = bed.folder / "next.json"
    path.write_text(json.dumps(crd(bed.group, "v2", "v1", "v2", schemas={"v1": WIDE, "v2": narrow})))
    async with bed.cluster() as cluster:
        [found] = (await plan(cluster, manifests=[path])).crds
    assert found.decision is Decision.CURRENT
    assert found.changes
    assert (found.changes.prunes, found.changes.requires) == (("spec.legacy",), ("spec.owner",))


# A storage version that is not served.


async def test_a_storage_version_that_is_not_served_blocks_unless_another_one_is_its_like(bed: Bed) -> None:
    """An empty patch through another version would prune what is current already."""
    schemas = {"v1": NARROW, "v2": WIDE}
    before = crd(bed.group, "v1", "v1", "v2", schemas=schemas)
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "old"))
    after = await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", schemas=schemas))
    await bed.create(after, obj(after, "v2", "current", spec={"size": 1, "legacy": "kept"}))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", schemas=schemas, unserved=("v2",)))
    found = await migrate(bed)
    assert (found.outcome, found.reason) == (Outcome.BLOCKED, "StorageVersionNotServed")
    assert "serve v2 for the migration" in found.message
    assert specs(bed)["current"] == {"size": 1, "legacy": "kept"}
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", schemas=schemas))
    assert (await migrate(bed)).outcome is Outcome.MIGRATED
    assert specs(bed) == {"old": {"size": 1}, "current": {"size": 1, "legacy": "kept"}}


# Schemas that are equal, and a webhook that converts.


async def forgetful(request: web.BaseRequest) -> web.StreamResponse:
    """Converts v2 to v1 without `spec.new`, which v1 has no place for, and cannot bring it up again."""
    review = await request.json()
    asked = review["request"]
    objects = []
    for found in asked["objects"]:
        spec = dict(found.get("spec", {}))
        if asked["desiredAPIVersion"].endswith("/v1"):
            spec.pop("new", None)
        objects.append(found | {"apiVersion": asked["desiredAPIVersion"], "spec": spec})
    response = {"uid": asked["uid"], "result": {"status": "Success"}, "convertedObjects": objects}
    return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})


@pytest.fixture
async def conversion() -> AsyncIterator[Manifest]:
    async with serve_tls(forgetful, "/convert") as client:
        yield {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}


async def test_an_object_is_never_taken_down_and_up_again_by_a_webhook(conversion: Manifest, bed: Bed) -> None:
    before = crd(bed.group, "v1", "v1", "v2", conversion=conversion)
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "old"))
    after = await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", conversion=conversion))
    # Its managedFields are in v1, and it is current: v2's own field is in it.
    await bed.create(before, obj(before, "v1", "current"))
    path = bed.path(after, "v2", name="current")
    (await bed.http.patch(path, json={"spec": {"new": "kept"}}, headers=MERGE)).raise_for_status()
    events: list[Event] = []
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        report = await run(cluster, made, settle=0, rewrite_all=True, observers=[events.append])
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert specs(bed)["current"]["new"] == "kept"
    rewrites = [
        e.target for e in events if isinstance(e, RequestSent) and e.method == "PATCH" and "/widgets/" in e.target
    ]
    assert rewrites
    assert all(f"/{bed.group}/v2/" in target for target in rewrites)
