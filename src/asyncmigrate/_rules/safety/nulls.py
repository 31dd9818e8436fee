"""Which nulls the API server would drop for the schema of another version; with `pruning`, all that it would remove.

A field that is null, and whose schema has no `nullable: true`, is removed, or set to its default, when the object is
read in that version (apiextensions-apiserver pkg/apiserver/schema/defaulting/prunenulls.go and algorithm.go). A null in
a list stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asyncmigrate._rules.safety.pruning import Schema, lost_from, pruned_paths

_MOST_FIELDS = 200_000  # YAML's aliases can make a schema endless; real ones have up to 10,000 fields


def removed_paths(old: Schema | None, new: Schema | None) -> tuple[str, ...]:
    """Find all that an object may have by `old` and that the server would remove by `new`: fields, and nulls."""
    return pruned_paths(old, new) + nulled_paths(old, new)


def removed_from(obj: dict[str, Any], new: Schema | None) -> tuple[str, ...]:
    """Find all that the server would remove from this object by `new`."""
    return lost_from(obj, new) + nulls_lost(obj, new)


def nulled_paths(old: Schema | None, new: Schema | None) -> tuple[str, ...]:
    """Find the fields that may be null by `old` and whose null `new` does not keep; paths as in `pruned_paths`."""
    found = set()
    todo: list[tuple[str, Any, Any]] = [("", old, new)]
    seen = 0
    while todo and seen < _MOST_FIELDS:
        path, before, after = todo.pop()
        seen += 1
        if not isinstance(before, dict) or not isinstance(after, dict) or before == after:
            continue
        for key, child in _fields(before):
            kept = _field(after, key)
            where = f"{path}.{key}" if path else key
            if isinstance(child, dict) and isinstance(kept, dict):
                if child.get("nullable") is True and kept.get("nullable") is not True:
                    found.add(where)
                todo.append((where, child, kept))
        todo.append((f"{path}[]", before.get("items"), after.get("items")))
    return tuple(sorted(found))


def nulls_lost(obj: dict[str, Any], new: Schema | None) -> tuple[str, ...]:
    """Find the fields of this object that are null and whose null `new` does not keep."""
    found = set()
    todo: list[tuple[str, Any, Any]] = [("", obj, new)]
    while todo:
        path, value, schema = todo.pop()
        if not isinstance(schema, dict):
            continue
        if isinstance(value, list):
            todo += [(f"{path}[]", item, schema.get("items")) for item in value]
        elif isinstance(value, dict):
            for key, child in value.items():
                kept = _field(schema, key)
                where = f"{path}.{key}" if path else key
                if child is None and isinstance(kept, dict) and kept.get("nullable") is not True:
                    found.add(where)
                todo.append((where, child, kept))
    return tuple(sorted(found))


def _fields(schema: Schema) -> Iterator[tuple[str, Any]]:
    """The fields that a schema specifies; `*` for those of a map."""
    properties = schema.get("properties")
    yield from properties.items() if isinstance(properties, dict) else ()
    if isinstance(schema.get("additionalProperties"), dict):
        yield "*", schema["additionalProperties"]


def _field(schema: Schema, key: str) -> Any:  # noqa: ANN401 -- a schema, or nothing
    """What a schema says of one field; None where it says nothing."""
    properties = schema.get("properties")
    found = properties.get(key) if isinstance(properties, dict) else None
    return schema.get("additionalProperties") if found is None else found
