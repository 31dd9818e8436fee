"""Keeps managedFields up to date as objects are written, and applies configurations to them.

As k8s.io/apimachinery in pkg/util/managedfields/internal/fieldmanager.go. What kubectl's own client-side apply leaves
(its annotation and its manager) is an annotation and a manager like any other here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from asyncmigrate.testing import _managed, _scale
from asyncmigrate.testing._apply import apply
from asyncmigrate.testing._call import Call
from asyncmigrate.testing._convert import UnconvertibleError
from asyncmigrate.testing._managed import Entry
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._paths import paths_of, tree_of
from asyncmigrate.testing._state import State
from asyncmigrate.testing._status import invalid
from asyncmigrate.testing._typed import reconciled
from asyncmigrate.testing._views import Views

_KEEPS_LIVE_SINCE = 37
_MAX_NAME = 128
_FIRST = "before-first-apply"


class Owners:
    """What becomes of the entries of objects that are written."""

    def __init__(self, state: State) -> None:
        self._state = state

    def views(self, call: Call) -> Views:
        return Views(call, self._state.faults.unconvertible_objects)

    async def update(self, call: Call, new: Object, old: Object, sent: Any) -> None:  # noqa: ANN401 -- a request's value
        """Bring the managedFields of `new` up to date, which a create, an update or a patch has made of `old`."""
        c = call.collection
        live = old.get("metadata", {}).get("managedFields") or []
        # An empty list is none for custom resources, where it gets lost in Go, and for others it is one.
        entries = _managed.claimed(sent if c.crd is None else sent or None, live, subresource=call.subresource)
        try:
            after = await self._after(call, new, old, entries)
        except UnconvertibleError:
            # The write goes on, and leaves no stamp (UpdateNoErrors in fieldmanager.go). Before 1.37 it took all
            # entries away: kubernetes#136919.
            after = live if self._state.minor >= _KEEPS_LIVE_SINCE else []
        _check_managers(call, after)
        self.set(new, old, after)

    def set(self, new: Object, old: Object, entries: list[Entry]) -> None:
        """Give the object its entries, unless nothing but their times would change."""
        new["metadata"].pop("managedFields", None)
        new["metadata"] |= {"managedFields": entries} if entries else {}
        _managed.keep_times(new, old)

    def scale(self, call: Call, new: Object, old: Object) -> None:
        """Bring the managedFields of `new` up to date, whose replicas were written."""
        where = call.collection.scale or {}
        before, after = (_scale.replicas_of(o, where) for o in (old, new))
        self.set(
            new,
            old,
            _scale.owners(
                call,
                call.collection.crd,
                old["metadata"].get("managedFields") or [],
                replicas=after if after != before else None,
                at=self._state.clock.stamp(),
            ),
        )

    async def _after(self, call: Call, new: Object, old: Object, entries: list[Entry]) -> list[Entry]:
        c = call.collection
        if "uid" in old.get("metadata", {}) and not entries:
            return []  # where nobody is tracked, nobody is from then on (skipnonapplied.go)
        views, own = self.views(call), c.api_version
        live = old.get("metadata", {}).get("managedFields")
        if c.crd is not None and (new, entries) == (old, live) and self._state.minor >= _KEEPS_LIVE_SINCE:
            # Nothing is taken from anybody, and where a conversion fails that is so too: none is asked for.
            return _managed.in_order(_reconciled(e, views) for e in entries if e["fieldsV1"])
        for obj in (new, old):
            if obj and c.crd is not None:
                views.check(obj, views.kind(own), unique=False)
        changes = {own: await views.changes(new, old, own)}
        for version in {e["apiVersion"] for e in entries} - {own} if c.crd is not None else ():
            changes[version] = await views.changes(new, old, version)
        if c.crd is not None:
            entries = [_reconciled(e, views) for e in entries]
        return _managed.owned(entries, changes, call.writer(self._state.clock.stamp()))

    async def apply(self, call: Call, old: Object, config: Object, *, force: bool) -> tuple[Object, list[Entry]]:
        """What an apply makes of an object (empty: there is none), and the entries that it then has.

        Raises:
            StatusError: it meets others' fields without `force`, or what is needed for it cannot be converted.
        """
        writer, views = call.writer(self._state.clock.stamp()), self.views(call)
        live = {k: v for k, v in old.items() if k != "metadata"}
        meta = dict(old.get("metadata", {}))
        entries = meta.pop("managedFields", None) or []
        live |= {"metadata": meta} if old else {}
        empty = {"apiVersion": config["apiVersion"], "kind": config["kind"], "metadata": {}}
        if not entries and old:
            # Who applies to what nobody is tracked for meets one who set all of it (skipnonapplied.go).
            first = {writer.api_version: await views.changes(live, empty, writer.api_version)}
            entries = _managed.owned([], first, writer.named(_FIRST))
        entries = [_reconciled(e, views) for e in entries]
        for version in sorted({e["apiVersion"] for e in entries}):
            await views.convert(live, version)
        return await apply(live or empty, config, entries, writer, views, force=force)


def _check_managers(call: Call, entries: list[Entry]) -> None:
    """What ValidateManagedFields in apimachinery's pkg/apis/meta/v1/validation checks of names."""
    causes = []
    for index, name in enumerate(e.get("manager", "") for e in entries):
        where = f"metadata.managedFields[{index}].manager"
        if len(name.encode()) > _MAX_NAME:
            causes.append((where, f"Too long: may not be more than {_MAX_NAME} bytes"))
        elif (at := next((i for i, c in enumerate(name) if not c.isprintable()), None)) is not None:
            shown = msgspec.json.encode(name).decode()
            causes.append(
                (where, f"Invalid value: {shown}: invalid character U+{ord(name[at]):04X} (at position {at})")
            )
    if causes:
        kind = call.collection.kind
        raise invalid(kind.group, kind.kind, call.name, causes)


def _reconciled(entry: Entry, views: Views) -> Entry:
    """An entry as the schema of its version has its fields now: what became one value is owned as a whole."""
    paths = reconciled(paths_of(entry.get("fieldsV1")), views.kind(entry["apiVersion"]))
    return entry | {"fieldsV1": tree_of(paths)}
