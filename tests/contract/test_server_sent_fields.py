"""Entries of metadata.managedFields that clients send or forget, and those that keep a write from leaving its own."""

from __future__ import annotations

import anyio
import pytest

from tests.bed.bed import Bed
from tests.bed.scenes import Manifest, obj
from tests.contract.test_server_managed_fields import Widgets, fields, times

API = "apiextensions.k8s.io/v1"
FAR = "2099-01-01T00:00:00Z"


def entry(manager: str, api_version: str, owned: Manifest, time: str = FAR) -> Manifest:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    }


@pytest.mark.parametrize("of", ["crd", "object"])
async def test_entries_that_a_client_sends_stand_as_they_are_until_somebody_takes_their_fields(
    bed: Bed, of: str
) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    target, version = (widgets.crd, API) if of == "crd" else (widgets.path(), f"{bed.group}/v1")
    owned: Manifest = {"f:spec": {"f:versions": {}, "f:scope": {}} if of == "crd" else {"f:size": {}, "f:b": {}}}
    forged = [entry("ghost", version, owned), entry("liar", version, owned)]
    after = await widgets.patch(target, {"metadata": {"managedFields": forged}}, "liar")
    assert times(after) == {"ghost": FAR, "liar": FAR}
    # The liar's own gets the time of its change, and the ghost keeps what nobody changes.
    if of == "crd":
        after = await widgets.move("v2", "liar")
        assert fields(after)["ghost", "v1", ""] == {"f:spec": {"f:scope": {}}}
    else:
        after = await widgets.patch(target, {"spec": {"size": 2}}, "liar")
        assert fields(after)["ghost", "v1", ""] == {"f:spec": {"f:b": {}}}
    assert fields(after)["liar", "v1", ""] == owned
    assert times(after)["ghost"] == FAR > times(after)["liar"]
    # What a client leaves out is forgotten.
    kept = {"metadata": {"managedFields": [entry("ghost", version, owned)]}}
    assert times(await widgets.patch(target, kept, "liar")) == {"ghost": FAR}


@pytest.mark.parametrize("of", ["crd", "object"])
async def test_where_nobody_is_tracked_no_write_leaves_a_stamp(bed: Bed, of: str) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    target = widgets.crd if of == "crd" else widgets.path()
    assert times(await widgets.patch(target, {"metadata": {"managedFields": [{}]}}, "one")) == {}
    if of == "crd":
        assert times(await widgets.move("v2", "mover")) == {}
        status = {"status": {"storedVersions": ["v2", "v1"]}}
        assert times(await widgets.patch(f"{target}/status", status, "trimmer")) == {}
    else:
        assert times(await widgets.patch(target, {"spec": {"size": 2}}, "changer")) == {}


async def test_an_empty_list_forgets_the_entries_of_a_crd_and_not_those_of_an_object(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    assert times(await widgets.patch(widgets.path(), {"metadata": {"managedFields": []}}, "one"))
    assert times(await widgets.patch(widgets.crd, {"metadata": {"managedFields": []}}, "one")) == {}


async def test_what_no_entry_is_made_of_and_what_comes_through_the_status_is_not_taken(bed: Bed) -> None:
    widgets = Widgets(bed)
    made = await widgets.make()
    for wrong in ([{"manager": "x"}], [entry("x", API, {}) | {"operation": "Guess"}], None):
        after = await widgets.patch(widgets.crd, {"metadata": {"managedFields": wrong}}, "one")
        assert fields(after) == fields(made)
    forged = [entry("ghost", API, {"f:spec": {"f:versions": {}}})]
    after = await widgets.patch(f"{widgets.crd}/status", {"metadata": {"managedFields": forged}}, "one")
    assert fields(after) == fields(made)


async def test_on_creation_others_keep_only_what_the_object_has_not(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    body = obj(widgets.manifest(), "v1", "w")
    forged = entry("ghost", f"{bed.group}/v1", {"f:spec": {"f:size": {}, "f:other": {}}})
    made = await widgets.create(body | {"metadata": body["metadata"] | {"managedFields": [forged]}}, "maker")
    assert fields(made) == {
        ("ghost", "v1", ""): {"f:spec": {"f:other": {}}},
        ("maker", "v1", ""): {"f:spec": {".": {}, "f:size": {}}},
    }
    assert times(made)["ghost"] == FAR
    body = obj(widgets.manifest(), "v1", "w2")
    cleared = await widgets.create(body | {"metadata": body["metadata"] | {"managedFields": [{}]}}, "maker")
    assert times(cleared).keys() == {"maker"}


async def test_an_entry_in_a_version_that_is_no_more_goes_from_a_crd_with_any_write(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    forged = [entry("old", "nonsense.example.com/v9", {"f:spec": {"f:scope": {}}}), entry("kept", API, {"f:spec": {}})]
    after = await widgets.patch(widgets.crd, {"metadata": {"managedFields": forged}}, "one")
    assert times(after) == {"kept": FAR}


async def test_an_entry_in_a_version_that_the_crd_dropped_makes_writes_leave_no_stamp(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v2", "w"), "maker", "v2")
    await widgets.move("v1", "mover", "v1")
    with anyio.fail_after(20):  # until the server takes the change up
        while (await bed.http.get(widgets.path("v2"))).is_success:
            await anyio.sleep(0.02)
    after = await widgets.patch(widgets.path(), {"spec": {"size": 2}}, "changer")
    assert after["spec"] == {"size": 2}
    assert "changer" not in times(after)


async def test_an_entry_in_a_version_whose_schema_lacks_a_field_makes_writes_leave_no_stamp(bed: Bed) -> None:
    def schema(*names: str) -> Manifest:
        known = {name: {"type": "integer"} for name in names}
        return {"type": "object", "properties": {"spec": {"type": "object", "properties": known}}}

    widgets = Widgets(bed, schemas={"v1": schema("size", "old"), "v2": schema("size", "new")})
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v2", "w"), "maker", "v2")
    stamped = await widgets.patch(widgets.path(), {"spec": {"size": 2}}, "first")
    assert fields(stamped)["first", "v1", ""] == {"f:spec": {"f:size": {}}}
    after = await widgets.patch(widgets.path(), {"spec": {"old": 2}}, "second")
    assert after["spec"] == {"size": 2, "old": 2}
    assert "second" not in times(after)
