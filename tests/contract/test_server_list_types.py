"""Lists and maps as their schema wants them: item by item or as one value, for updates and for applies."""

from __future__ import annotations

import pytest

from tests.bed.bed import Bed
from tests.bed.scenes import Manifest, obj
from tests.contract.test_server_apply import applied, structural
from tests.contract.test_server_managed_fields import Widgets, fields

PROPERTIES = {"name": {"type": "string"}, "v": {"type": "integer"}}
ITEM: Manifest = {"type": "object", "properties": PROPERTIES, "required": ["name"]}
WHOLE: Manifest = {"type": "array", "items": ITEM}
KEYED: Manifest = WHOLE | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
TAGS: Manifest = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
ONE: Manifest = {"type": "object", "x-kubernetes-map-type": "atomic", "properties": PROPERTIES}
ALL = structural(size={"type": "integer"}, items=KEYED, tags=TAGS, whole=WHOLE, one=ONE)
AN_ITEM: Manifest = {".": {}, "f:name": {}}


def both(first: Manifest, second: Manifest) -> dict[str, Manifest]:
    """Schemas of v1 and v2 that differ in their items."""
    return {v: structural(size={"type": "integer"}, items=items) for v, items in (("v1", first), ("v2", second))}


async def test_who_updates_owns_the_items_that_it_sets(bed: Bed) -> None:
    widgets = Widgets(bed, schemas={"v1": ALL, "v2": ALL})
    await widgets.make()
    spec = {"items": [{"name": "a", "v": 1}], "tags": ["x"], "whole": [{"name": "a"}], "one": {"name": "a"}}
    made = await widgets.create(obj(widgets.manifest(), "v1", "w", spec=spec), "maker")
    assert fields(made) == {
        ("maker", "v1", ""): {
            "f:spec": {
                ".": {},
                "f:items": {".": {}, 'k:{"name":"a"}': AN_ITEM | {"f:v": {}}},
                "f:tags": {".": {}, 'v:"x"': {}},
                "f:whole": {},
                "f:one": {},
            }
        }
    }
    change = {"items": [{"name": "a", "v": 2}, {"name": "b"}], "tags": ["x", "y"], "one": {"v": 1}}
    found = await widgets.patch(widgets.path(), {"spec": change}, "changer")
    assert fields(found)["changer", "v1", ""] == {
        "f:spec": {
            "f:items": {'k:{"name":"a"}': {"f:v": {}}, 'k:{"name":"b"}': AN_ITEM},
            "f:tags": {'v:"y"': {}},
            "f:one": {},
        }
    }


async def test_an_apply_merges_items_and_removes_its_own(bed: Bed) -> None:
    widgets = Widgets(bed, schemas={"v1": ALL, "v2": ALL})
    await widgets.make()
    await widgets.apply({"tags": ["b", "a"], "items": [{"name": "x", "v": 1}, {"name": "y"}]}, "m")
    found = (await widgets.apply({"tags": ["c", "a"], "items": [{"name": "z"}, {"name": "x"}]}, "n")).json()
    assert found["spec"] == {
        "tags": ["b", "c", "a"],
        "items": [{"name": "z"}, {"name": "x", "v": 1}, {"name": "y"}],
    }
    conflict = await widgets.apply({"items": [{"name": "x", "v": 3}]}, "o")
    assert conflict.json()["details"]["causes"][0]["field"] == '.spec.items[name="x"].v'
    found = (await widgets.apply({"tags": ["a"]}, "m")).json()
    assert found["spec"] == {"tags": ["c", "a"], "items": [{"name": "z"}, {"name": "x"}]}
    assert applied(found, "m") == {"f:spec": {"f:tags": {'v:"a"': {}}}}
    assert applied(found, "n")["f:spec"]["f:items"] == {'k:{"name":"x"}': AN_ITEM, 'k:{"name":"z"}': AN_ITEM}


