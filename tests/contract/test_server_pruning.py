"""What schemas leave of objects: each version's own, when an object is written, read and stored in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bed.bed import CRDS, MERGE, Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj
from tests.bed.webhook import open_webhook
from tests.contract.test_server import said

KEEP = "x-kubernetes-preserve-unknown-fields"
NUMBER = {"type": "integer"}


def schema(**fields: Manifest) -> Manifest:
    """A schema whose spec has these fields."""
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}


BOTH = {"v1": schema(size=NUMBER, old=NUMBER), "v2": schema(size=NUMBER, new=NUMBER)}


def stored(bed: Bed, name: str) -> tuple[str, Manifest]:
    found = json.loads(bed.stored(f"widgets.{bed.group}")["default", name])
    return found["apiVersion"].rpartition("/")[2], found["spec"]


async def make(bed: Bed, storage: str = "v1", **options: Any) -> Manifest:  # noqa: ANN401 -- crd()'s own
    manifest = crd(bed.group, storage, "v1", "v2", **{"schemas": BOTH, **options})
    await bed.apply_crd(manifest)
    return manifest


async def spec_of(bed: Bed, manifest: Manifest, version: str, name: str) -> Manifest:
    return (await bed.http.get(bed.path(manifest, version, name=name))).json()["spec"]  # type: ignore[no-any-return]


async def test_an_object_is_pruned_as_it_is_written_and_as_it_is_read(bed: Bed) -> None:
    manifest = await make(bed)
    await bed.create(manifest, obj(manifest, "v1", "w", spec={"size": 1, "old": 2, "new": 3, "any": 4}, more=5))
    assert stored(bed, "w") == ("v1", {"size": 1, "old": 2})
    assert "more" not in json.loads(bed.stored(f"widgets.{bed.group}")["default", "w"])
    assert await spec_of(bed, manifest, "v1", "w") == {"size": 1, "old": 2}
    assert await spec_of(bed, manifest, "v2", "w") == {"size": 1}
    listed = (await bed.http.get(bed.path(manifest, "v2"))).json()["items"]
    assert next(o["spec"] for o in listed if o["metadata"]["name"] == "w") == {"size": 1}
    assert stored(bed, "w") == ("v1", {"size": 1, "old": 2})
    # What is written in one version is stored as the other has it.
    await bed.create(manifest, obj(manifest, "v2", "x", spec={"size": 1, "new": 2}))
    assert stored(bed, "x") == ("v1", {"size": 1})


async def test_an_empty_patch_through_another_version_prunes_an_object_that_is_current(bed: Bed) -> None:
    manifest = await make(bed)
    await bed.create(manifest, obj(manifest, "v1", "w", spec={"size": 1, "old": 2}))
    same = await bed.http.patch(bed.path(manifest, "v1", name="w"), content="{}", headers=MERGE)
    assert stored(bed, "w") == ("v1", {"size": 1, "old": 2})
    pruned = await bed.http.patch(bed.path(manifest, "v2", name="w"), content="{}", headers=MERGE)
    assert stored(bed, "w") == ("v1", {"size": 1})
    before, after = (a.json()["metadata"] for a in (same, pruned))
    assert int(after["resourceVersion"]) > int(before["resourceVersion"])
    assert (after["generation"], after["managedFields"]) == (before["generation"], before["managedFields"])


async def test_an_empty_patch_after_storage_moved_prunes_by_the_new_storage_version(bed: Bed) -> None:
    manifest = await make(bed)
    await bed.create(manifest, obj(manifest, "v1", "w", spec={"size": 1, "old": 2}))
    await make(bed, "v2")
    await bed.http.patch(bed.path(manifest, "v1", name="w"), content="{}", headers=MERGE)
    assert stored(bed, "w") == ("v2", {"size": 1})


async def test_where_storage_is_not_served_every_patch_prunes_by_the_version_that_is(bed: Bed) -> None:
    manifest = await make(bed)
    await bed.create(manifest, obj(manifest, "v1", "w", spec={"size": 1, "old": 2}))
    await make(bed, unserved=("v1",))
    assert stored(bed, "w") == ("v1", {"size": 1, "old": 2})
    await bed.http.patch(bed.path(manifest, "v2", name="w"), content="{}", headers=MERGE)
    assert stored(bed, "w") == ("v1", {"size": 1})


async def test_a_schema_that_shrinks_hides_what_is_stored_and_the_next_write_drops_it(bed: Bed) -> None:
    manifest = await make(bed)
    await bed.create(manifest, obj(manifest, "v1", "w", spec={"size": 1, "old": 2}))
    await make(bed, schemas=BOTH | {"v1": schema(size=NUMBER)})
    assert await spec_of(bed, manifest, "v1", "w") == {"size": 1}
    assert stored(bed, "w") == ("v1", {"size": 1, "old": 2})
    await bed.http.patch(bed.path(manifest, "v1", name="w"), content="{}", headers=MERGE)
    assert stored(bed, "w") == ("v1", {"size": 1})


POINT = {"type": "object", "properties": {"x": NUMBER}}
ALL = {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("below", "given", "left"),
    [
        pytest.param({"type": "object"}, ALL, {}, id="no properties"),
        pytest.param({"type": "object", KEEP: True}, ALL, ALL, id="preserved"),
        pytest.param(
            {"type": "object", KEEP: True, "properties": {"a": POINT}},
            ALL,
            {"a": {"x": 1}, "b": {"x": 1, "y": 2}},
            id="preserved but for what is known",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": POINT}, ALL, {"a": {"x": 1}, "b": {"x": 1}}, id="additional"
        ),
        pytest.param({"type": "object", "additionalProperties": True}, ALL, {"a": {}, "b": {}}, id="additional true"),
        pytest.param({"type": "array", "items": POINT}, [ALL["a"], {"z": 1}], [{"x": 1}, {}], id="items"),
        pytest.param(
            {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": POINT}},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": 1, "y": 2}, "more": 1},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": 1}},
            id="embedded resource",
        ),
        pytest.param(
            {"type": "object", "properties": {"n": {"type": "integer", "nullable": True}, "m": NUMBER}},
            {"n": None, "m": None, "o": None},
            {"n": None},
            id="nulls",
        ),
    ],
)
async def test_schemas_prune_as_they_say(bed: Bed, below: Manifest, given: Manifest, left: Manifest) -> None:
    manifest = await make(bed, schemas={"v1": schema(it=below), "v2": schema(it=below)})
    await bed.create(manifest, obj(manifest, "v1", "w", spec={"it": given}))
    assert stored(bed, "w") == ("v1", {"it": left})


async def test_what_a_conversion_webhook_makes_is_pruned(bed: Bed) -> None:
    async with open_webhook() as webhook:
        schemas = {"v1": schema(size=NUMBER, old=NUMBER), "v2": schema(replicas=NUMBER)}
        manifest = await make(bed, schemas=schemas, conversion=webhook.conversion)
        await bed.create(manifest, obj(manifest, "v1", "w", spec={"size": 1, "old": 2}))
        assert await spec_of(bed, manifest, "v2", "w") == {"replicas": 1}
        await bed.clean_up()


async def test_metadata_keeps_only_what_it_consists_of(bed: Bed) -> None:
    manifest = await make(bed)
    metadata = {"labels": {}, "annotations": {"a": "b"}, "finalizers": [], "any": 1}
    await bed.create(manifest, obj(manifest, "v1", "w", metadata=metadata))
    found = (await bed.http.get(bed.path(manifest, "v1", name="w"))).json()["metadata"]
    assert found.keys() == {
        *("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"),
        *("managedFields", "annotations"),
    }


async def test_a_new_crd_may_not_preserve_unknown_fields_as_a_whole(bed: Bed) -> None:
    manifest = crd(bed.group, "v1", "v1")
    manifest["spec"]["preserveUnknownFields"] = True
    assert said(await bed.http.post(CRDS, json=manifest))[:2] == (422, "Invalid")


async def test_an_old_crd_that_preserves_unknown_fields_prunes_nothing(embedded: EmbeddedBed) -> None:
    """Only one made long ago, through v1beta1, can be like that."""
    manifest = crd(embedded.group, "v1", "v1", "v2", schemas=BOTH)
    manifest["spec"]["preserveUnknownFields"] = True
    embedded.server.apply_crd(manifest)
    await embedded.create(manifest, obj(manifest, "v1", "w", spec={"any": 1}))
    assert await spec_of(embedded, manifest, "v2", "w") == {"any": 1}
