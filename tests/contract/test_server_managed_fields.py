"""Who owns which fields, as metadata.managedFields says: what a write leaves there, and what leaves no trace."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.bed.bed import CRDS, MERGE, Bed
from tests.bed.scenes import Manifest, crd, obj

APPLY = {"Content-Type": "application/apply-patch+yaml"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
NAMES: Manifest = {"f:kind": {}, "f:listKind": {}, "f:plural": {}, "f:singular": {}}
CONDITION: Manifest = {
    ".": {},
    "f:lastTransitionTime": {},
    "f:message": {},
    "f:reason": {},
    "f:status": {},
    "f:type": {},
}
MADE: Manifest = {
    "f:conversion": {".": {}, "f:strategy": {}},
    "f:group": {},
    "f:names": NAMES,
    "f:scope": {},
    "f:versions": {},
}


class Widgets:
    """A CRD of widgets with versions v1 and v2, made by `maker`, and writers with names."""

    def __init__(self, bed: Bed, **options: Any) -> None:  # noqa: ANN401 -- crd()'s own
        self.bed = bed
        self.options = options
        self.crd = f"{CRDS}/widgets.{bed.group}"

    def manifest(self, storage: str = "v1", *versions: str) -> Manifest:
        return crd(self.bed.group, storage, *(versions or ("v1", "v2")), **self.options)

    def path(self, version: str = "v1", name: str = "w") -> str:
        return self.bed.path(self.manifest(), version, name=name)

    async def make(self) -> Manifest:
        """Create the CRD, and wait until the server has written its status and serves it."""
        name = f"widgets.{self.bed.group}"
        self.bed.made.add(name)
        assert (await self.bed.http.post(CRDS, params={"fieldManager": "maker"}, json=self.manifest())).is_success
        await self.bed.settle(self.manifest())
        return await self.bed.live_crd(name)

    async def create(self, body: Manifest, by: str, version: str = "v1") -> Manifest:
        target = self.bed.path(self.manifest(), version)
        return _json(await self.bed.http.post(target, params={"fieldManager": by}, json=body))

    async def patch(self, target: str, body: Manifest, by: str) -> Manifest:
        return _json(await self.bed.http.patch(target, params={"fieldManager": by}, json=body, headers=MERGE))

    async def get(self, version: str = "v1") -> Manifest:
        return _json(await self.bed.http.get(self.path(version)))

    async def apply(
        self,
        spec: Manifest | None,
        by: str,
        version: str = "v1",
        *,
        force: bool = False,
        sub: str = "",
        **more: object,
    ) -> httpx.Response:
        """Apply a configuration to the widget, which may be refused; without `spec` it has none."""
        config = {"apiVersion": f"{self.bed.group}/{version}", "kind": "Widget", "metadata": {"name": "w"}} | more
        params = {"fieldManager": by} | ({"force": "true"} if force else {})
        body = json.dumps(config | ({} if spec is None else {"spec": spec}))
        return await self.bed.http.patch(self.path(version) + sub, params=params, content=body, headers=APPLY)

    async def json_patch(
        self, *operations: Manifest, version: str = "v1", by: str = "patcher", sub: str = ""
    ) -> httpx.Response:
        return await self.bed.http.patch(
            self.path(version) + sub, params={"fieldManager": by}, content=json.dumps(operations), headers=JSON_PATCH
        )

    async def send(self, *entries: object, version: str = "v1", sub: str = "") -> Manifest:
        """Replace the managedFields of the widget by JSON patch, if nobody else has written it."""
        meta = (await self.get(version))["metadata"]
        return _json(
            await self.json_patch(
                {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
                {"op": "replace", "path": "/metadata/managedFields", "value": entries},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
                version=version,
                sub=sub,
            )
        )

    async def drop(self, version: str, left: str) -> None:
        """Bring the widget to the storage version `left`, and take `version` out of the CRD."""
        await self.bed.apply_crd(self.manifest(left))
        await self.patch(self.path(left), {}, "rewriter")
        trim = {"status": {"storedVersions": [left]}}
        _json(await self.bed.http.patch(f"{self.crd}/status", json=trim, headers=MERGE))
        await self.bed.apply_crd(self.manifest(left, *(v for v in ("v1", "v2") if v != version)))

    async def move(self, storage: str, by: str, *versions: str) -> Manifest:
        """Change the CRD's spec with a PUT."""
        live = _json(await self.bed.http.get(self.crd))
        body = live | {"spec": self.manifest(storage, *versions)["spec"]}
        return _json(await self.bed.http.put(self.crd, params={"fieldManager": by}, json=body))


