"""What the API server does to an object's metadata and bytes on its way to the store and back."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from asyncmigrate.testing._status import StatusError, conflict, invalid

Object = dict[str, Any]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_MAX_NAME = 253
_SERVER_OWNED = (
    *("uid", "creationTimestamp", "generation", "resourceVersion", "managedFields"),
    *("deletionTimestamp", "deletionGracePeriodSeconds"),
)
_IDENTITY = ("name", "namespace", "generateName")
_METADATA = frozenset((*_SERVER_OWNED, *_IDENTITY, "labels", "annotations", "finalizers", "ownerReferences"))
_CRDS = "apiextensions.k8s.io"


class Clock:
    """The server's clock; `ahead` in seconds of this machine's, and `date_ahead` what the Date header adds to that."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.date_ahead = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def date(self) -> datetime:
        return self.now() + timedelta(seconds=self.date_ahead)

    def stamp(self) -> str:
        """The time as it stands in metadata: RFC 3339, whole seconds."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def encode(obj: Object) -> bytes:
    """The bytes that go into the store: sorted keys and a newline as Go writes them, and no resource version."""
    stored = obj | {"metadata": {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}}
    return msgspec.json.encode(stored, order="sorted") + b"\n"


def decode(data: bytes, revision: int) -> Object:
    obj: Object = msgspec.json.decode(data)
    obj["metadata"]["resourceVersion"] = str(revision)
    return obj


def merge_patch(target: Any, patch: Any) -> Any:  # noqa: ANN401 -- any JSON
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


class Kind(msgspec.Struct, frozen=True):
    """How messages call an object."""

    group: str
    plural: str
    kind: str


def prepare_create(obj: Object, kind: Kind, *, has_status: bool, at: str, has_generation: bool = True) -> Object:
    obj = copy.deepcopy(obj)
    meta = obj["metadata"] = _known(obj.get("metadata"))
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + uuid4().hex[:5]
    if not meta.get("name"):
        raise invalid(
            kind.group, kind.kind, "", [("metadata.name", "Required value: name or generateName is required")]
        )
    if not _NAME.fullmatch(meta["name"]) or len(meta["name"]) > _MAX_NAME:
        raise invalid(
            kind.group,
            kind.kind,
            meta["name"],
            [("metadata.name", f'Invalid value: "{meta["name"]}": a lowercase RFC 1123 subdomain')],
        )
    if meta.get("resourceVersion"):
        raise StatusError("BadRequest", "resourceVersion should not be set on objects to be created")
    for field in _SERVER_OWNED:
        meta.pop(field, None)
    meta |= {"uid": str(uuid4()), "creationTimestamp": at} | ({"generation": 1} if has_generation else {})
    if has_status:
        obj.pop("status", None)
    return obj


def prepare_update(
    new: Object,
    old: Object,
    kind: Kind,
    *,
    part: str = "",
    has_status: bool,
    patched: bool = False,
    has_generation: bool = True,
) -> Object:
    """Keep what a writer may not touch, and raise the generation where the spec changed.

    `part` is `status` for a write through that subresource. managedFields stay as they are in `old`.
    """
    new = copy.deepcopy(new)
    new["metadata"] = _known(new.get("metadata"))
    _check_preconditions(new["metadata"], old["metadata"], kind, patched=patched)
    kept = (*_SERVER_OWNED, *_IDENTITY)
    new["metadata"] = {k: v for k, v in new["metadata"].items() if k not in kept} | {
        f: old["metadata"][f] for f in kept if f in old["metadata"]
    }
    if part == "status":
        return _status_of(new, old, kind)
    if has_status:
        new.pop("status", None)
        new |= {"status": old["status"]} if "status" in old else {}
    if has_generation and _but_metadata(new, has_status=has_status) != _but_metadata(old, has_status=has_status):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return new


def _known(meta: Any) -> Object:  # noqa: ANN401 -- whatever a request says
    """Metadata without fields that are not part of it, and without empty ones."""
    return {k: v for k, v in (meta or {}).items() if k in _METADATA and v not in (None, "", {}, [])}


def _check_preconditions(meta: Object, before: Object, kind: Kind, *, patched: bool) -> None:
    name = before["name"]
    wanted = meta.get("resourceVersion")
    if wanted and not str(wanted).isdecimal():
        raise StatusError("", f'strconv.ParseUint: parsing "{wanted}": invalid syntax', code=500)
    if wanted and wanted != before["resourceVersion"]:
        raise conflict(kind.group, kind.plural, name)
    uid = meta.get("uid", before["uid"])
    if uid != before["uid"] and patched:
        # Only the body of an update is a precondition; in a patch the uid is a field like any other.
        raise invalid(kind.group, kind.kind, name, [("metadata.uid", f'Invalid value: "{uid}": field is immutable')])
    if uid != before["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before['uid']}"
        raise conflict(kind.group, kind.plural, name, why)
    if meta.get("name", name) != name:
        raise StatusError(
            "BadRequest", f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )


def _status_of(new: Object, old: Object, kind: Kind) -> Object:
    """What a write through the status subresource makes of `old`."""
    status = {k: v for k, v in new.items() if k == "status" and v is not None}
    # A CRD's labels and annotations can be changed through its status too: a bug that is kept, says statusStrategy in
    # apiextensions-apiserver's pkg/registry/customresourcedefinition/strategy.go.
    meta = {"metadata": new["metadata"]} if kind.group == _CRDS else {}
    return {k: v for k, v in old.items() if k != "status"} | meta | status


def _but_metadata(obj: Object, *, has_status: bool) -> Object:
    ignored = {"metadata", "status"} if has_status else {"metadata"}
    return {k: v for k, v in obj.items() if k not in ignored}


def mark_deleted(obj: Object, *, at: str) -> Object:
    """The object as it waits for its finalizers: a deletion counts as a change of what is wanted."""
    meta = obj["metadata"]
    counted = {"generation": meta["generation"] + 1} if meta.get("generation") else {}
    return obj | {"metadata": meta | {"deletionTimestamp": at, "deletionGracePeriodSeconds": 0} | counted}
