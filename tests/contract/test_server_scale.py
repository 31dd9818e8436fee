"""The scale subresource of custom resources, and whose the replicas are."""

from __future__ import annotations

import json

from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest, obj
from tests.contract.test_server_managed_fields import APPLY, Widgets, fields, times

PATHS = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
OWNED: Manifest = {"f:spec": {"f:replicas": {}}}


async def scene(bed: Bed, **spec: int) -> Widgets:
    widgets = Widgets(bed, status=True, scale=PATHS)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w", spec=spec), "maker")
    return widgets


async def scale(widgets: Widgets, replicas: int, by: str, version: str = "v1") -> Manifest:
    return await widgets.patch(f"{widgets.path(version)}/scale", {"spec": {"replicas": replicas}}, by)


async def test_a_scale_shows_the_replicas_and_changes_them(bed: Bed) -> None:
    widgets = await scene(bed, replicas=1, size=1)
    status = {"status": {"replicas": 3, "selector": "a=b"}}
    await widgets.patch(f"{widgets.path()}/status", status, "controller")
    live = await widgets.get()
    shown = (await bed.http.get(f"{widgets.path()}/scale")).json()
    meta = live["metadata"]
    assert shown == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {f: meta[f] for f in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
        "spec": {"replicas": 1},
        "status": {"replicas": 3, "selector": "a=b"},
    }
    assert (await scale(widgets, 2, "patcher"))["spec"] == {"replicas": 2}
    answer = await bed.http.put(f"{widgets.path()}/scale", json=shown)
    assert answer.status_code == 409
    shown["spec"]["replicas"] = 5
    del shown["metadata"]["resourceVersion"]
    assert (await bed.http.put(f"{widgets.path()}/scale", json=shown)).json()["spec"] == {"replicas": 5}
    found = await widgets.get()
    assert (found["spec"], found["metadata"]["generation"]) == ({"replicas": 5, "size": 1}, 3)
    operation = {"op": "replace", "path": "/spec/replicas", "value": 9}
    assert (await widgets.json_patch(operation, sub="/scale")).json()["spec"] == {"replicas": 9}


async def test_who_scales_owns_the_replicas_without_a_time(bed: Bed) -> None:
    widgets = await scene(bed, replicas=1, size=1)
    for replicas in (2, 3):
        await scale(widgets, replicas, "scaler")
        found = await widgets.get()
        assert fields(found) == {
            ("maker", "v1", ""): {"f:spec": {".": {}, "f:size": {}}},
            ("scaler", "v1", "scale"): OWNED,
        }
        assert times(found)["scaler"] == ""
    await scale(widgets, 4, "other")
    assert fields(await widgets.get())["other", "v1", "scale"] == OWNED
    assert ("scaler", "v1", "scale") not in fields(await widgets.get())


async def test_replicas_that_nobody_owns_stay_so(bed: Bed) -> None:
    widgets = await scene(bed, size=1)
    missing = await bed.http.get(f"{widgets.path()}/scale")
    why = 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist'
    assert (missing.status_code, missing.json()["message"]) == (500, why)
    await scale(widgets, 2, "scaler")
    found = await widgets.get()
    assert found["spec"] == {"size": 1, "replicas": 2}
    assert fields(found) == {("maker", "v1", ""): {"f:spec": {".": {}, "f:size": {}}}}


async def test_a_scale_to_what_it_is_splits_the_entry_of_its_owner(bed: Bed) -> None:
    widgets = await scene(bed, replicas=1, size=1)
    await scale(widgets, 1, "scaler")
    entries = (await widgets.get())["metadata"]["managedFields"]
    assert [(e["manager"], e["fieldsV1"]) for e in entries] == [
        ("maker", OWNED),
        ("maker", {"f:spec": {".": {}, "f:size": {}}}),
    ]


async def test_an_entry_that_was_moved_goes_on_and_others_of_a_gone_version_are_dropped(bed: Bed) -> None:
    widgets = await scene(bed, replicas=1, size=1)
    await scale(widgets, 2, "scaler")
    await widgets.drop("v1", "v2")
    entries = (await widgets.get("v2"))["metadata"]["managedFields"]
    moved = {e["manager"]: e | {"apiVersion": f"{bed.group}/v2"} for e in entries}
    sent = await widgets.send(*moved.values(), version="v2")
    assert set(fields(sent)) == {("maker", "v2", ""), ("scaler", "v2", "scale")}
    await scale(widgets, 3, "scaler", "v2")
    assert fields(await widgets.get("v2"))["scaler", "v2", "scale"] == OWNED


async def test_a_scale_drops_the_entries_of_a_version_that_is_gone(bed: Bed) -> None:
    widgets = await scene(bed, replicas=1, size=1)
    await scale(widgets, 2, "scaler")
    await widgets.drop("v1", "v2")
    assert {v for _, v, _ in fields(await widgets.get("v2"))} == {"v1"}
    await scale(widgets, 3, "scaler", "v2")
    assert fields(await widgets.get("v2")) == {}


async def test_what_is_no_number_of_replicas_is_refused(bed: Bed) -> None:
    widgets = await scene(bed, replicas=1)
    negative = await bed.http.patch(f"{widgets.path()}/scale", json={"spec": {"replicas": -1}}, headers=MERGE)
    why = f'Widget.{bed.group} "w" is invalid: .spec.replicas: Invalid value: -1: should be a non-negative integer'
    assert (negative.status_code, negative.json()["message"]) == (422, why)
    word = await bed.http.patch(f"{widgets.path()}/scale", json={"spec": {"replicas": "a"}}, headers=MERGE)
    assert word.status_code == 422
    await bed.http.delete(widgets.path())
    gone = await bed.http.patch(f"{widgets.path()}/scale", json={"spec": {"replicas": 1}}, headers=MERGE)
    assert (gone.status_code, gone.json()["message"]) == (404, f'widgets.{bed.group} "w" not found')


async def test_a_scale_cannot_be_applied(bed: Bed) -> None:
    widgets = await scene(bed, replicas=1)
    config = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "w"}, "spec": {"replicas": 2}}
    params = {"fieldManager": "m", "force": "true"}
    answer = await bed.http.patch(f"{widgets.path()}/scale", params=params, content=json.dumps(config), headers=APPLY)
    why = "request to convert CR to an invalid group/version: autoscaling/v1"
    assert (answer.status_code, answer.json()["message"].endswith(why)) == (500, True)


async def test_what_has_no_scale_serves_none(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    assert (await bed.http.get(f"{widgets.path()}/scale")).status_code == 404
