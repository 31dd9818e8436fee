"""managedFields that a client sends by JSON patch: which of them are taken, in what form, and what else is written."""

from __future__ import annotations

import pytest

from tests.bed.bed import Bed
from tests.bed.scenes import Manifest, obj
from tests.contract.test_server_managed_fields import Widgets, fields

AT = "2024-01-01T00:00:00Z"
FIRST: Manifest = {"f:spec": {"f:first": {}}}
OTHER: Manifest = {"f:spec": {"f:other": {}}}


async def scene(bed: Bed, *, status: bool = False) -> Widgets:
    """A widget with one entry, of `first`."""
    widgets = Widgets(bed, status=status)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    await widgets.send(entry(bed, "first", FIRST))
    return widgets


def entry(bed: Bed, manager: str, owned: object, *, version: str = "v1", **more: object) -> Manifest:
    made = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": f"{bed.group}/{version}",
        "time": AT,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    } | more
    return {field: value for field, value in made.items() if value is not ...}


async def test_entries_are_taken_as_sent_and_the_sender_gets_none(bed: Bed) -> None:
    widgets = await scene(bed)
    before = await widgets.get()
    sent = [entry(bed, "m", OTHER, version="v2"), entry(bed, "m", FIRST, operation="Apply", subresource="x")]
    found = await widgets.send(*sent)
    assert found["metadata"]["managedFields"] == sent[::-1]
    assert found["metadata"]["generation"] == before["metadata"]["generation"]
    assert found["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


async def test_the_same_entries_and_other_times_write_nothing(bed: Bed) -> None:
    widgets = await scene(bed)
    before = await widgets.get()
    for time in (AT, "2025-01-01T00:00:00Z", ...):
        assert await widgets.send(entry(bed, "first", FIRST, time=time)) == before
    later = await widgets.send(entry(bed, "first", OTHER, time="2025-01-01T02:00:00.5+02:00"))
    assert later["metadata"]["managedFields"] == [entry(bed, "first", OTHER, time="2025-01-01T00:00:00Z")]


async def test_entries_are_put_in_order_and_lose_what_is_no_part_of_them(bed: Bed) -> None:
    widgets = await scene(bed)
    sent = [
        entry(bed, "z", OTHER),
        entry(bed, "b", OTHER, time="2025-01-01T00:00:00Z"),
        entry(bed, "a", OTHER, extra=1),
        entry(bed, "y", OTHER, operation="Apply", time="2026-01-01T00:00:00Z"),
        entry(bed, "timeless", OTHER, time=...),
        entry(bed, "nothing", {}),
        entry(bed, "nothing-at-all", ...),
    ]
    found = await widgets.send(*sent)
    assert [e["manager"] for e in found["metadata"]["managedFields"]] == ["y", "timeless", "a", "z", "b"]
    assert entry(bed, "a", OTHER) in found["metadata"]["managedFields"]


async def test_of_two_entries_with_one_identity_the_last_is_left(bed: Bed) -> None:
    widgets = await scene(bed)
    applies = [entry(bed, "m", owned, operation="Apply", version=v) for owned, v in ((FIRST, "v1"), (OTHER, "v2"))]
    found = await widgets.send(*applies)
    assert found["metadata"]["managedFields"] == applies[1:]
    updates = [entry(bed, "m", owned) for owned in (FIRST, OTHER)]
    found = await widgets.send(*updates)
    assert found["metadata"]["managedFields"] == updates[1:]
    apart = [entry(bed, "m", owned, version=v) for owned, v in ((FIRST, "v1"), (OTHER, "v2"))]
    found = await widgets.send(*apart)
    assert found["metadata"]["managedFields"] == apart


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ({"f:spec": {}}, {"f:spec": {}}),
        ({"f:spec": {"q:a": {}}}, {"f:spec": {}}),
        (
            {"f:l": {'k:{"b":1, "a":"x"}': {".": {}}, 'v: "x"': {}, "i:3": {}}},
            {"f:l": {'k:{"a":"x","b":1}': {}, 'v:"x"': {}, "i:3": {}}},
        ),
        ({"f:metadata": {"f:uid": {}}}, {"f:metadata": {"f:uid": {}}}),
    ],
)
async def test_fields_are_taken_in_the_form_that_go_gives_them(bed: Bed, sent: Manifest, taken: Manifest) -> None:
    widgets = await scene(bed)
    assert fields(await widgets.send(entry(bed, "m", sent))) == {("m", "v1", ""): taken}


@pytest.mark.parametrize(
    "broken",
    [
        {"operation": "Frob"},
        {"apiVersion": ...},
        {"fieldsType": ...},
        {"fieldsType": "FieldsV2"},
        {"fieldsV1": {"a": {}}},
        {"fieldsV1": {"f:l": {"k:{nope": {}}}},
        {"fieldsV1": {"f:l": {"k:[]": {}}}},
        {"fieldsV1": {"f:a": 1}},
        {"fieldsV1": 3},
    ],
)
async def test_one_entry_that_cannot_be_read_leaves_all_as_they_were(bed: Bed, broken: Manifest) -> None:
    widgets = await scene(bed)
    before = await widgets.get()
    assert await widgets.send(entry(bed, "good", OTHER), entry(bed, "bad", OTHER, **broken)) == before


@pytest.mark.parametrize("sent", [[{}], [None], "empty"])
async def test_an_empty_entry_and_entries_without_a_field_forget_all(bed: Bed, sent: list[object] | str) -> None:
    widgets = await scene(bed)
    found = await widgets.send(*([entry(bed, "m", {})] if sent == "empty" else sent))
    assert "managedFields" not in found["metadata"]
    found = await widgets.send(entry(bed, "m", OTHER))
    assert fields(found) == {("m", "v1", ""): OTHER}


async def test_no_entries_at_all_change_nothing(bed: Bed) -> None:
    widgets = await scene(bed)
    before = await widgets.get()
    assert await widgets.send() == before
    for operation in ({"op": "remove"}, {"op": "replace", "value": None}):
        answer = await widgets.json_patch(operation | {"path": "/metadata/managedFields"})
        assert answer.json() == before


async def test_entries_are_not_taken_through_the_status(bed: Bed) -> None:
    widgets = await scene(bed, status=True)
    before = await widgets.get()
    assert await widgets.send(entry(bed, "m", OTHER), sub="/status") == before


@pytest.mark.parametrize("wrong", [{"manager": 3}, {"time": "yesterday"}, {"manager": "z" * 129}, {"manager": "z\n"}])
async def test_entries_with_words_that_are_none_are_refused(bed: Bed, wrong: Manifest) -> None:
    widgets = await scene(bed)
    patch = {"op": "replace", "path": "/metadata/managedFields", "value": [entry(bed, "m", OTHER) | wrong]}
    answer = await widgets.json_patch(patch)
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")


async def test_a_change_beside_them_is_stamped_as_ever(bed: Bed) -> None:
    widgets = await scene(bed)
    sent = {"op": "replace", "path": "/metadata/managedFields", "value": [entry(bed, "m", OTHER)]}
    found = (await widgets.json_patch(sent, {"op": "replace", "path": "/spec/size", "value": 8}, by="patcher")).json()
    assert fields(found) == {("m", "v1", ""): OTHER, ("patcher", "v1", ""): {"f:spec": {"f:size": {}}}}
