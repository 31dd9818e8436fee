"""What pruning by another schema removes."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmigrate._rules.safety.pruning import ANYTHING, Schema, lost_from, newly_required, pruned_paths

KEEP: Schema = {"x-kubernetes-preserve-unknown-fields": True}
EMBEDDED: Schema = {"type": "object", "x-kubernetes-embedded-resource": True}
INT_OR_STRING: Schema = {"x-kubernetes-int-or-string": True}
TEXT: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}
META = ("apiVersion", "kind", "metadata")
META_FIELDS = (
    *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers"),
    "managedFields",
)


def fields(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def values(schema: object) -> Schema:
    return {"type": "object", "additionalProperties": schema}


def items(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


OBJECT_META = fields(**{k: KEEP for k in META_FIELDS if k not in {"labels", "finalizers"}})

# What `spec` is by the old schema, and by the new one, and what is lost below it.
LOST: dict[str, tuple[Schema, Schema, list[str]]] = {
    "nothing changes: nothing is lost": (fields(a=TEXT), fields(a=TEXT), []),
    "a field more: nothing": (fields(a=TEXT), fields(a=TEXT, b=TEXT), []),
    "a field less: that field": (fields(a=TEXT, b=TEXT), fields(a=TEXT), ["spec.b"]),
    "an object less: not what is below": (fields(a=fields(b=fields(c=TEXT))), fields(a=OBJECT), ["spec.a.b"]),
    "several fields less: in alphabetical order": (
        fields(c=TEXT, a=TEXT, b=TEXT),
        fields(b=TEXT),
        ["spec.a", "spec.c"],
    ),
    "a field of list items less": (items(fields(a=TEXT, b=TEXT)), items(fields(a=TEXT)), ["spec[].b"]),
    "a field of a list's list's items less": (
        fields(a=items(items(fields(b=TEXT)))),
        fields(a=items(items(OBJECT))),
        ["spec.a[][].b"],
    ),
    "a field of a map's values less": (values(fields(a=TEXT, b=TEXT)), values(fields(b=TEXT)), ["spec.*.a"]),
    "a map of texts that becomes a map of anything": (values(TEXT), values(KEEP), []),
    "a map of texts that is open": (values(TEXT), values(schema=True), []),
    "a map of texts that is closed keeps its keys": (values(TEXT), values(schema=False), []),
    "a map of objects that is open: what is in them": (values(fields(a=TEXT)), values(schema=True), ["spec.*.a"]),
    "a map of objects that is closed: what is in them": (values(fields(a=TEXT)), values(schema=False), ["spec.*.a"]),
    "an open map keeps no objects' fields": (values(schema=True), fields(a=TEXT), ["spec.*"]),
    "a map that becomes fields: every other key": (values(TEXT), fields(a=TEXT), ["spec.*"]),
    "fields that become a map": (fields(a=TEXT, b=fields(c=TEXT)), values(TEXT), ["spec.b.c"]),
    "a map that keeps unknown fields": (values(TEXT), KEEP | fields(a=TEXT), []),
    "a map that keeps unknown fields, but not those of a known one": (
        values(fields(a=TEXT, b=TEXT)),
        KEEP | fields(k=fields(a=TEXT)),
        ["spec.k.b"],
    ),
    "unknown fields are not kept any more": (KEEP | OBJECT, OBJECT, ["spec.*"]),
    "unknown fields are not kept any more, whatever it may be": (KEEP, OBJECT, ["spec.*"]),
    "unknown fields are not kept any more, and a known one has gone": (
        KEEP | fields(a=fields(b=TEXT), c=TEXT),
        fields(a=OBJECT),
        ["spec.*", "spec.a.b", "spec.c"],
    ),
    "unknown fields become known ones: every other": (KEEP | OBJECT, fields(a=TEXT), ["spec.*"]),
    "unknown fields become a map of texts: what is below them": (KEEP | OBJECT, values(TEXT), ["spec.*.*"]),
    "unknown fields become a map of anything": (KEEP | OBJECT, values(KEEP), []),
    "unknown fields are kept: what is below a known one": (
        KEEP | OBJECT,
        KEEP | fields(a=fields(b=TEXT)),
        ["spec.a.*"],
    ),
    "unknown fields are kept: below a known one too": (KEEP | OBJECT, KEEP | fields(a=KEEP), []),
    "unknown fields are kept for the first time": (fields(a=fields(b=TEXT)), KEEP | OBJECT, []),
    "unknown fields are kept, but known ones' are not": (
        fields(a=fields(b=TEXT), c=TEXT),
        KEEP | fields(a=OBJECT),
        ["spec.a.b"],
    ),
    "unknown fields in list items are not kept any more": (items(KEEP | OBJECT), items(OBJECT), ["spec[].*"]),
    "a list hands on that unknown fields are kept": (items(fields(a=TEXT)), KEEP | items(OBJECT), []),
    "a list hands on that unknown fields are kept, but not by a field": (
        items(fields(a=fields(b=TEXT))),
        KEEP | items(fields(a=OBJECT)),
        ["spec[].a.b"],
    ),
    "a list of anything becomes one of texts": (KEEP | {"type": "array"}, items(TEXT), ["spec[].*"]),
    "a map or a list of anything, of which only the list's items had fields": (
        KEEP | {"additionalProperties": TEXT, "items": fields(a=TEXT)},
        OBJECT,
        ["spec.*", "spec[].*", "spec[].a"],
    ),
    "false is no way to ask for unknown fields": (
        fields(a=TEXT),
        {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
        ["spec.a"],
    ),
    "an embedded resource keeps its metadata": (EMBEDDED | fields(a=TEXT), EMBEDDED | fields(a=TEXT), []),
    "an embedded resource that specifies its metadata": (
        EMBEDDED | fields(a=TEXT),
        EMBEDDED | fields(a=TEXT, metadata=fields(name=TEXT)),
        [],
    ),
    "an embedded resource becomes an object": (
        EMBEDDED | fields(a=TEXT),
        fields(a=TEXT),
        ["spec.apiVersion", "spec.kind", "spec.metadata"],
    ),
    "an embedded resource becomes an object with some metadata: the rest of an ObjectMeta": (
        fields(a=EMBEDDED | KEEP),
        fields(a=KEEP | fields(apiVersion=TEXT, metadata=OBJECT_META)),
        ["spec.a.metadata.finalizers", "spec.a.metadata.labels"],
    ),
    "an embedded resource becomes anything": (EMBEDDED | KEEP, KEEP, []),
    "anything becomes an embedded resource: what no ObjectMeta has": (KEEP, EMBEDDED | KEEP, ["spec.metadata.*"]),
    "a map of maps becomes an embedded resource: what no ObjectMeta has": (
        values(values(TEXT)),
        EMBEDDED | KEEP,
        ["spec.metadata.*"],
    ),
    "an object becomes an embedded resource: what no ObjectMeta has": (
        fields(a=TEXT, metadata=fields(name=TEXT, labels=values(TEXT), b=TEXT)),
        EMBEDDED | fields(b=TEXT),
        ["spec.a", "spec.metadata.b"],
    ),
    "a number becomes an int or string": (fields(a={"type": "integer"}), fields(a=INT_OR_STRING), []),
    "an int or string becomes a number": (fields(a=INT_OR_STRING), fields(a={"type": "integer"}), []),
    "anything becomes an int or string: the fields that it may have": (
        fields(a=KEEP),
        fields(a=INT_OR_STRING),
        ["spec.a.*"],
    ),
    "an object becomes a text: its fields, for the server empties it": (
        fields(a=fields(b=TEXT)),
        fields(a=TEXT),
        ["spec.a.b"],
    ),
    "a text becomes an object": (fields(a=TEXT), fields(a=fields(b=TEXT)), []),
    "an object becomes a list": (fields(a=fields(b=TEXT)), fields(a=items(fields(b=TEXT))), ["spec.a.b"]),
    "a list becomes an object": (fields(a=items(fields(b=TEXT))), fields(a=fields(b=TEXT)), ["spec.a[].b"]),
    "a list of texts becomes a text": (fields(a=items(TEXT)), fields(a=TEXT), []),
    "what only checks values keeps no fields": (
        fields(a=TEXT),
        {"type": "object"} | {k: [{"properties": {"a": TEXT}}] for k in ("allOf", "anyOf", "oneOf")},
        ["spec.a"],
    ),
    "what only checks values had kept no fields": (
        {"type": "object", "allOf": [{"properties": {"a": TEXT}}], "not": {"properties": {"a": TEXT}}},
        OBJECT,
        [],
    ),
    "what does not matter differs": (
        fields(a={"type": "string", "nullable": True, "default": "x", "enum": ["x", "y"], "maxLength": 9})
        | {"description": "a", "required": ["a"], "x-kubernetes-validations": [], "maxProperties": 3},
        fields(a={"type": "string", "format": "date", "description": "b"}),
        [],
    ),
    "keys that a path does not show are quoted": (
        fields(**{"a.b/c": TEXT, "*": TEXT, "": TEXT, "x[]": fields(d=TEXT)}),
        fields(**{"x[]": TEXT}),
        ['spec[""]', 'spec["*"]', 'spec["a.b/c"]', 'spec["x[]"].d'],
    ),
    "what no server takes counts as empty": (
        fields(a=TEXT, b=fields(c=TEXT)),
        {"type": "object", "properties": {"a": None, "b": [1]}, "items": 7},
        ["spec.b.c"],
    ),
}


@pytest.mark.parametrize(("old", "new", "lost"), LOST.values(), ids=LOST)
def test_fields_that_the_new_schema_lacks_are_named(old: Schema, new: Schema, lost: list[str]) -> None:
    assert pruned_paths(fields(spec=old), fields(spec=new)) == tuple(lost)


ROOTS: dict[str, tuple[Schema | None, Schema | None, list[str]]] = {
    "the root keeps its metadata, whatever its schema": (
        fields(metadata=OBJECT, kind=TEXT, spec=TEXT),
        fields(spec=TEXT),
        [],
    ),
    "the root does not look at the metadata's schema": (
        fields(metadata=KEEP | OBJECT),
        fields(metadata=fields(name=TEXT)),
        [],
    ),
    "no new schema: all but the metadata": (fields(spec=TEXT, status=OBJECT), None, ["spec", "status"]),
    "no old schema: nothing was kept": (None, fields(spec=TEXT), []),
    "no schema at all": (None, None, []),
    "what no server takes counts as none": (fields(spec=TEXT), [1], ["spec"]),  # type: ignore[dict-item]
    "unknown fields at the root are not kept any more": (KEEP | OBJECT, fields(spec=TEXT), ["*"]),
    "the CRD keeps unknown fields: nothing is lost": (fields(spec=fields(a=TEXT)), ANYTHING, []),
    "the CRD kept unknown fields: anything may be lost": (ANYTHING, fields(spec=fields(a=TEXT)), ["*"]),
    "the CRD kept unknown fields, and the root keeps them": (ANYTHING, KEEP | fields(spec=OBJECT), ["spec.*"]),
}


@pytest.mark.parametrize(("old", "new", "lost"), ROOTS.values(), ids=ROOTS)
def test_the_root_is_an_embedded_resource(old: Schema | None, new: Schema | None, lost: list[str]) -> None:
    assert pruned_paths(old, new) == tuple(lost)


def test_only_as_many_paths_are_named_as_asked_for() -> None:
    old = fields(**{f"f{n:03}": TEXT for n in range(150)})
    assert pruned_paths(old, OBJECT, most=2) == ("f000", "f001")
    assert len(pruned_paths(old, OBJECT)) == 100


# What `spec` is by the old schema, and by the new one, and what is required below it.
REQUIRED: dict[str, tuple[Schema, Schema, list[str]]] = {
    "nothing is required": (fields(a=TEXT), fields(a=TEXT), []),
    "it was required": (fields(a=TEXT) | {"required": ["a"]}, fields(a=TEXT) | {"required": ["a"]}, []),
    "it is not required any more": (fields(a=TEXT) | {"required": ["a"]}, fields(a=TEXT), []),
    "it was there": (fields(a=TEXT), fields(a=TEXT) | {"required": ["a"]}, ["spec.a"]),
    "it is new": (OBJECT, fields(a=TEXT) | {"required": ["a"]}, ["spec.a"]),
    "it has a default": (OBJECT, fields(a=TEXT | {"default": ""}) | {"required": ["a"]}, []),
    "it had a default": (fields(a=TEXT | {"default": "x"}), fields(a=TEXT) | {"required": ["a"]}, []),
    "null is no default": (OBJECT, fields(a=TEXT | {"default": None}) | {"required": ["a"]}, ["spec.a"]),
    "in what is new itself": (OBJECT, fields(a=fields(b=TEXT) | {"required": ["b"]}), []),
    "in what was a text": (fields(a=TEXT), fields(a=fields(b=TEXT) | {"required": ["b"]}), []),
    "in list items": (items(fields(a=TEXT)), items(fields(a=TEXT) | {"required": ["a"]}), ["spec[].a"]),
    "in a map": (values(fields(a=TEXT)), values(fields(a=TEXT) | {"required": ["a"]}), ["spec.*.a"]),
    "in one key of a map": (values(OBJECT), fields(k=fields(a=TEXT) | {"required": ["a"]}), ["spec.k.a"]),
    "in what may have been anything": (
        KEEP,
        fields(a=fields(b=items(fields(c=TEXT) | {"required": ["c"]})) | {"required": ["b"]}),
        ["spec.a.b", "spec.a.b[].c"],
    ),
    "in an object that became an embedded resource": (
        fields(a=OBJECT),
        fields(a=EMBEDDED | KEEP),
        ["spec.a.apiVersion", "spec.a.kind"],
    ),
    "what only checks values is not looked at": (OBJECT, {"type": "object", "allOf": [{"required": ["a"]}]}, []),
    "what no server takes is not looked at": (OBJECT, {"type": "object", "required": [1, None]}, []),
}


@pytest.mark.parametrize(("old", "new", "found"), REQUIRED.values(), ids=REQUIRED)
def test_fields_that_old_objects_may_lack_are_named(old: Schema, new: Schema, found: list[str]) -> None:
    assert newly_required(fields(spec=old), fields(spec=new)) == tuple(found)


def test_the_root_has_its_metadata() -> None:
    assert newly_required(None, fields(spec=TEXT) | {"required": [*META, "spec"]}) == ("spec",)


def test_what_an_object_loses_is_named_once_and_by_its_own_keys() -> None:
    obj = {"metadata": {"a": {}}, "spec": [{"x": 1, "m": {"k.l": {"y": 1}}}, {"x": 2}], "status": {}}
    new = fields(spec=items(fields(m=values(OBJECT))))
    assert lost_from(obj, new) == ('spec[].m["k.l"].y', "spec[].x", "status")
    assert lost_from(obj, None) == ("spec", "status")
    assert lost_from(obj, ANYTHING) == ()


def chain(levels: int, end: Schema) -> Schema:
    for _ in range(levels):
        end = fields(a=end)
    return end


def test_deep_schemas_are_no_problem_and_count_as_lost_from_some_depth_on() -> None:
    assert pruned_paths(chain(90, fields(b=TEXT)), chain(90, OBJECT)) == (".".join(["a"] * 90 + ["b"]),)
    assert pruned_paths(chain(3000, fields(b=TEXT)), chain(3000, OBJECT)) == (".".join(["a"] * 101 + ["*"]),)
    same = pruned_paths(chain(3000, fields(b=TEXT)), chain(3000, fields(b=TEXT)))
    assert same in {(), (".".join(["a"] * 101 + ["*"]),)}  # Python 3.13 compares what is deeper
    assert newly_required(chain(3000, OBJECT), chain(3000, fields(b=TEXT))) == ()
    deep: dict[str, Any] = {"b": 1}
    for _ in range(3000):
        deep = {"a": deep}
    assert lost_from(deep, chain(3000, OBJECT)) == (".".join(["a"] * 3000 + ["b"]),)


def test_endless_schemas_end() -> None:
    old, new = fields(), fields(b=TEXT)
    old["properties"] |= {f"p{n}": old for n in range(5)}
    new["properties"] |= {f"p{n}": new for n in range(5)}
    assert len(pruned_paths(old, new)) == 100
