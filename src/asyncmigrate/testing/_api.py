"""The API's verbs over the store: create, get, list, update, patch, delete, for CRDs and for what they define."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from asyncmigrate.testing import _crds, _lists
from asyncmigrate.testing._convert import convert
from asyncmigrate.testing._faults import Faults
from asyncmigrate.testing._objects import (
    Clock,
    Kind,
    Object,
    decode,
    encode,
    merge_patch,
    prepare_create,
    prepare_update,
)
from asyncmigrate.testing._status import StatusError, already_exists, invalid, not_found
from asyncmigrate.testing._store import Entry, Store

_NAMESPACE = Kind("", "namespaces", "Namespace")


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """What one endpoint serves. `crd` is None for CRDs themselves and for namespaces."""

    kind: Kind
    api_version: str
    prefix: str
    list_kind: str
    namespaced: bool = False
    has_status: bool = True
    crd: Any = None

    @property
    def resource(self) -> str:
        return f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural

    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}{namespace}/{name}" if self.namespaced else f"{self.prefix}{name}"


class Call(msgspec.Struct, frozen=True):
    """One request, parsed: which object (or all) of a collection, with what query, body and manager."""

    collection: Collection
    namespace: str
    name: str
    subresource: str
    query: Mapping[str, str]
    accept: str = ""
    manager: str = "unknown"

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"


class Api:
    """The state of one server, and what its verbs do to it."""

    def __init__(self) -> None:
        self.store = Store()
        self.faults = Faults()
        self.clock = Clock()
        for name in ("default", "kube-system"):
            self.add(self.namespaces(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    # Which collections there are

    def namespaces(self) -> Collection:
        return Collection(kind=_NAMESPACE, api_version="v1", prefix="/registry/namespaces/", list_kind="NamespaceList")

    def crds(self) -> Collection:
        kind = _crds.KIND
        return Collection(
            kind=kind, api_version=f"{kind.group}/v1", prefix=_crds.key(""), list_kind="CustomResourceDefinitionList"
        )

    def crd(self, name: str) -> Object | None:
        entry = self.store.get(_crds.key(name))
        return decode(entry.data, entry.revision) if entry and entry.data else None

    def collection(self, group: str, version: str, plural: str) -> Collection | None:
        """What `/apis/<group>/<version>/<plural>` serves; None where nothing does."""
        if group == _crds.GROUP:
            return self.crds() if (version, plural) == ("v1", _crds.PLURAL) else None
        crd = self.crd(f"{plural}.{group}")
        return self._of(crd, version) if crd else None

    def _of(self, crd: Object, version: str) -> Collection | None:
        served = _crds.version_of(crd, version)
        if served is None or not served["served"]:
            return None
        spec = crd["spec"]
        kind = Kind(spec["group"], spec["names"]["plural"], spec["names"]["kind"])
        return Collection(
            kind=kind,
            api_version=f"{kind.group}/{version}",
            prefix=f"/registry/{kind.group}/{kind.plural}/",
            list_kind=spec["names"]["listKind"],
            namespaced=spec["scope"] == "Namespaced",
            has_status=_crds.has_status(served),
            crd=crd,
        )

    # Between the store and a reader

    async def _shown(self, call: Call, objects: list[Object]) -> list[Object]:
        crd = call.collection.crd
        if crd is None:
            return objects
        version = call.collection.api_version.rpartition("/")[2]
        return await convert(objects, crd, version, self.faults.unconvertible_objects)

    async def _stored_form(self, call: Call, obj: Object) -> bytes:
        crd = call.collection.crd
        if crd is not None:
            # The CRD may have changed since the request began; the store takes the newest.
            crd = self.crd(crd["metadata"]["name"]) or crd
            [obj] = await convert([obj], crd, _crds.storage_version(crd), self.faults.unconvertible_objects)
        return encode(obj)

    def _render(self, call: Call, obj: Object) -> Object:
        return _lists.as_metadata(obj) if _lists.wants_metadata_only(call.accept) else obj

    # Verbs

    async def get(self, call: Call) -> Object:
        entry = self.store.get(call.collection.key(call.namespace, call.name))
        if entry is None or entry.data is None:
            raise self._missing(call)
        [obj] = await self._shown(call, [decode(entry.data, entry.revision)])
        return self._render(call, obj)

    async def list(self, call: Call) -> Object:
        c = call.collection
        prefix = f"{c.prefix}{call.namespace}/" if call.namespace else c.prefix
        chunk = _lists.read(self.store, prefix, call.query)
        if c.crd is not None and any(
            o["apiVersion"].rpartition("/")[2] not in _crds.version_names(c.crd) for o in chunk.objects
        ):
            raise StatusError("TooManyRequests", "storage is (re)initializing", retry_after=1)
        chunk.objects = await self._shown(call, chunk.objects)
        return _lists.render(chunk, kind=c.list_kind, api_version=c.api_version, accept=call.accept)

    async def create(self, call: Call, body: Any) -> Object:  # noqa: ANN401 -- a request body
        c = call.collection
        body = _crds.as_version(body, c.api_version)
        if c.namespaced and self.store.get(f"/registry/namespaces/{call.namespace}") is None:
            raise not_found("", "namespaces", call.namespace)
        obj = prepare_create(body, c.kind, has_status=c.has_status, manager=call.manager, at=self.clock.stamp())
        if c.namespaced:
            obj["metadata"]["namespace"] = call.namespace
        if c.kind == _crds.KIND:
            _crds.validate(obj)
            _crds.complete(obj, at=self.clock.stamp())
        key = c.key(call.namespace, obj["metadata"]["name"])
        data = await self._stored_form(call, obj)
        if self.store.get(key) is not None:
            raise already_exists(c.kind.group, c.kind.plural, obj["metadata"]["name"])
        revision = self.store.revision if call.dry_run else self.store.put(key, data)
        obj["metadata"]["resourceVersion"] = str(revision)
        return self._render(call, obj)

    async def replace(self, call: Call, body: Any) -> Object:  # noqa: ANN401 -- a request body
        body = _crds.as_version(body, call.collection.api_version)
        if not (body.get("metadata") or {}).get("resourceVersion"):
            kind = call.collection.kind
            why = [("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")]
            raise invalid(kind.group, kind.plural, call.name, why)
        return await self._write(call, lambda _: body)

    async def patch(self, call: Call, patch: Any) -> Object:  # noqa: ANN401 -- a request body
        if not isinstance(patch, dict):
            raise StatusError("BadRequest", "a merge patch is a JSON object")
        return await self._write(call, lambda old: merge_patch(old, patch))

    async def _write(self, call: Call, change: Any) -> Object:  # noqa: ANN401 -- old object to new
        """Read, change, write if nobody else did meanwhile; a write that changes no byte is elided."""
        c = call.collection
        key = c.key(call.namespace, call.name)
        while True:
            entry = self.store.get(key)
            if entry is None or entry.data is None:
                raise self._missing(call)
            [old] = await self._shown(call, [decode(entry.data, entry.revision)])
            changed = _crds.as_version(change(old), c.api_version)
            new = prepare_update(
                changed,
                old,
                c.kind,
                part=call.subresource,
                has_status=c.has_status,
                manager=call.manager,
                at=self.clock.stamp(),
            )
            if c.kind == _crds.KIND and new is not old and call.subresource != "status":
                # As in the API server: the status endpoint checks nothing, and validation sees storedVersions.
                _crds.validate(new)
            if c.kind == _crds.KIND and new is not old:
                _crds.complete(new, at=self.clock.stamp(), spec_changed=call.subresource != "status")
            data = await self._stored_form(call, new)
            if self.store.get(key) != entry:
                continue
            return self._render(call, self._commit(call, key, entry, new, data))

    def _commit(self, call: Call, key: str, before: Entry, new: Object, data: bytes) -> Object:
        revision = before.revision
        meta = new["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            if not call.dry_run:
                revision = self._remove(call, key)
        elif data != before.data and not call.dry_run:
            revision = self.store.put(key, data)
        return new | {"metadata": meta | {"resourceVersion": str(revision)}}

    async def delete(self, call: Call) -> Object:
        key = call.collection.key(call.namespace, call.name)
        entry = self.store.get(key)
        if entry is None or entry.data is None:
            raise self._missing(call)
        obj = decode(entry.data, entry.revision)
        if obj["metadata"].get("finalizers"):
            if not call.dry_run and not obj["metadata"].get("deletionTimestamp"):
                obj["metadata"] |= {
                    "deletionTimestamp": obj["metadata"]["creationTimestamp"],
                    "deletionGracePeriodSeconds": 0,
                }
                obj["metadata"]["resourceVersion"] = str(self.store.put(key, encode(obj)))
            return obj
        if not call.dry_run:
            self._remove(call, key)
        kind = call.collection.kind
        details = {"name": call.name, "group": kind.group, "kind": kind.plural, "uid": obj["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _remove(self, call: Call, key: str) -> int:
        if call.collection.kind == _crds.KIND and (crd := self.crd(call.name)):
            prefix = f"/registry/{crd['spec']['group']}/{crd['spec']['names']['plural']}/"
            for owned, _ in self.store.scan(prefix)[0]:
                self.store.delete(owned)
        return self.store.delete(key)

    def _missing(self, call: Call) -> StatusError:
        return not_found(call.collection.kind.group, call.collection.kind.plural, call.name)

    # Straight into the store, for tests that set the scene

    def add(self, collection: Collection, obj: Object) -> Object:
        """Store an object as it is given, in its own apiVersion, with no conversion and no checks but its name."""
        obj = prepare_create(obj, collection.kind, has_status=False, manager="test", at=self.clock.stamp())
        meta = obj["metadata"]
        if collection.namespaced:
            meta.setdefault("namespace", "default")
        key = collection.key(meta.get("namespace", ""), meta["name"])
        if self.store.get(key) is not None:
            raise already_exists(collection.kind.group, collection.kind.plural, meta["name"])
        meta["resourceVersion"] = str(self.store.put(key, encode(obj)))
        return obj

    def apply_crd(self, crd: Object) -> Object:
        """Create the CRD, or change its spec to this one, as `kubectl apply` would."""
        name = crd["metadata"]["name"]
        key = _crds.key(name)
        entry = self.store.get(key)
        if entry is None or entry.data is None:
            new = prepare_create(crd, _crds.KIND, has_status=False, manager="test", at=self.clock.stamp())
        else:
            old = decode(entry.data, entry.revision)
            new = old | {"spec": crd["spec"]}
            new = prepare_update(new, old, _crds.KIND, part="", has_status=True, manager="test", at=self.clock.stamp())
        _crds.validate(new)
        _crds.complete(new, at=self.clock.stamp())
        data = encode(new)
        if entry is None or data != entry.data:
            self.store.put(key, data)
        return self.crd(name) or new
