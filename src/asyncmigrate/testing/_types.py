"""How a schema has values compared and merged: field by field, item by item, or as one.

As schemaconv in k8s.io/kube-openapi makes types of schemas. What a schema says nothing about counts field by field, and
its lists as one value each.
"""

from __future__ import annotations

from typing import Any

import msgspec

Object = dict[str, Any]
Schema = dict[str, Any]

_STRING: Schema = {"type": "string"}
_STRINGS: Schema = {"type": "object", "additionalProperties": _STRING}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer"}
_OWNER = dict.fromkeys(("apiVersion", "kind", "name", "uid"), _STRING) | dict.fromkeys(
    ("controller", "blockOwnerDeletion"), _FLAG
)
_META: Schema = {
    "type": "object",
    "properties": dict.fromkeys(("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"), _STRING)
    | dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _STRING)
    | dict.fromkeys(("generation", "deletionGracePeriodSeconds"), _NUMBER)
    | {
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": _STRING},
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {"type": "object", "properties": _OWNER, "x-kubernetes-map-type": "atomic"},
        },
        "managedFields": {"type": "array", "items": {}},
    },
}
_EMBEDDED = {"apiVersion": _STRING, "kind": _STRING, "metadata": _META}
_SCALARS = {"string": str, "boolean": bool, "integer": (int, float), "number": (int, float)}


class Type(msgspec.Struct, frozen=True):
    """What holds for a value. `keeps` says that unknown fields are kept, as said here or further up."""

    schema: Schema
    keeps: bool = False

    @property
    def list_type(self) -> str:
        return str(self.schema.get("x-kubernetes-list-type") or "atomic")

    @property
    def keys(self) -> list[str]:
        return list(self.schema.get("x-kubernetes-list-map-keys") or ()) if self.list_type == "map" else []

    @property
    def is_atomic_map(self) -> bool:
        return bool(self.schema.get("x-kubernetes-map-type") == "atomic")

    @property
    def is_undescribed(self) -> bool:
        """Whether nothing is said about any field: such maps are never reconciled with their schema."""
        more = self.field("") if self.shapes[0] == "map" and not self._properties else None
        return more is not None and "scalar" in more.shapes and more.shapes[0] == "map"

    def declares(self, key: str) -> bool:
        return key in self._properties

    def field(self, key: str) -> Type | None:
        """The type of a field; None where there may be no such field."""
        if key in self._properties:
            return self._below(self._properties[key])
        more = self.schema.get("additionalProperties")
        if isinstance(more, dict):
            return self._below(more)
        if more or (more is None and (self.keeps or not self._properties)):
            return DEDUCED
        return None

    @property
    def item(self) -> Type:
        items = self.schema.get("items")
        return self._below(items) if isinstance(items, dict) else _ONE_VALUE

    def default(self, key: str) -> Any:  # noqa: ANN401 -- any JSON
        return (self._properties.get(key) or {}).get("default")

    def shape(self, value: Any) -> str:  # noqa: ANN401 -- any JSON
        """As what a value is handled: `map`, `list` or `scalar`: what it is, if the schema lets it be that.

        As deduceAtom and handleAtom in structured-merge-diff's typed/helpers.go.
        """
        allowed = self.shapes
        own = "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"
        return own if value is not None and own in allowed else allowed[0]

    def fault(self, value: Any) -> str:  # noqa: ANN401
        """What is wrong with a value, not looking below it; empty where nothing is."""
        shape = self.shape(value)
        if value is None:
            return ""
        if shape == "map":
            return "" if isinstance(value, dict) else f"expected map, got {_shown(value)}"
        if shape == "list":
            return "" if isinstance(value, list) else f"expected list, got {_shown(value)}"
        wanted: Any = _SCALARS.get(self._type, (str, bool, int, float))
        # In Python a boolean is a number.
        if isinstance(value, wanted) and (self._type in {"", "boolean"} or not isinstance(value, bool)):
            return ""
        named = {str: "string", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
        shown = named.get(type(value), "int64") if wanted == (int, float) else _shown(value)
        return f"expected {_SCALAR_NAMES.get(self._type, 'any scalar')}, got {shown}"

    @property
    def _type(self) -> str:
        named = str(self.schema.get("type") or "")
        is_formatted = named == "string" and self.schema.get("format", "") not in {"", "byte"}
        return "untyped" if is_formatted else named

    @property
    def shapes(self) -> tuple[str, ...]:
        return {"object": ("map",), "array": ("list",), "": ("map", "scalar", "list")}.get(self._type, ("scalar",))

    @property
    def _properties(self) -> dict[str, Schema]:
        own: dict[str, Schema] = self.schema.get("properties") or {}
        return own | _EMBEDDED if self.schema.get("x-kubernetes-embedded-resource") else own

    def _below(self, schema: Schema) -> Type:
        return Type(schema, self.keeps or bool(schema.get("x-kubernetes-preserve-unknown-fields")))


_SCALAR_NAMES = {"string": "string", "boolean": "boolean"} | dict.fromkeys(
    ("integer", "number"), "numeric (int or float)"
)
DEDUCED = Type({})
_ONE_VALUE = Type({"x-kubernetes-map-type": "atomic"})


def _shown(value: Any) -> str:  # noqa: ANN401
    return msgspec.json.encode(value).decode()


def of_version(crd: Object, version: str) -> Type:
    """The type of a CRD's objects in one of its versions."""
    found: Object = next((v for v in crd["spec"]["versions"] if v["name"] == version), {})
    schema = (found.get("schema") or {}).get("openAPIV3Schema") or {}
    keeps = bool(schema.get("x-kubernetes-preserve-unknown-fields") or crd["spec"].get("preserveUnknownFields"))
    return Type(schema | {"x-kubernetes-embedded-resource": True}, keeps)


def _with_list(path: tuple[str, ...], key: str) -> Type:
    """The type of a built-in kind: nothing is known of it but one list whose items `key` tells apart."""
    schema: Schema = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
        "items": {},
    }
    for field in reversed(path):
        schema = {"properties": {field: schema}}
    return Type(schema | {"x-kubernetes-embedded-resource": True}, keeps=True)


_BUILT_IN = {
    "apiextensions.k8s.io": _with_list(("status", "conditions"), "type"),
    "admissionregistration.k8s.io": _with_list(("webhooks",), "name"),
}


def of_built_in(group: str) -> Type:
    return _BUILT_IN.get(group) or Type({"x-kubernetes-embedded-resource": True}, keeps=True)
