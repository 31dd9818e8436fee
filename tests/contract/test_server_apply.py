"""Server-side apply: what it sets and removes, whose fields are then whose, and when it is refused."""

from __future__ import annotations

import pytest

from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest, obj
from tests.contract.test_server_managed_fields import APPLY, Widgets, fields, times


def applied(found: Manifest, by: str, sub: str = "") -> Manifest:
    """What an applier owns."""
    [entry] = [
        e
        for e in found["metadata"]["managedFields"]
        if (e["manager"], e["operation"], e.get("subresource", "")) == (by, "Apply", sub)
    ]
    return entry["fieldsV1"]  # type: ignore[no-any-return]


def structural(**spec: Manifest) -> Manifest:
    """A schema that names the fields of its spec."""
    properties = {
        "spec": {"type": "object", "properties": spec},
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    }
    return {"type": "object", "properties": properties}


SIZES = {v: structural(size={"type": "integer"}, color={"type": "string"}) for v in ("v1", "v2")}


async def test_an_apply_makes_what_is_not_there_and_owns_just_what_it_says(bed: Bed) -> None:
    widgets = Widgets(bed, schemas=SIZES)
    await widgets.make()
    answer = await widgets.apply({"size": 1}, "m", metadata={"name": "w", "labels": {"a": "b"}})
    assert answer.status_code == 201
    found = answer.json()
    assert found["metadata"]["generation"] == 1
    assert fields(found) == {("m", "v1", ""): {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:size": {}}}}
    assert [e["operation"] for e in found["metadata"]["managedFields"]] == ["Apply"]
    assert (await widgets.get()) == found


async def test_fields_that_the_schema_does_not_name_are_owned_with_what_holds_them(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    found = (await widgets.apply({"a": {"b": 1, "c": {}}, "list": [1], "none": None}, "m")).json()
    assert applied(found, "m") == {
        "f:spec": {".": {}, "f:a": {".": {}, "f:b": {}, "f:c": {}}, "f:list": {}, "f:none": {}}
    }
    assert found["spec"]["none"] is None


async def test_yaml_is_read_and_a_rehearsal_stores_nothing(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    spec = "spec:\n  size: 4\n  day: 2024-01-01\n  7: true\n"
    config = f"apiVersion: {bed.group}/v1\nkind: Widget\nmetadata:\n  name: w\n{spec}"
    params = {"fieldManager": "m", "dryRun": "All"}
    answer = await bed.http.patch(widgets.path(), params=params, content=config, headers=APPLY)
    assert answer.status_code == 201
    assert (await bed.http.get(widgets.path())).status_code == 404
    del params["dryRun"]
    answer = await bed.http.patch(widgets.path(), params=params, content=config, headers=APPLY)
    assert answer.json()["spec"] == {"size": 4, "day": "2024-01-01", "7": True}


async def test_what_its_manager_leaves_out_goes_unless_somebody_else_holds_it(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.apply({"mine": 1, "ours": 2, "his": 3, "kept": 4}, "m")
    assert (await widgets.apply({"ours": 2}, "other")).status_code == 200
    await widgets.patch(widgets.path(), {"spec": {"his": 5, "free": 6}}, "updater")
    found = (await widgets.apply({"kept": 4}, "m")).json()
    assert found["spec"] == {"kept": 4, "ours": 2, "his": 5, "free": 6}
    assert applied(found, "m") == {"f:spec": {".": {}, "f:kept": {}}}
    gone = (await widgets.apply(None, "m")).json()
    assert gone["spec"] == {"ours": 2, "his": 5, "free": 6}
    assert ("m", "v1", "") not in fields(gone)


async def test_an_apply_that_changes_nothing_writes_nothing_and_a_first_one_has_no_time(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    made = (await widgets.apply({"size": 1}, "m")).json()
    await bed.pass_time(1.1)
    assert (await widgets.apply({"size": 1}, "m")).json() == made
    shared = (await widgets.apply({"size": 1}, "other")).json()
    assert times(shared) == {"m": times(made)["m"], "other": ""}
    assert applied(shared, "other") == applied(shared, "m") == {"f:spec": {".": {}, "f:size": {}}}


async def test_others_fields_are_a_conflict_and_force_takes_them(bed: Bed) -> None:
    widgets = Widgets(bed, schemas=SIZES)
    await widgets.make()
    await widgets.apply({"size": 1, "color": "red"}, "m")
    await widgets.patch(widgets.path(), {"metadata": {"labels": {"a": "b"}}}, "updater")
    answer = await widgets.apply({"size": 2}, "other")
    assert answer.status_code == 409
    assert answer.json()["message"] == 'Apply failed with 1 conflict: conflict with "m": .spec.size'
    more = await widgets.apply({"size": 2, "color": "blue"}, "other")
    assert more.json()["message"] == 'Apply failed with 2 conflicts: conflicts with "m":\n- .spec.color\n- .spec.size'
    assert more.json()["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "m"', "field": f".spec.{field}"}
        for field in ("color", "size")
    ]
    updated = await widgets.apply({}, "other", metadata={"name": "w", "labels": {"a": "c"}})
    assert updated.json()["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "updater" using {bed.group}/v1',
            "field": ".metadata.labels.a",
        }
    ]
    taken = (await widgets.apply({"size": 2}, "other", force=True)).json()
    assert taken["spec"] == {"size": 2, "color": "red"}
    assert fields(taken) == {
        ("m", "v1", ""): {"f:spec": {"f:color": {}}},
        ("other", "v1", ""): {"f:spec": {"f:size": {}}},
        ("updater", "v1", ""): {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}},
    }


async def test_who_applies_in_another_version_has_one_entry_still(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.apply({"size": 1, "more": 2}, "m")
    found = (await widgets.apply({"size": 1}, "m", "v2")).json()
    assert fields(found) == {("m", "v2", ""): {"f:spec": {".": {}, "f:size": {}}}}
    assert found["spec"] == {"size": 1}


async def test_the_status_is_applied_through_its_subresource_and_is_an_entry_of_its_own(bed: Bed) -> None:
    widgets = Widgets(bed, schemas=SIZES, status=True)
    await widgets.make()
    await widgets.apply({"size": 1}, "m", status={"ready": True})
    answer = await widgets.apply({"size": 7}, "m", sub="/status", status={"ready": False})
    found = answer.json()
    assert (answer.status_code, found["spec"], found["status"]) == (200, {"size": 1}, {"ready": False})
    assert applied(found, "m") == {"f:spec": {"f:size": {}}}
    assert applied(found, "m", "status") == {"f:status": {"f:ready": {}}}
    gone = await bed.http.delete(widgets.path())
    assert gone.is_success
    assert (await widgets.apply(None, "m", sub="/status", status={"ready": True})).status_code == 404


async def test_who_applies_where_nobody_is_tracked_meets_one_who_set_all_of_it(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w", spec={"a": 1, "b": 2}), "maker")
    assert "managedFields" not in (await widgets.send({}))["metadata"]
    answer = await widgets.apply({"a": 3}, "m")
    assert answer.json()["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "before-first-apply" using {bed.group}/v1',
            "field": ".spec.a",
        }
    ]
    found = (await widgets.apply({"a": 1}, "m")).json()
    assert fields(found) == {
        ("m", "v1", ""): {"f:spec": {".": {}, "f:a": {}}},
        ("before-first-apply", "v1", ""): {"f:spec": {".": {}, "f:a": {}, "f:b": {}}},
    }


async def test_an_entry_of_a_version_that_is_gone_fails_every_apply_until_it_is_moved(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.apply({"size": 1, "more": 2}, "m")
    await widgets.drop("v1", "v2")
    for by in ("m", "other"):
        answer = await widgets.apply({"size": 1}, by, "v2")
        said = f"request to convert CR to an invalid group/version: {bed.group}/v1"
        assert (answer.status_code, answer.json()["message"]) == (500, said)
        assert "reason" not in answer.json()
    entries = (await widgets.get("v2"))["metadata"]["managedFields"]
    await widgets.send(*(e | {"apiVersion": f"{bed.group}/v2"} for e in entries), version="v2")
    found = (await widgets.apply({"size": 1}, "m", "v2")).json()
    assert found["spec"] == {"size": 1}
    assert fields(found) == {("m", "v2", ""): {"f:spec": {".": {}, "f:size": {}}}}


async def test_an_entry_of_a_version_whose_schema_lacks_a_field_of_the_object_fails_applies_too(bed: Bed) -> None:
    more = structural(size={"type": "integer"}, more={"type": "integer"})
    widgets = Widgets(bed, schemas=SIZES | {"v2": more})
    await widgets.make()
    await bed.apply_crd(widgets.manifest("v2"))
    await widgets.apply({"size": 1}, "m")
    adding = await widgets.apply({"more": 1}, "other", "v2")
    said = ".spec.more: field not declared in schema"
    assert (adding.status_code, adding.json()["message"]) == (500, f"failed to convert new object: {said}")
    await widgets.patch(widgets.path("v2"), {"spec": {"more": 1}}, "updater")
    later = await widgets.apply({"size": 1}, "other", "v2")
    # Before 1.37 the patch has taken all owners away (kubernetes#136919), and nobody is in the way.
    assert (later.status_code, later.json().get("message")) == ((500, said) if bed.minor >= 37 else (200, None))


async def test_a_field_that_the_other_schema_lacks_is_no_hindrance_to_an_entry_that_was_moved(bed: Bed) -> None:
    lacking = structural(size={"type": "integer"})
    widgets = Widgets(bed, schemas=SIZES | {"v2": lacking})
    await widgets.make()
    await widgets.apply({"size": 1, "color": "red"}, "m")
    entries = (await widgets.get("v2"))["metadata"]["managedFields"]
    moved = await widgets.send(*(e | {"apiVersion": f"{bed.group}/v2"} for e in entries), version="v2")
    assert applied(moved, "m") == {"f:spec": {"f:color": {}, "f:size": {}}}
    assert (await widgets.apply({"size": 1}, "other", "v2")).status_code == 200
    found = (await widgets.apply({"size": 1}, "m", "v2")).json()
    assert applied(found, "m") == {"f:spec": {"f:size": {}}}


async def test_fields_that_the_object_does_not_have_are_no_hindrance(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    made = (await widgets.apply({"size": 1}, "m")).json()
    [entry] = made["metadata"]["managedFields"]
    ghosts = {"f:size": {}, "f:ghost": {"f:deep": {}}, "f:list": {'k:{"name":"x"}': {".": {}, "f:name": {}}}}
    await widgets.send(entry | {"fieldsV1": {"f:spec": ghosts}})
    found = (await widgets.apply({"size": 2}, "m")).json()
    assert found["spec"] == {"size": 2}
    assert applied(found, "m") == {"f:spec": {".": {}, "f:size": {}}}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"size": 1, "foo": 1}, ".spec.foo: field not declared in schema"),
        ({"size": "x"}, ".spec.size: expected numeric (int or float), got string"),
    ],
)
async def test_what_the_schema_does_not_allow_is_an_internal_error(bed: Bed, spec: Manifest, why: str) -> None:
    widgets = Widgets(bed, schemas=SIZES)
    await widgets.make()
    answer = await widgets.apply(spec, "m")
    said = f"failed to create typed patch object (/w; {bed.group}/v1, Kind=Widget): {why}"
    assert (answer.status_code, answer.json()["message"]) == (500, said)


async def test_a_spec_of_which_nothing_is_left_is_null_and_so_refused_where_it_has_a_type(bed: Bed) -> None:
    widgets = Widgets(bed, schemas=SIZES)
    await widgets.make()
    await widgets.apply({"size": 1}, "m")
    answer = await widgets.apply({}, "m")
    why = 'spec: Invalid value: "null": spec in body must be of type object: "null"'
    assert (answer.status_code, answer.json()["message"]) == (422, f'Widget.{bed.group} "w" is invalid: {why}')
    assert (await widgets.get())["spec"] == {"size": 1}


async def test_applies_are_refused_for_their_form(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    nobody = await bed.http.patch(widgets.path(), content="{}", headers=APPLY)
    said = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    assert (nobody.status_code, nobody.json()["message"]) == (422, said)
    forced = await bed.http.patch(widgets.path(), params={"force": "true"}, json={}, headers=MERGE)
    said = 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
    assert (forced.status_code, forced.json()["message"]) == (422, said)
    await widgets.apply({"size": 1}, "m")
    version = (await widgets.get())["metadata"]["resourceVersion"]
    await widgets.apply({"size": 2}, "m")
    for more, code, said in (
        ({"kind": "Frob"}, 400, f"invalid object type: {bed.group}/v1, Kind=Frob"),
        ({"apiVersion": f"{bed.group}/v2"}, 400, f"invalid object type: {bed.group}/v2, Kind=Widget"),
        ({"metadata": {"name": "x"}}, 400, "the name of the object (x) does not match the name on the URL (w)"),
        ({"metadata": {"name": "w", "managedFields": [{}]}}, 400, "metadata.managedFields must be nil"),
        ({"metadata": {"name": "w", "resourceVersion": version}}, 409, "the object has been modified"),
    ):
        answer = await widgets.apply({"size": 1}, "m", **more)
        assert (answer.status_code, said in answer.json()["message"]) == (code, True), answer.text
