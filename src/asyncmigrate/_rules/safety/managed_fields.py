"""The managedFields of an object as they should be once an old version is dropped: all in the storage version.

An entry of a version that the CRD no longer has makes every server-side apply of the object fail (500 `request to
convert CR to an invalid group/version`). On Kubernetes 1.36 and before, the next write of any kind removes all entries
then, or if an entry's version cannot be converted to at that moment (kubernetes#136919).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from asyncmigrate._model import CRD, ManagedFieldsEntry, ObjectRef
from asyncmigrate._rules.safety.field_sets import UNREAD, Fields, UnreadableFieldsError, paths, read, split, union
from asyncmigrate._rules.safety.structure import Apart

_FIELDS = 20  # named of one entry
_APPLY = "Apply"
# Of more entries of updates the server makes the oldest one, of a manager `ancient-changes`
# (apimachinery pkg/util/managedfields/internal/capmanagers.go, and DefaultMaxUpdateManagers in fieldmanager.go).
_MOST_UPDATES = 10

Views = Mapping[str, Any]  # an object as it is in some versions, by apiVersion


class LeftEntry(msgspec.Struct, frozen=True):
    """Fields that an entry of an old version still has to own there; no fields stand for all."""

    manager: str
    api_version: str
    fields: tuple[str, ...] = ()


class MovedEntries(msgspec.Struct, frozen=True):
    """The managedFields of an object after the move, and what could not be moved."""

    entries: tuple[ManagedFieldsEntry, ...]
    left: tuple[LeftEntry, ...] = ()


def left_as_they_are(entries: Iterable[ManagedFieldsEntry], crd: CRD) -> tuple[LeftEntry, ...]:
    """The entries that are not in the storage version."""
    current = crd.storage_api_version
    return tuple(LeftEntry(e.manager, e.api_version) for e in entries if e.api_version != current)


def are_due(ref: ObjectRef, crd: CRD, *, keep: bool, robs: bool) -> bool:
    """Tell whether an object's managedFields are to be moved.

    `keep` leaves them where they are; but a server that `robs`, one of 1.36 or before, might remove them all.
    """
    if not left_as_they_are(ref.entries, crd):
        return False
    return not keep or (robs and (crd.webhook or any(not _is_known(e, crd) for e in ref.entries)))


def versions_to_read(ref: ObjectRef, crd: CRD) -> tuple[str, ...]:
    """The old versions that an object has to be read in, to find its fields again in the storage version.

    Only where a webhook converts: without one a field has the same path in every version.
    """
    if not crd.webhook:
        return ()
    old = {e.api_version for e in ref.entries} - {crd.storage_api_version}
    return tuple(v for v in crd.served_versions if f"{crd.group}/{v}" in old)


def moved(
    entries: Iterable[ManagedFieldsEntry], crd: CRD, views: Views, apart: Mapping[str, Apart] | None = None
) -> MovedEntries:
    """Move entries to the storage version.

    Args:
        entries: all of one object.
        crd: its CRD.
        views: where a webhook converts, the object in the storage version and in those of `versions_to_read`.
        apart: by old version, where its schema divides objects into fields otherwise than that of the storage version.
    """
    entries = tuple(entries)
    mapping = _Mapping(crd, views, apart or {})
    try:
        after = mapping.moved(entries, splits=True)
        if _updates(after.entries) > max(_MOST_UPDATES, _updates(entries)):
            after = mapping.moved(entries, splits=False)
    except (UnreadableFieldsError, RecursionError):
        return MovedEntries(entries, left_as_they_are(entries, crd))
    return after


def _updates(entries: Iterable[ManagedFieldsEntry]) -> int:
    return sum(e.operation != _APPLY for e in entries)


def _is_known(entry: ManagedFieldsEntry, crd: CRD) -> bool:
    group, _, version = entry.api_version.rpartition("/")
    return group == crd.group and crd.has_version(version)


class _Mapping(msgspec.Struct, frozen=True):
    """How one object's entries are moved."""

    crd: CRD
    views: Views
    apart: Mapping[str, Apart]

    def moved(self, entries: tuple[ManagedFieldsEntry, ...], *, splits: bool) -> MovedEntries:
        """Move them; what is only in part the same in the storage version is divided if it `splits`."""
        to = self.crd.storage_api_version
        after: list[ManagedFieldsEntry] = []
        left: list[LeftEntry] = []
        for entry in entries:
            apart = self.apart.get(entry.api_version.rpartition("/")[2])
            if entry.api_version != to and _is_known(entry, self.crd) and (self.crd.webhook or apart):
                found, fields = self._mapped(entry, apart or {}, splits=splits)
                after += found
                left += fields
            else:
                # What an entry of a version that is gone owned cannot be looked up: its paths are all there is.
                after.append(msgspec.structs.replace(entry, api_version=to))
        return MovedEntries(united(after), tuple(left))

    def _mapped(
        self, entry: ManagedFieldsEntry, apart: Apart, *, splits: bool
    ) -> tuple[list[ManagedFieldsEntry], tuple[LeftEntry, ...]]:
        """An entry that may not mean the same in the storage version: moved as far as it does."""
        crd, to = self.crd, self.crd.storage_api_version
        stays = [entry], (LeftEntry(entry.manager, entry.api_version),)
        if crd.webhook and entry.api_version not in self.views:
            return stays  # not served
        try:
            fields = read(entry.fields_v1)
            parts = split(fields, self.views.get(entry.api_version, UNREAD), self.views.get(to, UNREAD), apart)
        except (UnreadableFieldsError, RecursionError):
            return stays
        there = msgspec.structs.replace(entry, api_version=to)
        if parts.other is None:
            return [there], ()
        left = (LeftEntry(entry.manager, entry.api_version, paths(parts.other, _FIELDS)),)
        # The server tells the applies of one manager apart by subresource only, so one in two versions would lose a
        # part (BuildManagerIdentifier in apimachinery pkg/util/managedfields/internal/managedfields.go).
        if parts.same is None or entry.operation == _APPLY or not splits:
            return [entry], left
        return [_with(there, parts.same), _with(entry, parts.other)], left


def _with(entry: ManagedFieldsEntry, fields: Fields) -> ManagedFieldsEntry:
    return msgspec.structs.replace(entry, fields_v1=msgspec.Raw(msgspec.json.encode(fields)))


def united(entries: list[ManagedFieldsEntry]) -> tuple[ManagedFieldsEntry, ...]:
    """Entries of one manager, operation, subresource and version as one, in the server's order.

    The order is that of sortEncodedManagedFields in apimachinery pkg/util/managedfields/internal/managedfields.go.
    """
    groups: dict[tuple[str, ...], ManagedFieldsEntry] = {}
    for entry in entries:
        who = (entry.manager, entry.operation, entry.subresource, entry.api_version)
        before = groups.get(who)
        groups[who] = entry if before is None else _union(before, entry)
    return tuple(sorted(groups.values(), key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource)))


def _union(one: ManagedFieldsEntry, other: ManagedFieldsEntry) -> ManagedFieldsEntry:
    newest = max(one.time, other.time)
    fields = union(read(one.fields_v1), read(other.fields_v1))
    return _with(msgspec.structs.replace(one, time=newest), fields)