def _json(answer: httpx.Response) -> Manifest:
    assert answer.is_success, answer.text
    return answer.json()  # type: ignore[no-any-return]


def fields(found: Manifest) -> dict[tuple[str, str, str], Manifest]:
    """What each writer owns, by its name, version and subresource."""
    return {
        (e["manager"], e["apiVersion"].rpartition("/")[2], e.get("subresource", "")): e["fieldsV1"]
        for e in found["metadata"].get("managedFields", ())
    }


def times(found: Manifest) -> dict[str, str]:
    return {e["manager"]: e.get("time", "") for e in found["metadata"].get("managedFields", ())}


async def test_a_new_crd_belongs_to_who_made_it_and_its_status_to_the_server(bed: Bed) -> None:
    found = await Widgets(bed).make()
    assert fields(found) == {
        ("maker", "v1", ""): {"f:spec": MADE},
        ("kube-apiserver", "v1", "status"): {
            "f:status": {
                "f:acceptedNames": NAMES,
                "f:conditions": {
                    'k:{"type":"Established"}': CONDITION,
                    'k:{"type":"NamesAccepted"}': CONDITION,
                },
            }
        },
    }


async def test_who_moves_storage_takes_the_versions_and_a_manager_with_nothing_left_is_gone(bed: Bed) -> None:
    widgets = Widgets(bed)
    made = await widgets.make()
    await bed.pass_time(1.1)
    moved = await widgets.move("v2", "mover")
    assert moved["status"]["storedVersions"] == ["v1", "v2"]  # and nobody owns that
    rest = {field: below for field, below in MADE.items() if field != "f:versions"}
    assert fields(moved) == fields(made) | {
        ("maker", "v1", ""): {"f:spec": rest},
        ("mover", "v1", ""): {"f:spec": {"f:versions": {}}},
    }
    assert times(moved)["mover"] > times(moved)["maker"] == times(made)["maker"]
    back = await widgets.move("v1", "other")
    assert ("mover", "v1", "") not in fields(back)
    assert fields(back)["other", "v1", ""] == {"f:spec": {"f:versions": {}}}


async def test_a_trim_is_stamped_apart_and_one_that_changes_nothing_is_not(bed: Bed) -> None:
    widgets = Widgets(bed)
    made = await widgets.make()
    trimmed = await widgets.patch(f"{widgets.crd}/status", {"status": {"storedVersions": ["v1", "v2"]}}, "trimmer")
    assert fields(trimmed) == fields(made) | {("trimmer", "v1", "status"): {"f:status": {"f:storedVersions": {}}}}
    again = await widgets.patch(f"{widgets.crd}/status", {"status": {"storedVersions": ["v1", "v2"]}}, "late")
    assert again["metadata"] == trimmed["metadata"]


