"""Where two versions of a CRD divide an object into fields that can be owned in different ways.

A list is one field, or each item is one (by value, or by its keys); a map is one field, or each key is one. A set of
owned fields is not the same in a version that divides it otherwise: what was owned as a whole would be nobody's.

As kube-openapi's pkg/schemaconv makes types of a schema for structured-merge-diff: a list is one field unless
x-kubernetes-list-type says otherwise, each key of a map is one unless x-kubernetes-map-type does, and so it is with
what no schema specifies.
"""

from __future__ import annotations

from typing import Any

from asyncmigrate._rules.safety.pruning import Schema

# By field name, `*` for any other key of a map and `[]` for the items of a list; HERE marks the place itself.
Apart = dict[str, Any]

HERE = ""
_ITEMS = "[]"
_ANY_KEY = "*"
_UNSPECIFIED: Schema = {"x-kubernetes-preserve-unknown-fields": True}
_NOT_OWNED = frozenset({"apiVersion", "kind", "metadata"})
_MOST_PLACES = 200_000
_MOST_LEVELS = 100

_SCALAR, _MAP, _WHOLE_MAP, _WHOLE_LIST, _ANY = "scalar", "map", "whole map", "whole list", "any"


def differences(old: Schema | None, new: Schema | None) -> Apart:
    """The places that `old` and `new` divide differently; empty where a set of fields means the same in both."""
    found: Apart = {}
    todo: list[tuple[tuple[str, ...], Any, Any]] = [((), old, new)]
    seen = 0
    while todo:
        path, before, after = todo.pop()
        seen += 1
        if before is None or after is None:
            continue  # what one of them lacks is pruned there, and owning it does no harm
        if seen > _MOST_PLACES or len(path) > _MOST_LEVELS or not _is_alike(_kind(before), _kind(after)):
            _mark(found, path)
            continue
        todo += [((*path, key), _child(before, key), _child(after, key)) for key in _keys(before) | _keys(after)]
    return found


def _mark(found: Apart, path: tuple[str, ...]) -> None:
    node = found
    for key in path:
        node = node.setdefault(key, {})
    node[HERE] = True


def below(apart: Apart, element: str) -> Apart:
    """The differences below one path element of FieldsV1."""
    kind, _, word = element.partition(":")
    if kind != "f":
        return apart.get(_ITEMS) or {}
    return apart.get(word) or apart.get(_ANY_KEY) or {}


def _kind(schema: Any) -> Any:  # noqa: ANN401 -- a word, or a list's type and keys
    if not isinstance(schema, dict):
        return _ANY
    kind = schema.get("type")
    if kind == "array":
        list_type = schema.get("x-kubernetes-list-type", "atomic")
        keys = schema.get("x-kubernetes-list-map-keys") or ()
        return _WHOLE_LIST if list_type == "atomic" else (list_type, frozenset(map(str, keys)))
    if kind == "object" or "properties" in schema or "additionalProperties" in schema:
        return _WHOLE_MAP if schema.get("x-kubernetes-map-type") == "atomic" else _MAP
    return _ANY if kind is None and not schema.get("x-kubernetes-int-or-string") else _SCALAR


def _is_alike(one: Any, other: Any) -> bool:  # noqa: ANN401
    if _ANY in (one, other):
        return {one, other} <= {_ANY, _SCALAR, _MAP, _WHOLE_LIST}
    return bool(one == other)


def _keys(schema: Any) -> set[str]:  # noqa: ANN401
    """What is below a schema, by the keys of Apart; nothing below what is owned as a whole."""
    kind = _kind(schema)
    if kind == _MAP:
        properties = schema.get("properties")
        named = set(properties) - _NOT_OWNED if isinstance(properties, dict) else set()
        return named | ({_ANY_KEY} if isinstance(schema.get("additionalProperties"), dict) else set())
    return {_ITEMS} if isinstance(kind, tuple) and kind[0] == "map" else set()


def _child(schema: Any, key: str) -> Any:  # noqa: ANN401
    """The schema below; what is not specified where nothing is pruned, and None where it is pruned."""
    if not isinstance(schema, dict):
        return None
    if key == _ITEMS:
        return schema.get("items", _UNSPECIFIED)
    properties = schema.get("properties")
    found = properties.get(key) if isinstance(properties, dict) and key != _ANY_KEY else None
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    if found is None and schema.get("x-kubernetes-preserve-unknown-fields"):
        found = _UNSPECIFIED
    return found
