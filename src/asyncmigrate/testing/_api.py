"""The API's verbs over the store: create, get, list, update, patch, delete, for CRDs and for what they define."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from asyncmigrate.testing import _convert, _crds, _lists, _managed, _scale
from asyncmigrate.testing._admit import admit
from asyncmigrate.testing._bodies import check, check_applied, check_name, decoded
from asyncmigrate.testing._call import Call
from asyncmigrate.testing._managed import Entries
from asyncmigrate.testing._objects import Object, decode, encode, mark_deleted, prepare_create, prepare_update
from asyncmigrate.testing._owners import Owners
from asyncmigrate.testing._patches import Change
from asyncmigrate.testing._state import CRDS, State
from asyncmigrate.testing._status import (
    StatusError,
    about,
    already_exists,
    conflict,
    internal_error,
    invalid,
    not_found,
)
from asyncmigrate.testing._store import Entry as Stored


class _Configuration(NamedTuple):
    """What is to be applied, and whether others' fields are to be taken for it."""

    config: Object
    force: bool


class Api:
    """What the verbs do to a server's state.

    A custom resource is converted, pruned and stored by the CRD as of the request's beginning, `call.collection.crd`.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._owners = Owners(state)

    # Between the store and a reader

    async def _read(self, call: Call) -> tuple[Stored, Object]:
        """One object as it is stored, and as the caller is to see it."""
        entry = self._state.store.get(call.key)
        if entry is None or entry.data is None:
            raise not_found(call.collection.kind.group, call.collection.kind.plural, call.name)
        obj = decode(entry.data, entry.revision)
        crd = call.collection.crd
        if crd is not None:
            unconvertible = self._state.faults.unconvertible_objects
            [obj] = await _convert.read([obj], crd, call.collection.version, unconvertible)
        elif plain := call.collection.plain:
            obj = plain.shown(obj, call.collection.api_version)
        return entry, obj

    async def _stored_form(self, call: Call, obj: Object) -> bytes:
        crd = call.collection.crd
        if crd is not None:
            unconvertible = self._state.faults.unconvertible_objects
            [obj] = await _convert.write([obj], crd, _crds.storage_version(crd), unconvertible)
        elif plain := call.collection.plain:
            obj = plain.to_store(obj)
        return encode(obj)

    def _render(self, call: Call, obj: Object) -> Object:
        if call.subresource == "scale" and (where := call.collection.scale):
            return _scale.shown(obj, where)
        return _lists.as_metadata(obj) if _lists.wants_metadata_only(call.accept) else obj

    # Verbs

    async def get(self, call: Call) -> Object:
        try:
            _, obj = await self._read(call)
        except _convert.UnconvertibleError as error:
            raise internal_error(_corrupt(call.key, error)) from error
        if call.subresource == "scale" and (where := call.collection.scale):
            return _scale.shown(obj, where, reading=True)
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
        elif c.plain is not None:
            chunk.objects = [c.plain.shown(o, c.api_version) for o in chunk.objects]
        return _lists.render(chunk, kind=c.list_kind, api_version=c.api_version, accept=call.accept)

    async def create(self, call: Call, body: Any) -> Object:  # noqa: ANN401 -- a request body
        body = decoded(call.collection, body)
        return await self._create(call, body, body_entries=(body.get("metadata") or {}).get("managedFields"))

    async def _create(
        self,
        call: Call,
        body: Object,
        *,
        body_entries: Any = None,  # noqa: ANN401 -- a request's value
        applied: Entries | None = None,
    ) -> Object:
        """Store a new object; `applied` are the entries that it has by an apply."""
        c, at = call.collection, self._state.clock.stamp()
        if c.namespaced and (body.get("metadata") or {}).get("namespace", call.namespace) != call.namespace:
            why = "the namespace of the provided object does not match the namespace sent on the request"
            raise StatusError("BadRequest", why)
        if c.namespaced and self._state.store.get(f"/registry/namespaces/{call.namespace}") is None:
            raise not_found("", "namespaces", call.namespace)
        obj = prepare_create(body, c.kind, has_status=c.has_status, at=at, has_generation=c.plain is None)
        meta = obj["metadata"]
        if c.namespaced:
            meta["namespace"] = call.namespace
        check(c, obj, None)
        call = msgspec.structs.replace(call, name=meta["name"])
        if applied is None:
            await self._owners.update(call, obj, _crds.EMPTY if c is CRDS else {}, body_entries or [{}])
        elif applied:
            meta["managedFields"] = applied
        if c is CRDS:
            _crds.settle(obj, at=at, spec_changed=True, others=self._state.crds())
        await admit(self._state, call, "CREATE", obj, None)
        data = await self._stored_form(call, obj)
        if self._state.store.get(call.key) is not None:
            raise already_exists(c.kind.group, c.kind.plural, call.name)
        if not call.dry_run:
            meta["resourceVersion"] = str(self._state.store.put(call.key, data))
        return self._render(call, obj)

    async def replace(self, call: Call, body: Any) -> tuple[bool, Object]:  # noqa: ANN401 -- a request body
        """Put an object in the place of another; tells whether that has made it, which some kinds allow."""
        plain = call.collection.plain
        if call.subresource != "scale":
            body = decoded(call.collection, body)
        if plain is not None:
            check_name(call, body)
            if plain.creates_on_update and self._state.store.get(call.key) is None:
                return True, await self.create(call, body)
        return False, await self._write(call, lambda _: body)

    async def patch(self, call: Call, change: Change) -> Object:
        """Change an object as a patch asks, which is made of what its endpoint shows."""
        return await self._write(call, change, patched=True)

    async def apply(self, call: Call, config: Object, *, force: bool) -> tuple[bool, Object]:
        """Apply a configuration; tells whether that has made the object."""
        if call.subresource == "scale":
            raise _scale.no_apply(call)
        while True:
            if call.subresource or self._state.store.get(call.key) is not None:
                return False, await self._write(call, _Configuration(config, force))
            new, entries = await self._owners.apply(call, {}, config, force=force)
            check_applied(call, new)
            new = decoded(call.collection, new)
            if uid := new["metadata"].pop("uid", None):
                kind = call.collection.kind
                why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise conflict(kind.group, kind.plural, call.name, why)
            new["metadata"].pop("resourceVersion", None)  # it is no precondition where nothing is
            try:
                return True, await self._create(call, new, applied=entries)
            except StatusError as error:
                if error.body.get("reason") != "AlreadyExists":
                    raise

    async def _write(self, call: Call, change: Change | _Configuration, *, patched: bool = False) -> Object:
        """Read, change, write if nobody else did meanwhile, or else again; a write that changes no byte is elided."""
        c = call.collection
        while True:
            entry, old = await self._read(call)
            body, applied = await self._changed(call, old, change)
            sent = (body.get("metadata") or {}).get("managedFields")
            patched = patched or applied is not None
            new = prepare_update(
                *(body, old, c.kind),
                part=call.subresource,
                has_status=c.has_status,
                patched=patched,
                has_generation=c.plain is None,
            )
            await self._own(call, new, old, sent, applied)
            if call.subresource != "status":
                # As in the API server: the status endpoint checks nothing, and validation sees storedVersions.
                check(c, new, old)
            if c is CRDS:
                at = self._state.clock.stamp()
                _crds.settle(new, at=at, spec_changed=call.subresource != "status")
            await admit(self._state, call, "UPDATE", new, old)
            data = await self._stored_form(call, new)
            if self._state.store.get(call.key) == entry:
                return self._render(call, self._commit(call, entry, new, data))

    async def _changed(self, call: Call, old: Object, change: Change | _Configuration) -> tuple[Object, Entries | None]:
        """What a request makes of an object, and the entries that it then has if they are settled by that."""
        applied: Entries | None = None
        if isinstance(change, _Configuration):
            body, applied = await self._owners.apply(call, old, change.config, force=change.force)
            check_applied(call, body)
        elif call.subresource == "scale" and (where := call.collection.scale):
            body = _scale.scaled(call, old, where, change(_scale.shown(old, where)))
        else:
            body = change(old)
            _managed.check_form((body.get("metadata") or {}).get("managedFields") if isinstance(body, dict) else None)
        body = decoded(call.collection, body)
        plain = call.collection.plain
        guarded = plain is None or not plain.updates_unconditionally
        if guarded and not (body.get("metadata") or {}).get("resourceVersion"):
            kind = call.collection.kind
            why = [("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")]
            raise invalid(kind.group, kind.plural, call.name, why)
        return body, applied

    async def _own(
        self,
        call: Call,
        new: Object,
        old: Object,
        sent: Any,  # noqa: ANN401 -- a request's value
        applied: Entries | None,
    ) -> None:
        """Bring the managedFields of `new` up to date; `applied` are those that an apply has settled."""
        if applied is not None:
            self._owners.set(new, old, applied)
        elif call.subresource == "scale":
            self._owners.scale(call, new, old)
        else:
            await self._owners.update(call, new, old, sent)

    def _commit(self, call: Call, before: Stored, new: Object, data: bytes) -> Object:
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
            await admit(self._state, call, "DELETE", None, old)
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
            details = about(kind.group, kind.plural, call.name) | {"uid": old["metadata"]["uid"]}
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _remove(self, call: Call) -> None:
        store = self._state.store
        if call.collection is CRDS and (crd := self._state.crd(call.name)):
            prefix = f"/registry/{crd['spec']['group']}/{crd['spec']['names']['plural']}/"
            for owned, _ in store.scan(prefix)[0]:
                store.delete(owned)
        store.delete(call.key)


def _corrupt(key: str, why: Exception) -> str:
    """How a read says that a stored object cannot be decoded."""
    return (
        f"StorageError: corrupt object, Code: 7, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"object not decodable: {why}"
    )
