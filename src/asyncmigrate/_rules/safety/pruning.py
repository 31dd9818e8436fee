"""What the API server would drop from an object for the schema of another version: fields that this one lacks.

With the conversion strategy None it reads an object in the version A that it is stored in, changes its apiVersion, and
prunes it with the schema of the version that it is converted to. An empty patch writes that back: what A's schema kept
and the other lacks is gone. These functions go by the server's own algorithm, that of apiextensions-apiserver's
pkg/apiserver/schema/pruning/algorithm.go, on schemas as convert.go beside it reads them. So

- properties, additionalProperties and items keep fields; allOf, anyOf, oneOf and not only check values;
- x-kubernetes-preserve-unknown-fields keeps what is not specified, but not the unknown fields of what is specified;
- additionalProperties keeps every key; with true or false, as with an empty schema, objects below are emptied;
- x-kubernetes-embedded-resource keeps apiVersion, kind and metadata, as the root does. But of the metadata it keeps
  only what an ObjectMeta has (objectmeta/algorithm.go);
- types play no part: a scalar stays, an object that should be one is emptied.

Where `spec.preserveUnknownFields` of the CRD is true, the server does not prune: give `ANYTHING` for its schemas. A
schema of None is one that is missing: only apiVersion, kind and metadata are kept.

Nulls that the other schema does not keep are told in `nulls`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

Schema: TypeAlias = dict[str, Any]  # an openAPIV3Schema, as decoded

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_SPECIFIES = frozenset({"properties", "additionalProperties", "items", _EMBEDDED})
_PLAIN_KEY = re.compile(r"[^\s.*\"\[\]]+")
# YAML's aliases can make a schema endless. Real ones have some 30 levels, and 10,000 fields where they are large.
_MOST_LEVELS = 100
_MOST_PAIRS = 200_000

ANYTHING: Schema = {_PRESERVE: True}


def _values(names: str) -> Schema:
    return {name: {} for name in names.split()}


# apimachinery pkg/apis/meta/v1 types.go
_OBJECT_META: Schema = {
    "type": "object",
    "properties": _values("name generateName namespace selfLink uid resourceVersion generation finalizers")
    | _values("creationTimestamp deletionTimestamp deletionGracePeriodSeconds")
    | {
        "labels": {"additionalProperties": {}},
        "annotations": {"additionalProperties": {}},
        "ownerReferences": {"items": {"properties": _values("apiVersion kind name uid controller blockOwnerDeletion")}},
        "managedFields": {
            "items": {
                "properties": _values("manager operation apiVersion time fieldsType subresource")
                | {"fieldsV1": ANYTHING}
            }
        },
    },
}


class _Node(NamedTuple):
    """A schema at one place. `keeps` says that fields which it does not specify stay: `skipPrune` in the algorithm."""

    schema: Schema
    keeps: bool


class _Pair(NamedTuple):
    """What two schemas say of one place. `new` is None where the new one removes the field."""

    path: str
    old: _Node
    new: _Node | None


_ANY = _Node({}, keeps=True)
# An embedded resource in which they are something else is invalid (objectmeta/algorithm.go).
_TEXT = _Node({"type": "string"}, keeps=False)
_META = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _Node(_OBJECT_META, keeps=False)}


def pruned_paths(old: Schema | None, new: Schema | None, *, most: int = 100) -> tuple[str, ...]:
    """Find the fields that an object may have by the schema `old` and that pruning by `new` would remove.

    Empty where no object can lose anything. Objects are taken to have the types that `old` demands. Of what is lost the
    topmost field is named, and no field below it:

    - `spec.legacy`: a field;
    - `spec.rules[].host`: a field of the items of a list;
    - `spec.volumes.*.path`: a field of whatever is in a map, by additionalProperties;
    - `spec.template.*`: every field that only `old` allows there, by additionalProperties or because it preserves
      unknown fields. In the second case it stands for the fields of a list's items too, where it may be a list.

    Args:
        old: the schema of the version that objects are stored in.
        new: the schema of the version that they are converted to.
        most: how many paths to name at most; of more the first in alphabetical order.
    """
    lost = {pair.path for pair in _walk(old, new, _loses_nothing, below_lost=False) if pair.new is None}
    return tuple(sorted(lost)[:most])


def lost_from(obj: dict[str, Any], new: Schema | None) -> tuple[str, ...]:
    """Find the fields of this object that pruning by `new` would remove: the topmost, in alphabetical order.

    The object must come as the version that it is stored in shows it. The paths are those of `pruned_paths`, but with
    the object's own keys instead of `*`. A field that the old version's default filled in counts too.
    """
    lost = set()
    todo: list[tuple[str, object, _Node]] = [("", obj, _root(new))]
    while todo:
        path, value, node = todo.pop()
        if isinstance(value, dict):
            for key, field in value.items():
                child = _field(node, key)
                if child is None:
                    lost.add(_below(path, key))
                elif child is not _ANY and isinstance(field, dict | list) and (path or key not in _META):
                    todo.append((_below(path, key), field, child))
        elif isinstance(value, list):
            item = _item(node)
            todo += [(f"{path}[]", v, item) for v in value if isinstance(v, dict | list)]
    return tuple(sorted(lost))


def newly_required(old: Schema | None, new: Schema | None) -> tuple[str, ...]:
    """Find the fields that `new` requires, that an object may lack by `old`, and that no default of either fills in.

    Such objects are invalid by `new`. The paths are those of `pruned_paths`. Only what `required` lists is looked at,
    outside allOf, anyOf, oneOf and not; and apiVersion and kind of what became an embedded resource, which the server
    always requires (objectmeta/validation.go).
    """
    found = set()
    for path, before, after in _walk(old, new, _requires_nothing, below_lost=True):
        if after is None or not _may_be(before, "object"):
            continue
        missing = _required(after) - _defaulted(after) - _required(before) - _defaulted(before)
        found |= {_below(path, key) for key in missing if path or key not in _META}
    return tuple(sorted(found))


def _walk(
    old: Schema | None, new: Schema | None, done: Callable[[_Node, _Node], bool], *, below_lost: bool
) -> Iterator[_Pair]:
    """Go through both schemas side by side, wherever an object may have something by the old one.

    What lies deeper than the cap, or beyond the number of pairs, counts as lost.
    """
    pairs = 0
    todo = [(0, _Pair("", _root(old), _root(new)))]
    while todo:
        level, pair = todo.pop()
        if pair.new is None:
            yield pair
        elif not done(pair.old, pair.new) and not _same(pair.old, pair.new):
            pairs += 1
            if level > _MOST_LEVELS or pairs > _MOST_PAIRS:
                yield _Pair(_below(pair.path), _ANY, None)
                continue
            yield pair
            todo += [(level + 1, p) for p in _pairs(pair.path, pair.old, pair.new, below_lost=below_lost)]


def _pairs(path: str, old: _Node, new: _Node, *, below_lost: bool) -> Iterator[_Pair]:
    """What is one level deeper. Unless `below_lost`, not what is named by a `*` that is lost anyway."""
    if _may_be(old, "object"):
        known = _known(old)
        for key, node in known.items():
            yield _Pair(_below(path, key), node, _field(new, key))
        others = _others(old)
        if others is not None:
            kept = _others(new)
            yield _Pair(_below(path), others, kept)
            if kept is not None or below_lost:
                for key in _known(new).keys() - known.keys():
                    yield _Pair(_below(path, key), others, _field(new, key))
            elif others is _ANY:
                return
    if _may_be(old, "array"):
        yield _Pair(f"{path}[]", _item(old), _item(new))


def _loses_nothing(old: _Node, new: _Node) -> bool:
    """Whether there is nothing to lose, or nothing is: most nodes are scalars."""
    if not old.keeps and _SPECIFIES.isdisjoint(old.schema):
        return True
    return new.keeps and _SPECIFIES.isdisjoint(new.schema)


def _requires_nothing(_old: _Node, new: _Node) -> bool:
    return _SPECIFIES.isdisjoint(new.schema) and not _required(new)


def _same(old: _Node, new: _Node) -> bool:
    """Pruning twice by one schema is pruning once."""
    try:
        return old == new
    except RecursionError:
        return False


def _root(schema: Schema | None) -> _Node:
    """The root is treated as an embedded resource, whatever the schema says (PruneWithOptions)."""
    return _node({**_node(schema).schema, "type": "object", _EMBEDDED: True})


def _node(schema: object, *, keeps: bool = False) -> _Node:
    found = schema if isinstance(schema, dict) else {}  # true, false, or what no server takes
    return _Node(found, keeps or found.get(_PRESERVE) is True)


def _properties(node: _Node) -> dict[str, object]:
    found = node.schema.get("properties")
    return found if isinstance(found, dict) else {}


def _known(node: _Node) -> dict[str, _Node]:
    """The fields that a schema specifies by name."""
    known = {key: _node(schema) for key, schema in _properties(node).items()}
    return known | _META if node.schema.get(_EMBEDDED) is True else known


def _field(node: _Node, key: str) -> _Node | None:
    """What a schema says of one field of an object; None where it removes the field."""
    if key in _META and node.schema.get(_EMBEDDED) is True:
        return _META[key] if key == "metadata" else _ANY
    properties = _properties(node)
    return _node(properties[key]) if key in properties else _others(node)


def _others(node: _Node) -> _Node | None:
    """What a schema says of the fields that it does not specify by name."""
    schema = node.schema.get("additionalProperties")
    if schema is not None:
        return _node(schema)
    return _ANY if node.keeps else None


def _item(node: _Node) -> _Node:
    """What a schema says of a list's items; a list hands on that unknown fields are kept, a field does not."""
    return _node(node.schema.get("items"), keeps=node.keeps)


def _may_be(node: _Node, kind: str) -> bool:
    return node.schema.get(_INT_OR_STRING) is not True and node.schema.get("type", kind) in (kind, "", None)


def _required(node: _Node) -> set[str]:
    named = node.schema.get("required")
    required = {key for key in named if isinstance(key, str)} if isinstance(named, list) else set()
    if node.schema.get(_EMBEDDED) is True:
        required |= {"apiVersion", "kind"}
    return required


def _defaulted(node: _Node) -> set[str]:
    defaults = ((key, _node(schema).schema.get("default")) for key, schema in _properties(node).items())
    return {key for key, default in defaults if default is not None}


def _below(path: str, key: str | None = None) -> str:
    """The path of a field; without a key that of any field."""
    if key is None:
        key = "*"
    elif not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key
