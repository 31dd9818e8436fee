"""Who owns which fields of an object: metadata.managedFields, as updates and patches change them.

A writer gets the fields that it changes and takes them from all others; an entry with no field left is gone. As
structured-merge-diff does in typed/compare.go and merge/update.go, and k8s.io/apimachinery in
pkg/util/managedfields/internal. Server-side apply is not there, and neither is what merges the oldest of more than ten
entries. Lists of custom resources are one value each: x-kubernetes-list-type and -map-type are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

Object = dict[str, Any]
Entry = dict[str, Any]
Path = tuple[str, ...]

# Lists with an owner for each item, by API group ("" for all): the field that tells items apart, or nothing where the
# item itself does.
_KEYED: dict[str, dict[Path, str]] = {
    "": {("f:metadata", "f:finalizers"): "", ("f:metadata", "f:ownerReferences"): "uid"},
    "apiextensions.k8s.io": {("f:status", "f:conditions"): "type"},
    "admissionregistration.k8s.io": {("f:webhooks",): "name"},
}
_NOT_TRACKED = frozenset({"apiVersion", "kind"})
_META_NOT_TRACKED = frozenset(
    {"name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"}
)
_FIELDS = ("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource")
_ABSENT: Any = object()


class Writer(msgspec.Struct, frozen=True):
    """Who writes, through which version and subresource, and when."""

    manager: str
    api_version: str
    subresource: str
    at: str

    def wrote(self, entry: Entry) -> bool:
        mine = (self.manager, "Update", self.api_version, self.subresource)
        return mine == (entry.get("manager"), entry["operation"], entry["apiVersion"], entry.get("subresource", ""))


class Changes(msgspec.Struct):
    """The paths of what a write sets and of what it removes."""

    taken: set[Path] = msgspec.field(default_factory=set)
    removed: set[Path] = msgspec.field(default_factory=set)


def claimed(sent: Any, live: list[Entry], *, subresource: str) -> list[Entry]:  # noqa: ANN401 -- a request's value
    """The entries that a write starts from: those that it brings along, or else the live ones.

    A client may send any entries, with any time, and so forge or forget them; `[{}]` and an empty list forget all.
    What no entry is made of is not taken, and nothing through a subresource: decodeLiveOrNew in fieldmanager.go.
    """
    if subresource or sent is None:
        return live
    if sent in ([], [{}]):
        return []
    if not isinstance(sent, list) or not all(_is_entry(e) for e in sent):
        return live
    return [{f: e[f] for f in _FIELDS if f in e} for e in sent if any(_paths(e.get("fieldsV1") or {}))]


def _is_entry(entry: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(entry, dict)
        and entry.get("operation") in {"Apply", "Update"}
        and bool(entry.get("apiVersion"))
        and entry.get("fieldsType") == "FieldsV1"
        and isinstance(entry.get("fieldsV1") or {}, dict)
    )


def compare(new: Object, old: Object) -> Changes:
    """What a write changes, fields that nobody owns left out."""
    changes = Changes()
    keyed = _KEYED[""] | _KEYED.get(new["apiVersion"].partition("/")[0], {})
    _compare(_tracked(new), _tracked(old), (), keyed, changes)
    return changes


def _tracked(obj: Object) -> Object:
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k not in _META_NOT_TRACKED}
    return {k: v for k, v in obj.items() if k not in _NOT_TRACKED} | {"metadata": meta}


def _compare(new: Any, old: Any, path: Path, keyed: Mapping[Path, str], changes: Changes) -> None:  # noqa: ANN401
    new_items, old_items = _items(new, path, keyed), _items(old, path, keyed)
    below_new, below_old = new_items or {}, old_items or {}
    for key in below_new | below_old:
        _compare(below_new.get(key, _ABSENT), below_old.get(key, _ABSENT), (*path, key), keyed, changes)
    if old is _ABSENT:
        changes.taken.add(path)
    elif new is _ABSENT:
        changes.removed.add(path)
    elif (new_items is None or old_items is None) and new != old:
        changes.taken.add(path)


def _items(value: Any, path: Path, keyed: Mapping[Path, str]) -> dict[str, Any] | None:  # noqa: ANN401
    """What is below a value, by path element; None for what counts as one value."""
    if isinstance(value, dict):
        return {f"f:{key}": item for key, item in value.items()}
    if isinstance(value, list) and path in keyed:
        return {_element(item, keyed[path]): item for item in value}
    return None


def _element(item: Any, key: str) -> str:  # noqa: ANN401
    if not key or not isinstance(item, dict):
        return f"v:{msgspec.json.encode(item).decode()}"
    return f"k:{msgspec.json.encode({key: item.get(key)}).decode()}"


def owned(entries: Iterable[Entry], changes: Mapping[str, Changes], writer: Writer) -> list[Entry]:
    """The entries after a write, with what it changes as seen in each entry's version; others are dropped.

    An entry that gains nothing keeps its time. So does the writer's own: one that only removes leaves no stamp.
    """
    after = []
    taken = changes[writer.api_version].taken
    for entry in entries:
        seen = changes.get(entry["apiVersion"])
        if seen is None:
            continue
        paths = set(_paths(entry.get("fieldsV1") or {})) - seen.taken - seen.removed
        if taken and writer.wrote(entry):
            taken = taken | paths
        elif paths:
            after.append(entry | {"fieldsV1": _tree(paths)})
    if taken:
        own = {
            "manager": writer.manager,
            "operation": "Update",
            "apiVersion": writer.api_version,
            "time": writer.at,
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(taken),
        }
        after.append(own | ({"subresource": writer.subresource} if writer.subresource else {}))
    order = ("operation", "time", "manager", "apiVersion", "subresource")
    return sorted(after, key=lambda e: [e.get(field) or "" for field in order])


def _paths(tree: Object, at: Path = ()) -> Iterator[Path]:
    for key, below in tree.items():
        if key == ".":
            yield at
        elif isinstance(below, dict) and below:
            yield from _paths(below, (*at, key))
        else:
            yield (*at, key)


def _tree(paths: set[Path]) -> Object:
    tree: Object = {}
    for path in paths:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in paths:
        node = tree
        for element in path:
            node = node[element]
        if node:  # what is owned and has something below it is marked with a dot
            node["."] = {}
    return tree
