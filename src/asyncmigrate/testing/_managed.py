"""Who owns which fields of an object: the entries of metadata.managedFields, as updates and patches change them.

A writer gets the fields that it changes and takes them from all others; an entry with no field left is gone. As
structured-merge-diff does in merge/update.go, and k8s.io/apimachinery in pkg/util/managedfields/internal. What merges
the oldest of more than ten entries is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from asyncmigrate.testing import _types
from asyncmigrate.testing._paths import UndecodableError, paths_of, tree_of
from asyncmigrate.testing._status import StatusError
from asyncmigrate.testing._typed import Changes, compare

Object = dict[str, Any]
Entry = dict[str, Any]
Entries = list[Entry]

_NOT_TRACKED = frozenset({"apiVersion", "kind"})
_META_NOT_TRACKED = frozenset(
    {"name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"}
)
NEVER_OWNED = {(f"f:{f}",) for f in (*_NOT_TRACKED, "metadata")} | {("f:metadata", f"f:{f}") for f in _META_NOT_TRACKED}
_FIELDS = ("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource")


class Writer(msgspec.Struct, frozen=True):
    """Who writes, through which version and subresource, and when."""

    manager: str
    api_version: str
    subresource: str
    at: str

    def named(self, manager: str) -> Writer:
        return msgspec.structs.replace(self, manager=manager)

    def entry(self, operation: str) -> Entry:
        own = {
            "manager": self.manager,
            "operation": operation,
            "apiVersion": self.api_version,
            "time": self.at,
            "fieldsType": "FieldsV1",
        }
        return own | ({"subresource": self.subresource} if self.subresource else {})


def identity(entry: Entry) -> tuple[str, ...]:
    """What makes two entries one; whoever applies has one in whatever version (BuildManagerIdentifier)."""
    version = "" if entry["operation"] == "Apply" else entry["apiVersion"]
    return (entry.get("manager") or "", entry["operation"], version, entry.get("subresource") or "")


def claimed(sent: Any, live: list[Entry], *, subresource: str) -> list[Entry]:  # noqa: ANN401 -- a request's value
    """The entries that a write starts from: those that it brings along, or else the live ones.

    A client may send any entries, with any time, and so forge or forget them; `[{}]` and an empty list forget all. Of
    two with one identity the last counts. What no entry is made of is not taken, and nothing through a subresource:
    decodeLiveOrNew in fieldmanager.go.
    """
    if subresource or sent is None:
        return live
    if sent in ([], [{}], [None]):
        return []
    try:
        entries = {identity(e): e for e in map(_decoded, sent)}
    except (UndecodableError, ValueError):
        return live
    return list(entries.values())


def _decoded(entry: Any) -> Entry:  # noqa: ANN401
    if (
        not isinstance(entry, dict)
        or entry.get("operation") not in {"Apply", "Update"}
        or not entry.get("apiVersion")
        or entry.get("fieldsType") != "FieldsV1"
    ):
        raise UndecodableError("no entry")
    kept = {f: entry[f] for f in _FIELDS if entry.get(f)}
    if "time" in kept:
        kept["time"] = _whole_seconds(kept["time"])
    return kept | {"fieldsV1": tree_of(paths_of(entry.get("fieldsV1")))}


def _whole_seconds(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_form(sent: Any) -> None:  # noqa: ANN401 -- a request's value
    """Check what keeps an object from being read at all: words and times that are none.

    Raises:
        StatusError: as a patch that leads there is answered.
    """
    for entry in sent if isinstance(sent, list) else ():
        words = {f: entry.get(f) for f in _FIELDS if f != "fieldsV1"} if isinstance(entry, dict) else {}
        why = ""
        if any(not isinstance(word, str | None) for word in words.values()):
            why = "json: cannot unmarshal into Go struct field ManagedFieldsEntry of type string"
        elif time := words.get("time"):
            try:
                _whole_seconds(time)
            except ValueError:
                why = f'parsing time "{time}" as "2006-01-02T15:04:05Z07:00"'
        if why:
            raise StatusError("Invalid", f' "" is invalid: patch: Invalid value: {why}')


def built_in_changes(new: Object, old: Object) -> Changes:
    """What a write changes of an object whose kind is built in."""
    return tracked_changes(new, old, _types.of_built_in(new["apiVersion"].partition("/")[0]))


def tracked_changes(new: Object, old: Object, kind: _types.Type) -> Changes:
    """What a write changes, fields that nobody owns left out."""
    return compare(_tracked(new), _tracked(old), kind)


def _tracked(obj: Object) -> Object:
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k not in _META_NOT_TRACKED}
    return {k: v for k, v in obj.items() if k not in _NOT_TRACKED} | {"metadata": meta}


def owned(entries: Iterable[Entry], changes: Mapping[str, Changes], writer: Writer) -> list[Entry]:
    """The entries after a write, with what it changes as seen in each entry's version; others are dropped.

    An entry that gains nothing keeps its time. So does the writer's own: one that only removes leaves no stamp.
    """
    after = []
    taken = changes[writer.api_version].taken
    mine = writer.entry("Update")
    for entry in entries:
        seen = changes.get(entry["apiVersion"])
        if seen is None:
            continue
        paths = paths_of(entry.get("fieldsV1")) - seen.taken - seen.removed
        if taken and identity(entry) == identity(mine):
            taken = taken | paths
        elif paths:
            after.append(entry | {"fieldsV1": tree_of(paths)})
    if taken:
        after.append(mine | {"fieldsV1": tree_of(taken)})
    return in_order(after)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    order = ("operation", "time", "manager", "apiVersion", "subresource")
    return sorted(entries, key=lambda e: [e.get(field) or "" for field in order])


def keep_times(new: Object, old: Object) -> None:
    """Take times back that are all a write would change: IgnoreManagedFieldsTimestampsTransformer in equality.go."""
    live = old.get("metadata", {}).get("managedFields")
    if live and _timeless(new) == _timeless(old):
        new["metadata"]["managedFields"] = live


def _timeless(obj: Object) -> Object:
    meta = obj["metadata"]
    entries = [{k: v for k, v in e.items() if k != "time"} for e in meta.get("managedFields") or ()]
    return obj | {"metadata": meta | {"managedFields": entries}}
