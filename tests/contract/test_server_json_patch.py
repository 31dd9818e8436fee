"""JSON patches: their operations, and how those that do not apply are answered."""

from __future__ import annotations

import json

import pytest

from tests.bed.bed import Bed
from tests.bed.scenes import Manifest, obj
from tests.contract.test_server_managed_fields import JSON_PATCH, Widgets, fields

REJECTED = "the server rejected our request due to an error in our request"


def op(kind: str, path: str, **more: object) -> Manifest:
    return {"op": kind, "path": path} | more


async def scene(bed: Bed) -> Widgets:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w", spec={"size": 2, "list": [1, 2], "a/b~c": 3}), "maker")
    return widgets


@pytest.mark.parametrize(
    ("operations", "spec"),
    [
        ([op("add", "/spec/more", value={"a": 1})], {"more": {"a": 1}}),
        ([op("add", "/spec/list/-", value=3), op("add", "/spec/list/0", value=0)], {"list": [0, 1, 2, 3]}),
        ([op("replace", "/spec/list/1", value=9), op("remove", "/spec/list/0")], {"list": [9]}),
        ([op("replace", "/spec/none", value=1)], {"none": 1}),
        ([op("replace", "/spec/a~1b~0c", value=4)], {"a/b~c": 4}),
        ([op("copy", "/spec/twin", **{"from": "/spec/size"})], {"twin": 2}),
        ([op("move", "/spec/size", **{"from": "/spec/list/0"})], {"size": 1, "list": [2]}),
        (
            [op("add", "/spec/map", value={"a": 1, "b": 2}), op("test", "/spec/map", value={"b": 2, "a": 1})],
            {"map": {"a": 1, "b": 2}},
        ),
        ([op("test", "/spec/none", value=None)], {}),
        ([], {}),
    ],
)
async def test_operations(bed: Bed, operations: list[Manifest], spec: Manifest) -> None:
    widgets = await scene(bed)
    before = await widgets.get()
    answer = await widgets.json_patch(*operations)
    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"] == before["spec"] | spec
    assert (answer.json() == before) is not bool(spec)


@pytest.mark.parametrize(
    "operation",
    [
        op("test", "/spec/size", value=3),
        op("test", "/spec/size", value=2.0),
        op("test", "/spec/none", value=1),
        op("test", "/spec/a/b", value=1),
        op("add", "/spec/a/b", value=1),
        op("add", "/spec/list/9", value=1),
        op("replace", "/spec/list/9", value=1),
        op("remove", "/spec/list/9"),
        op("remove", "/spec/none"),
        op("remove", "/metadata/labels"),
        op("add", "spec", value=1),
        op("frob", "/spec/size", value=1),
        {"op": "add", "value": 1},
    ],
)
async def test_what_does_not_apply_has_one_answer_and_changes_nothing(bed: Bed, operation: Manifest) -> None:
    widgets = await scene(bed)
    before = await widgets.get()
    answer = await widgets.json_patch(op("add", "/spec/more", value=1), operation)
    said = answer.json()
    assert (answer.status_code, said["reason"], said["message"], said["details"]) == (422, "Invalid", REJECTED, {})
    assert await widgets.get() == before


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"op": "add"}, "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        ([1], "json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
    ],
)
async def test_what_is_no_patch_is_a_bad_request(bed: Bed, body: object, why: str) -> None:
    widgets = await scene(bed)
    answer = await bed.http.patch(widgets.path(), content=json.dumps(body), headers=JSON_PATCH)
    assert (answer.status_code, answer.json()["message"]) == (400, f"error decoding patch: {why}")
    assert (await bed.http.patch(widgets.path(), content="{{{", headers=JSON_PATCH)).status_code == 400
    other = await bed.http.patch(widgets.path(), content="[]", headers={"Content-Type": "text/plain"})
    said = (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
    assert (other.status_code, other.json()["message"]) == (415, said)


async def test_the_resource_version_is_a_precondition_and_a_failed_test_comes_before_it(bed: Bed) -> None:
    widgets = await scene(bed)
    old = (await widgets.get())["metadata"]
    await widgets.patch(widgets.path(), {"spec": {"size": 5}}, "other")
    stale = op("replace", "/metadata/resourceVersion", value=old["resourceVersion"])
    answer = await widgets.json_patch(op("test", "/metadata/uid", value=old["uid"]), stale)
    said = (
        f'Operation cannot be fulfilled on widgets.{bed.group} "w": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (answer.status_code, answer.json()["message"]) == (409, said)
    both = await widgets.json_patch(op("test", "/metadata/uid", value="another"), stale)
    assert (both.status_code, both.json()["message"]) == (422, REJECTED)
    no_number = await widgets.json_patch(op("replace", "/metadata/resourceVersion", value="abc"))
    assert no_number.status_code == 500
    none = await widgets.json_patch(op("remove", "/metadata/resourceVersion"))
    why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    assert (none.status_code, none.json()["message"]) == (422, f'widgets.{bed.group} "w" is invalid: {why}')


async def test_an_object_that_is_not_there_is_not_found(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    answer = await widgets.json_patch(op("test", "/metadata/uid", value="x"))
    assert (answer.status_code, answer.json()["message"]) == (404, f'widgets.{bed.group} "w" not found')


async def test_who_patches_owns_what_changes(bed: Bed) -> None:
    widgets = await scene(bed)
    found = (await widgets.json_patch(op("replace", "/spec/size", value=7), by="patcher")).json()
    assert fields(found)["patcher", "v1", ""] == {"f:spec": {"f:size": {}}}
    assert found["metadata"]["generation"] == 2
