"""What the real server removes when it rewrites an object by another version's schema, against what the rule says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from asyncmigrate._rules.safety.pruning import Schema, lost_from, pruned_paths
from tests.bed.bed import MERGE, RealBed
from tests.bed.scenes import Manifest, crd, obj
from tests.unit.rules.test_pruning import EMBEDDED, INT_OR_STRING, KEEP, OBJECT, TEXT, fields, items, values
from tests.unit.rules.test_pruning_algorithm import covers

pytestmark = pytest.mark.real

NUMBER: Schema = {"type": "integer"}
STAMP = "2026-01-01T00:00:00Z"
OWNER = {"apiVersion": "v1", "kind": "K", "name": "a", "uid": "u", "controller": True, "blockOwnerDeletion": True}
MANAGED = {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": STAMP, "fieldsType": "FieldsV1"}
MANAGED_FIELDS = MANAGED | {"subresource": "status", "fieldsV1": {"f:a": {"f:b": {}}}}
# Every field of an ObjectMeta, and some that two of its parts do not have.
FULL_META = {
    "name": "a",
    "generateName": "a",
    "namespace": "a",
    "selfLink": "a",
    "uid": "u",
    "resourceVersion": "1",
    "generation": 1,
    "creationTimestamp": STAMP,
    "deletionTimestamp": STAMP,
    "deletionGracePeriodSeconds": 1,
    "labels": {"k": "v"},
    "annotations": {"k": "v"},
    "finalizers": ["example.com/a"],
    "ownerReferences": [OWNER | {"more": "x"}],
    "managedFields": [MANAGED_FIELDS | {"more": "x"}],
}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"k": "v"}}}

# The schema of spec in v1 and in v2, an object's spec, and the paths of what is lost of it.
CASES: dict[str, tuple[Schema, Schema, Any, list[str]]] = {
    "nothing": (fields(a=TEXT), fields(a=TEXT, b=TEXT), {"a": "x"}, []),
    "a field": (fields(a=TEXT, b=fields(c=TEXT)), fields(a=TEXT), {"a": "x", "b": {"c": "y"}}, ["spec.b"]),
    "a field that the object has not": (fields(a=TEXT, b=TEXT), fields(a=TEXT), {"a": "x"}, []),
    "a field of list items": (
        items(fields(a=TEXT, b=TEXT)),
        items(fields(a=TEXT)),
        [{"a": "x", "b": "y"}, {"a": "z"}, {"b": ""}],
        ["spec[].b"],
    ),
    "a field of a map's values": (
        values(fields(a=TEXT, b=TEXT)),
        values(fields(a=TEXT)),
        {"k": {"a": "x", "b": "y"}, "l": {"b": "z"}},
        ["spec.k.b", "spec.l.b"],
    ),
    "keys of a map": (values(TEXT), fields(a=TEXT), {"a": "x", "b": "y"}, ["spec.b"]),
    "what is in an open map": (
        values(KEEP),
        values(schema=True),
        {"a": {"b": {"c": 1}}, "d": 1, "e": [{"f": 1}, 2]},
        ["spec.a.b", "spec.e[].f"],
    ),
    "fields that a map keeps": (fields(a=TEXT, b=TEXT), values(TEXT), {"a": "x", "b": "y"}, []),
    "unknown fields": (KEEP | fields(a=TEXT), fields(a=TEXT), {"a": "x", "b": {"c": 1}}, ["spec.b"]),
    "unknown fields that are kept, but those of a known one": (
        KEEP | OBJECT,
        KEEP | fields(a=fields(b=TEXT)),
        {"a": {"b": "x", "c": 1}, "d": {"e": 1}},
        ["spec.a.c"],
    ),
    "unknown fields below a known one that keeps its own": (
        KEEP | OBJECT,
        fields(a=KEEP | fields(b=OBJECT)),
        {"a": {"b": {"c": 1}, "d": {"e": 1}}, "f": 1},
        ["spec.a.b.c", "spec.f"],
    ),
    "unknown fields of a list's items, which the list keeps": (
        KEEP | {"type": "array", "items": KEEP | OBJECT},
        KEEP | {"type": "array", "items": fields(a=OBJECT)},
        [{"a": {"b": 1}, "c": {"d": 1}}],
        ["spec[].a.b"],
    ),
    "an embedded resource's metadata": (
        fields(a=EMBEDDED | fields(spec=TEXT, b=TEXT)),
        fields(a=EMBEDDED | fields(spec=TEXT)),
        {"a": POD | {"spec": "x", "b": "y"}},
        ["spec.a.b"],
    ),
    "the metadata of what was an embedded resource": (
        fields(a=EMBEDDED | fields(spec=TEXT)),
        fields(a=fields(spec=TEXT, metadata=fields(name=TEXT))),
        {"a": POD | {"spec": "x"}},
        ["spec.a.apiVersion", "spec.a.kind", "spec.a.metadata.labels"],
    ),
    "what becomes an embedded resource": (
        fields(a=KEEP | OBJECT),
        fields(a=EMBEDDED | KEEP),
        {"a": POD | {"b": 1}},
        [],
    ),
    "a number, or a text": (fields(a=NUMBER, b=TEXT), fields(a=INT_OR_STRING, b=INT_OR_STRING), {"a": 1, "b": "x"}, []),
    "what only checks values": (
        fields(a=TEXT, b=TEXT),
        fields(a=TEXT) | {"anyOf": [{"required": ["b"]}, {"required": ["a"]}]},
        {"a": "x", "b": "y"},
        ["spec.b"],
    ),
    "an object that becomes a text": (
        fields(a=fields(b=TEXT)),
        fields(a=TEXT),
        {"a": {"b": "x"}},
        ["spec.a.b"],
    ),
    "an object that becomes a list, and back": (
        fields(a=fields(b=TEXT), c=items(fields(b=TEXT))),
        fields(a=items(fields(b=TEXT)), c=fields(b=TEXT)),
        {"a": {"b": "x"}, "c": [{"b": "x"}]},
        ["spec.a.b", "spec.c[].b"],
    ),
}


async def test_the_server_removes_what_the_rule_says(real_bed: RealBed) -> None:
    gone: dict[str, list[str]] = {}
    told: dict[str, list[str]] = {}
    uncovered: list[tuple[str, ...]] = []

    async def one(case: str, number: int) -> None:
        old, new, spec, _ = CASES[case]
        before, after = await rewritten(real_bed, fields(spec=old), fields(spec=new), spec, plural=f"kind{number}s")
        paths = set(missing(before["spec"], after["spec"], ("spec",)))
        gone[case] = sorted(".".join(path).replace(".[]", "[]") for path in paths)
        told[case] = list(lost_from(before, fields(spec=new)))
        patterns = pruned_paths(fields(spec=old), fields(spec=new))
        uncovered.extend(path for path in paths if not any(covers(pattern, path) for pattern in patterns))

    async with anyio.create_task_group() as tasks:  # most of the time the server takes to notice a changed CRD
        for number, case in enumerate(CASES):
            tasks.start_soon(one, case, number)
    assert gone == {case: lost for case, (_, _, _, lost) in CASES.items()}
    assert told == gone
    assert not uncovered


async def test_the_server_drops_nulls_too_and_another_rule_tells(real_bed: RealBed) -> None:
    old = fields(a=TEXT | {"nullable": True}, b=TEXT | {"nullable": True})
    new = fields(a=TEXT, b=TEXT | {"default": "x"})
    spec = {"a": None, "b": None}
    before, after = await rewritten(real_bed, fields(spec=old), fields(spec=new), spec)
    assert before["spec"] == spec
    assert after["spec"] == {"b": "x"}
    assert lost_from(before, fields(spec=new)) == pruned_paths(fields(spec=old), fields(spec=new)) == ()


async def rewritten(
    bed: RealBed, old: Schema, new: Schema, spec: object, *, plural: str = "widgets"
) -> tuple[Manifest, Manifest]:
    """An object's stored bytes before and after an empty patch, once v2 with the schema `new` has become storage."""
    made = crd(bed.group, "v1", "v1", "v2", plural=plural)
    for version, schema in zip(made["spec"]["versions"], (old, new), strict=True):
        version["schema"] = {"openAPIV3Schema": schema}
    name, key = made["metadata"]["name"], ("default", "w")
    await bed.apply_crd(made)
    await bed.create(made, obj(made, "v1", "w", spec=spec))
    before = json.loads(bed.stored(name)[key])
    for version in made["spec"]["versions"]:
        version["storage"] = version["name"] == "v2"
    await bed.apply_crd(made)
    assert json.loads(bed.stored(name)[key]) == before
    answer = await bed.http.patch(bed.path(made, "v2", name="w"), content=b"{}", headers=MERGE)
    assert answer.is_success, answer.text
    after = json.loads(bed.stored(name)[key])
    assert (before["apiVersion"], after["apiVersion"]) == (f"{bed.group}/v1", f"{bed.group}/v2")
    return before, after


def missing(before: object, after: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The fields of one value that another one lacks."""
    if isinstance(before, dict):
        assert isinstance(after, dict)
        for key, value in before.items():
            if key in after:
                yield from missing(value, after[key], (*path, key))
            else:
                yield (*path, key)
    elif isinstance(before, list):
        assert isinstance(after, list)
        for item, other in zip(before, after, strict=True):
            yield from missing(item, other, (*path, "[]"))
    else:
        assert before == after