async def test_a_condition_of_another_writer_stays_and_is_his_own(bed: Bed) -> None:
    widgets = Widgets(bed)
    made = await widgets.make()
    condition = {
        "type": "StorageMigrating",
        "status": "True",
        "reason": "Running",
        "message": "under way",
        "lastTransitionTime": "2024-01-01T00:00:00Z",
    }
    body = {"status": {"conditions": [*made["status"]["conditions"], condition]}}
    await widgets.patch(f"{widgets.crd}/status", body, "migrator")
    found = await widgets.move("v2", "mover")
    assert condition in found["status"]["conditions"]
    assert fields(found)["migrator", "v1", "status"] == {
        "f:status": {"f:conditions": {'k:{"type":"StorageMigrating"}': CONDITION}}
    }
    assert "f:conditions" in fields(found)["kube-apiserver", "v1", "status"]["f:status"]


async def test_a_writer_of_an_object_gets_the_leaves_that_it_sets(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    body = obj(widgets.manifest(), "v1", "w", spec={"size": 1, "deep": {"list": [1], "map": {}}})
    body["metadata"] |= {"labels": {"a": "b"}, "annotations": {}, "finalizers": ["example.com/x"]}
    made = await widgets.create(body, "maker")
    assert fields(made) == {
        ("maker", "v1", ""): {
            "f:metadata": {
                "f:finalizers": {".": {}, 'v:"example.com/x"': {}},
                "f:labels": {".": {}, "f:a": {}},
            },
            "f:spec": {".": {}, "f:size": {}, "f:deep": {".": {}, "f:list": {}, "f:map": {}}},
        }
    }
    changed = await widgets.patch(
        widgets.path(), {"spec": {"size": {"now": 1}, "deep": {"list": [1, 2], "map": {"k": 1}}}}, "changer"
    )
    assert fields(changed)["changer", "v1", ""] == {
        "f:spec": {"f:size": {".": {}, "f:now": {}}, "f:deep": {"f:list": {}, "f:map": {"f:k": {}}}}
    }
    assert fields(changed)["maker", "v1", ""]["f:spec"] == {".": {}, "f:deep": {".": {}, "f:map": {}}}
    await widgets.patch(widgets.path(), {"metadata": {"finalizers": None}}, "cleaner")


async def test_conditions_of_an_object_are_one_value_where_its_schema_does_not_tell_them_apart(bed: Bed) -> None:
    widgets = Widgets(bed, status=True)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    body = {"status": {"conditions": [{"type": "Ready"}, {"type": "Fine"}]}}
    found = await widgets.patch(f"{widgets.path()}/status", body, "one")
    assert fields(found)["one", "v1", "status"] == {"f:status": {".": {}, "f:conditions": {}}}


async def test_writes_that_only_remove_or_change_nothing_leave_no_stamp(bed: Bed) -> None:
    widgets = Widgets(bed)
    await widgets.make()
    made = await widgets.create(obj(widgets.manifest(), "v1", "w", spec={"size": 1, "more": 2}), "maker")
    await bed.pass_time(1.1)
    after = await widgets.patch(widgets.path(), {"spec": {"more": None, "size": 1}}, "remover")
    assert fields(after) == {("maker", "v1", ""): {"f:spec": {".": {}, "f:size": {}}}}
    assert times(after) == times(made)
    same = await widgets.patch(widgets.path(), {"spec": {"size": 1}}, "idler")
    assert same == after


async def test_entries_are_kept_apart_by_version_and_subresource(bed: Bed) -> None:
    widgets = Widgets(bed, status=True)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "one")
    await widgets.patch(widgets.path("v2"), {"spec": {"more": 1}}, "one")
    found = await widgets.patch(f"{widgets.path()}/status", {"status": {"ready": True}}, "one")
    assert fields(found) == {
        ("one", "v1", ""): {"f:spec": {".": {}, "f:size": {}}},
        ("one", "v2", ""): {"f:spec": {"f:more": {}}},
        ("one", "v1", "status"): {"f:status": {".": {}, "f:ready": {}}},
    }
    taken = await widgets.patch(widgets.path("v2"), {"spec": {"size": 2}}, "two")
    assert fields(taken)["one", "v1", ""] == {"f:spec": {}}  # of the spec just that it is there
