"""The API's verbs over the store: create, get, list, update, patch, delete, for CRDs and for what they define."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from asyncmigrate.testing import _admission, _convert, _crds, _lists, _managed
from asyncmigrate.testing._managed import Writer
from asyncmigrate.testing._objects import (
    Object,
    decode,
    encode,
    mark_deleted,
    merge_patch,
    prepare_create,
    prepare_update,
)
from asyncmigrate.testing._prune import pruned
from asyncmigrate.testing._state import CRDS, WEBHOOKS, Collection, State
from asyncmigrate.testing._status import StatusError, already_exists, internal_error, invalid, not_found
from asyncmigrate.testing._store import Entry


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, parsed: which object (or all) of a collection, with what query, body and manager."""

    collection: Collection
    namespace: str
    name: str
    subresource: str
    query: Mapping[str, str]
    accept: str = ""
    manager: str = "unknown"
    user: str = ""

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    @property
    def key(self) -> str:
        return self.collection.key(self.namespace, self.name)


class Api:
    """What the verbs do to a server's state.

    A custom resource is converted, pruned and stored by the CRD as of the request's beginning, `call.collection.crd`.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    # Between the store and a reader

    async def _read(self, call: Call) -> tuple[Entry, Object]:
        """One object as it is stored, and as the caller is to see it."""
        entry = self._state.store.get(call.key)
        if entry is None or entry.data is None:
            raise not_found(call.collection.kind.group, call.collection.kind.plural, call.name)
        obj = decode(entry.data, entry.revision)
        crd = call.collection.crd
        if crd is not None:
            unconvertible = self._state.faults.unconvertible_objects
            [obj] = await _convert.read([obj], crd, call.collection.version, unconvertible)
        return entry, obj

    async def _stored_form(self, call: Call, obj: Object) -> bytes:
        crd = call.collection.crd
        if crd is not None:
            unconvertible = self._state.faults.unconvertible_objects
            [obj] = await _convert.write([obj], crd, _crds.storage_version(crd), unconvertible)
        return encode(obj)

    def _render(self, call: Call, obj: Object) -> Object:
        return _lists.as_metadata(obj) if _lists.wants_metadata_only(call.accept) else obj

    # Verbs

    async def get(self, call: Call) -> Object:
        try:
            _, obj = await self._read(call)
        except _convert.UnconvertibleError as error:
            raise internal_error(_corrupt(call.key, error)) from error
        return self._render(call, obj)

    async def list(self, call: Call) -> Object:
        c = call.collection
        prefix = f"{c.prefix}{call.namespace}/" if call.namespace else c.prefix
        chunk = _lists.read(self._state.store, prefix, call.query)
        if c.crd is not None:
            known = _crds.version_names(c.crd)
            if any(o["apiVersion"].rpartition("/")[2] not in known for o in chunk.objects):
                raise StatusError("TooManyRequests", "storage is (re)initializing", retry_after=1)
            unconvertible = self._state.faults.unconvertible_objects
            try:
                chunk.objects = await _convert.read(chunk.objects, c.crd, c.version, unconvertible)
            except _convert.UnconvertibleError as error:
                raise internal_error(_corrupt(prefix, error)) from error
        return _lists.render(chunk, kind=c.list_kind, api_version=c.api_version, accept=call.accept)

    async def create(self, call: Call, body: Any) -> Object:  # noqa: ANN401 -- a request body
        c, at = call.collection, self._state.clock.stamp()
        body = _decoded(c, body)
        if c.namespaced and self._state.store.get(f"/registry/namespaces/{call.namespace}") is None:
            raise not_found("", "namespaces", call.namespace)
        sent = (body.get("metadata") or {}).get("managedFields")
        obj = prepare_create(body, c.kind, has_status=c.has_status, at=at)
        meta = obj["metadata"]
        if c.namespaced:
            meta["namespace"] = call.namespace
        _check(c, obj, is_new=True)
        call = msgspec.structs.replace(call, name=meta["name"])
        await self._own(call, obj, _crds.EMPTY if c is CRDS else {}, sent or [{}])
        if c is CRDS:
            _crds.settle(obj, at=at, spec_changed=True)
        await self._admit(call, "CREATE", obj, None)
        data = await self._stored_form(call, obj)
        if self._state.store.get(call.key) is not None:
            raise already_exists(c.kind.group, c.kind.plural, call.name)
        if not call.dry_run:
            meta["resourceVersion"] = str(self._state.store.put(call.key, data))
        return self._render(call, obj)

    async def replace(self, call: Call, body: Any) -> Object:  # noqa: ANN401 -- a request body
        body = _decoded(call.collection, body)
        if not (body.get("metadata") or {}).get("resourceVersion"):
            kind = call.collection.kind
            why = [("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")]
            raise invalid(kind.group, kind.plural, call.name, why)
        return await self._write(call, lambda _: body)

    async def patch(self, call: Call, patch: Any) -> Object:  # noqa: ANN401 -- a request body
        if not isinstance(patch, dict):
            raise StatusError("BadRequest", "a merge patch is a JSON object")
        return await self._write(call, lambda old: merge_patch(old, patch), patched=True)

    async def _write(self, call: Call, change: Callable[[Object], Any], *, patched: bool = False) -> Object:
        """Read, change, write if nobody else did meanwhile, or else again; a write that changes no byte is elided."""
        c = call.collection
        while True:
            entry, old = await self._read(call)
            body = _decoded(c, change(old))
            sent = (body.get("metadata") or {}).get("managedFields")
            new = prepare_update(body, old, c.kind, part=call.subresource, has_status=c.has_status, patched=patched)
            await self._own(call, new, old, sent)
            if call.subresource != "status":
                # As in the API server: the status endpoint checks nothing, and validation sees storedVersions.
                _check(c, new, is_new=False)
            if c is CRDS:
                at = self._state.clock.stamp()
                _crds.settle(new, at=at, spec_changed=call.subresource != "status")
            await self._admit(call, "UPDATE", new, old)
            data = await self._stored_form(call, new)
            if self._state.store.get(call.key) == entry:
                return self._render(call, self._commit(call, entry, new, data))

    def _commit(self, call: Call, before: Entry, new: Object, data: bytes) -> Object:
        revision = before.revision
        meta = new["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            if not call.dry_run:
                self._remove(call)
        elif data != before.data and not call.dry_run:
            revision = self._state.store.put(call.key, data)
        return new | {"metadata": meta | {"resourceVersion": str(revision)}}

    async def delete(self, call: Call) -> Object:
        """Delete, or with finalizers mark as deleted, which stores the object as any other write does."""
        while True:
            try:
                entry, old = await self._read(call)
            except _convert.UnconvertibleError as error:
                raise internal_error(_corrupt(call.key, error)) from error
            await self._admit(call, "DELETE", None, old)
            waits = bool(old["metadata"].get("finalizers"))
            marked = old
            if waits and not old["metadata"].get("deletionTimestamp"):
                marked = mark_deleted(old, at=self._state.clock.stamp())
            data = await self._stored_form(call, marked) if waits else b""
            if self._state.store.get(call.key) != entry:
                continue
            if waits:
                return self._render(call, marked if marked is old else self._commit(call, entry, marked, data))
            if not call.dry_run:
                self._remove(call)
            kind = call.collection.kind
            details = {"name": call.name, "group": kind.group, "kind": kind.plural, "uid": old["metadata"]["uid"]}
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _remove(self, call: Call) -> None:
        store = self._state.store
        if call.collection is CRDS and (crd := self._state.crd(call.name)):
            prefix = f"/registry/{crd['spec']['group']}/{crd['spec']['names']['plural']}/"
            for owned, _ in store.scan(prefix)[0]:
                store.delete(owned)
        store.delete(call.key)

    # What a write goes through on its way

    async def _own(self, call: Call, new: Object, old: Object, sent: Any) -> None:  # noqa: ANN401 -- a request's value
        """Bring the managedFields of `new` up to date."""
        c = call.collection
        live = old.get("metadata", {}).get("managedFields") or []
        # An empty list is none for custom resources, where it gets lost in Go, and for others it is one.
        entries = _managed.claimed(sent if c.crd is None else sent or None, live, subresource=call.subresource)
        if c.crd is not None and new == old and entries is live:
            return
        if "uid" in old.get("metadata", {}) and not entries:
            # Where nobody is tracked, nobody is from then on (internal/skipnonapplied.go).
            new["metadata"].pop("managedFields", None)
            return
        writer = Writer(call.manager, c.api_version, call.subresource, self._state.clock.stamp())
        try:
            changes = {c.api_version: _managed.compare(new, old)}
            others = {e["apiVersion"] for e in entries} - {c.api_version}
            for version in others if c.crd is not None else ():
                changes[version] = await self._changes_in(version, call, new, old)
        except _convert.UnconvertibleError:
            # The write goes on, and leaves no stamp (UpdateNoErrors in internal/fieldmanager.go).
            new["metadata"] |= {"managedFields": live} if live else {}
            return
        new["metadata"]["managedFields"] = _managed.owned(entries, changes, writer)

    async def _changes_in(self, api_version: str, call: Call, new: Object, old: Object) -> _managed.Changes:
        """What a write changes as seen in another version: nothing can be said if its schema has no such fields."""
        crd = call.collection.crd
        group, _, version = api_version.partition("/")
        if group != call.collection.kind.group or _crds.version_of(crd, version) is None:
            raise _convert.UnconvertibleError(f"request to convert CR to an invalid group/version: {api_version}")
        new, old = [await self._in_version(call, version, o) or {} for o in (new, old)]
        if any(o and pruned(o, crd, version) != o for o in (new, old)):
            raise _convert.UnconvertibleError(f"field not declared in schema of {api_version}")
        return _managed.compare(new, old)

    async def _in_version(self, call: Call, version: str, obj: Object | None) -> Object | None:
        if not obj:
            return None
        unconvertible = self._state.faults.unconvertible_objects
        [obj] = await _convert.convert([obj], call.collection.crd, version, unconvertible)
        return obj

    async def _admit(self, call: Call, operation: str, new: Object | None, old: Object | None) -> None:
        c = call.collection
        configurations = self._state.webhook_configurations()
        if not configurations or c is WEBHOOKS:
            return
        write = _admission.Write(
            operation=operation,
            kind=c.kind,
            version=c.version,
            versions=tuple(_crds.version_names(c.crd)) if c.crd else (c.version,),
            subresource=call.subresource,
            namespace=call.namespace,
            name=call.name,
            user=call.user,
            dry_run=call.dry_run,
        )

        async def view(version: str) -> tuple[Object | None, Object | None]:
            if c.crd is None:
                return new, old
            return await self._in_version(call, version, new), await self._in_version(call, version, old)

        await _admission.admit(configurations, write, view)


def _decoded(collection: Collection, body: Any) -> Object:  # noqa: ANN401 -- a request body
    """A request's object, with the defaults of its kind, or without what its version's schema does not name."""
    obj = _crds.as_version(body, collection.api_version)
    if collection.crd is not None:
        return pruned(obj, collection.crd, collection.version)
    obj.setdefault("kind", collection.kind.kind)
    if collection is CRDS:
        _crds.fill_in(obj)
    elif collection is WEBHOOKS:
        _admission.fill_in(obj)
    return obj


def _check(collection: Collection, obj: Object, *, is_new: bool) -> None:
    if collection is CRDS:
        _crds.validate(obj, is_new=is_new)
    elif collection is WEBHOOKS:
        _admission.validate(obj)


def _corrupt(key: str, why: Exception) -> str:
    """How a read says that a stored object cannot be decoded."""
    return (
        f"StorageError: corrupt object, Code: 7, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"object not decodable: {why}"
    )