async def test_one_value_is_applied_as_a_whole(bed: Bed) -> None:
    widgets = Widgets(bed, schemas={"v1": ALL, "v2": ALL})
    await widgets.make()
    await widgets.apply({"whole": [{"name": "a"}, {"name": "b"}], "one": {"name": "a", "v": 1}}, "m")
    conflict = await widgets.apply({"whole": [{"name": "a"}], "one": {"name": "a"}}, "n")
    assert sorted(c["field"] for c in conflict.json()["details"]["causes"]) == [".spec.one", ".spec.whole"]
    found = (await widgets.apply({"whole": [{"name": "b"}], "one": {"v": 2}}, "m")).json()
    assert found["spec"] == {"whole": [{"name": "b"}], "one": {"v": 2}}
    assert applied(found, "m") == {"f:spec": {"f:one": {}, "f:whole": {}}}


async def test_owners_of_an_object_are_kept_apart_by_uid_and_each_is_one_value(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
    found = await widgets.patch(widgets.path(), {"metadata": {"ownerReferences": [owner]}}, "owner")
    assert fields(found)["owner", "v1", ""] == {"f:metadata": {"f:ownerReferences": {".": {}, 'k:{"uid":"1"}': {}}}}


@pytest.mark.parametrize(
    ("items", "why"),
    [
        (
            [{"name": "a"}, {"name": "a"}],
            '.spec.items: duplicate entries for key [name="a"]',
        ),
        (
            [{"v": 1}],
            '.spec.items: element 0: associative list with keys has an element that omits all key fields ["name"] '
            "(and doesn't have default values for any key fields)",
        ),
    ],
)
async def test_items_that_cannot_be_told_apart_are_not_applied(bed: Bed, items: list[Manifest], why: str) -> None:
    widgets = Widgets(bed, schemas={"v1": ALL, "v2": ALL})
    await widgets.make()
    answer = await widgets.apply({"items": items}, "m")
    assert answer.status_code == 500
    assert answer.json()["message"].endswith(why)


@pytest.mark.parametrize("moved", [True, False])
async def test_a_list_that_was_one_value_does_not_lose_an_item_that_its_applier_leaves_out(
    bed: Bed, *, moved: bool
) -> None:
    widgets = Widgets(bed, schemas=both(WHOLE, KEYED))
    await widgets.make()
    items = [{"name": "a", "v": 1}, {"name": "b", "v": 2}]
    made = (await widgets.apply({"size": 1, "items": items}, "m")).json()
    if moved:
        [entry] = made["metadata"]["managedFields"]
        found = await widgets.send(entry | {"apiVersion": f"{bed.group}/v2"}, version="v2")
        assert applied(found, "m") == {"f:spec": {"f:items": {}, "f:size": {}}}
    found = (await widgets.apply({"size": 1, "items": items[:1]}, "m", "v2")).json()
    assert found["spec"]["items"] == items
    assert applied(found, "m")["f:spec"]["f:items"] == {'k:{"name":"a"}': AN_ITEM | {"f:v": {}}}
    found = (await widgets.apply({"size": 1}, "m", "v2")).json()
    assert found["spec"] == {"size": 1}


@pytest.mark.parametrize("moved", [True, False])
async def test_items_that_became_one_value_are_owned_as_one(bed: Bed, *, moved: bool) -> None:
    widgets = Widgets(bed, schemas=both(KEYED, WHOLE))
    await widgets.make()
    items = [{"name": "a", "v": 1}, {"name": "b", "v": 2}]
    made = (await widgets.apply({"size": 1, "items": items}, "m")).json()
    if moved:
        [entry] = made["metadata"]["managedFields"]
        found = await widgets.send(entry | {"apiVersion": f"{bed.group}/v2"}, version="v2")
        assert applied(found, "m") == {"f:spec": {"f:items": {}, "f:size": {}}}
    found = (await widgets.apply({"size": 1, "items": items[:1]}, "m", "v2")).json()
    assert found["spec"]["items"] == items[:1]
    assert applied(found, "m") == {"f:spec": {"f:items": {}, "f:size": {}}}
    found = (await widgets.apply({"size": 1}, "m", "v2")).json()
    assert found["spec"] == {"size": 1}
