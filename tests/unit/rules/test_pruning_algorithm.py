"""What pruning by another schema removes, against the server's algorithm: any schemas and objects."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from asyncmigrate._rules.safety.pruning import ANYTHING, Schema, lost_from, newly_required, pruned_paths
from tests.unit.rules.test_pruning import (
    EMBEDDED,
    INT_OR_STRING,
    KEEP,
    META,
    META_FIELDS,
    OBJECT,
    TEXT,
    fields,
    items,
    values,
)

# The next functions are in Python, line by line, PruneWithOptions, prune and skipPrune of apiextensions-apiserver's
# pkg/apiserver/schema/pruning/algorithm.go, and coerce of objectmeta/algorithm.go, as far as it deletes fields. A
# Structural is the JSON that it is made of.

Path = tuple[str, ...]


def prune_root(obj: dict[str, Any], schema: Schema) -> list[Path]:
    """Prune in place, and tell the paths of what was deleted."""
    deleted: list[Path] = []
    prune(obj, schema | {"x-kubernetes-embedded-resource": True}, (), deleted)
    coerce(obj, schema, (), deleted)
    return deleted


def prune(x: object, s: Schema | None, path: Path, deleted: list[Path]) -> None:
    if s is not None and s.get("x-kubernetes-preserve-unknown-fields"):
        skip_prune(x, s, path, deleted)
        return
    if isinstance(x, dict):
        for k, v in list(x.items()):
            if s is not None and s.get("x-kubernetes-embedded-resource") and k in META:
                continue
            if s is not None and k in s.get("properties", {}):
                prune(v, s["properties"][k], (*path, k), deleted)
            elif s is not None and "additionalProperties" in s:
                prune(v, structural_of(s["additionalProperties"]), (*path, k), deleted)
            else:
                del x[k]
                deleted.append((*path, k))
    elif isinstance(x, list):
        for v in x:
            prune(v, None if s is None else s.get("items"), (*path, "[]"), deleted)


def skip_prune(x: object, s: Schema | None, path: Path, deleted: list[Path]) -> None:
    if s is None:
        return
    if isinstance(x, dict):
        for k, v in x.items():
            if s.get("x-kubernetes-embedded-resource") and k in META:
                continue
            if k in s.get("properties", {}):
                prune(v, s["properties"][k], (*path, k), deleted)
            elif "additionalProperties" in s:
                prune(v, structural_of(s["additionalProperties"]), (*path, k), deleted)
    elif isinstance(x, list):
        for v in x:
            skip_prune(v, s.get("items"), (*path, "[]"), deleted)


def coerce(x: object, s: Schema | None, path: Path, deleted: list[Path]) -> None:
    if s is None:
        return
    if isinstance(x, dict):
        for k, v in x.items():
            if s.get("x-kubernetes-embedded-resource") and k == "metadata":
                for name in v.keys() - META_FIELDS:
                    del v[name]
                    deleted.append((*path, k, name))
            if k in s.get("properties", {}):
                coerce(v, s["properties"][k], (*path, k), deleted)
            elif "additionalProperties" in s:
                coerce(v, structural_of(s["additionalProperties"]), (*path, k), deleted)
    elif isinstance(x, list):
        for v in x:
            coerce(v, s.get("items"), (*path, "[]"), deleted)


def structural_of(schema_or_bool: Schema | bool) -> Schema | None:  # noqa: FBT001
    return None if isinstance(schema_or_bool, bool) else schema_or_bool


KEYS = ("a", "b", "c")


def any_schema(r: Random, depth: int) -> Schema:
    kind = r.randrange(10) if depth else r.randrange(4)
    if kind == 0:
        return r.choice([TEXT, INT_OR_STRING, TEXT | {"nullable": True}])
    if kind == 1:
        return r.choice([OBJECT, OBJECT | {"allOf": [fields(a=TEXT)]}])
    if kind < 4:
        return r.choice([KEEP, KEEP | OBJECT, KEEP | {"type": "array"}, EMBEDDED | KEEP])
    found: Schema = {}
    if kind < 8:
        keys = [k for k in (*KEYS, "metadata", "kind") if r.random() < (0.6 if k in KEYS else 0.1)]
        found = fields(**{k: any_schema(r, depth - 1) for k in keys})
        if r.random() < 0.2:
            found |= EMBEDDED
    elif kind == 8:
        found = values(r.choice([True, False]) if r.random() < 0.2 else any_schema(r, depth - 1))
    if kind == 9 or r.random() < 0.1:
        found |= items(any_schema(r, depth - 1))
    if r.random() < 0.25:
        found |= KEEP
        if r.random() < 0.3:
            del found["type"]
    return found


def changed(r: Random, schema: Any, depth: int) -> Any:  # noqa: ANN401
    """The same schema but for a few places."""
    if not isinstance(schema, dict) or r.random() < 0.1:
        return any_schema(r, depth)
    found = dict(schema)
    if r.random() < 0.1:
        found = {k: v for k, v in found.items() if k not in KEEP} if KEEP.items() <= found.items() else found | KEEP
    for key in ("items", "additionalProperties"):
        if key in found:
            found[key] = changed(r, found[key], depth - 1)
    if "properties" in found:
        kept = {k: changed(r, v, depth - 1) for k, v in found["properties"].items() if r.random() < 0.9}
        found["properties"] = kept | ({r.choice(KEYS): any_schema(r, depth - 1)} if r.random() < 0.1 else {})
    return found


def value_of(r: Random, schema: Any, depth: int) -> Any:  # noqa: ANN401
    """A value of the type that a schema demands, with fields that it does not know of too."""
    schema = schema if isinstance(schema, dict) else {}
    kind = schema.get("type") or r.choice(["object", "array", "string"])
    if kind == "string" or INT_OR_STRING.items() <= schema.items():
        return r.choice(["x", 1, None])
    if kind == "array":
        return [value_of(r, schema.get("items", ANYTHING), depth - 1) for _ in range(r.randrange(3) if depth else 0)]
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", ANYTHING)
    found: dict[str, Any] = {}
    for key in dict.fromkeys([*known, *KEYS, "d"]):
        if depth and r.random() < 0.6:
            found[key] = value_of(r, known.get(key, others), depth - 1)
    # What is no ObjectMeta makes an embedded resource invalid: there is none, wherever one could be later.
    metadata = known.get("metadata", others)
    found.pop("metadata", None)
    if isinstance(metadata, dict) and metadata.get("type", "object") == "object" and metadata != INT_OR_STRING:
        found["metadata"] = {"name": "n", "d": 1}
    if "x-kubernetes-embedded-resource" in schema:
        found |= {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n", "d": 1}}
    return found


def covers(pattern: str, path: Path) -> bool:
    """Whether a path that `pruned_paths` gave stands for a deleted field; its last `*` stands for list items too."""
    parts = pattern.replace("[]", ".[]").split(".")
    return len(parts) <= len(path) and all(
        part in ("*", step) and (step != "[]" or part == "[]" or n == len(parts) - 1)
        for n, (part, step) in enumerate(zip(parts, path, strict=False))
    )


@given(st.randoms(use_true_random=True))
@settings(max_examples=600, deadline=None)
def test_what_is_lost_is_what_the_servers_algorithm_removes(r: Random) -> None:
    old = fields(**{k: any_schema(r, 4) for k in KEYS})
    new = changed(r, old, 5) if r.random() < 0.7 else any_schema(r, 5)
    paths = pruned_paths(old, new)
    for _ in range(10):
        obj = value_of(r, old, 6) | {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}}
        prune_root(obj, old)
        assert lost_from(obj, old) == ()
        after = copy.deepcopy(obj)
        deleted = prune_root(after, new)
        assert lost_from(obj, new) == tuple(sorted({".".join(p).replace(".[]", "[]") for p in deleted}))
        assert (after == obj) == (not deleted)
        for path in deleted:
            assert any(covers(pattern, path) for pattern in paths), json.dumps([old, new, obj])
        event(f"{'something' if paths else 'nothing'} can be lost, {'something' if deleted else 'nothing'} is")


@given(st.randoms(use_true_random=True))
@settings(max_examples=100, deadline=None)
def test_nothing_is_lost_or_required_by_the_same_schema_or_by_none(r: Random) -> None:
    schema = any_schema(r, 5)
    assert pruned_paths(schema, copy.deepcopy(schema)) == ()
    assert pruned_paths(schema, ANYTHING) == ()
    assert newly_required(schema, copy.deepcopy(schema)) == ()
