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
_SERVER_OWNED = ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp", "managedFields")


class Clock:
    """The server's clock; `ahead` in seconds of this machine's."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

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


def prepare_create(obj: Object, kind: Kind, *, has_status: bool, manager: str, at: str) -> Object:
    obj = copy.deepcopy(obj)
    meta = obj.setdefault("metadata", {})
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + uuid4().hex[:5]
    if not _NAME.fullmatch(meta.get("name", "")):
        raise invalid(
            kind.group,
            kind.kind,
            meta.get("name", ""),
            [("metadata.name", "Invalid value: a lowercase RFC 1123 subdomain")],
        )
    if meta.get("resourceVersion"):
        raise StatusError("BadRequest", "resourceVersion should not be set on objects to be created")
    for field in _SERVER_OWNED:
        meta.pop(field, None)
    meta |= {"uid": str(uuid4()), "creationTimestamp": at, "generation": 1}
    if has_status:
        obj.pop("status", None)
    _stamp(obj, manager, "", at)
    return obj


def prepare_update(
    new: Object, old: Object, kind: Kind, *, part: str, has_status: bool, manager: str, at: str
) -> Object:
    """Keep what a writer may not touch, raise the generation where the spec changed, stamp managedFields.

    `part` is `status` for a write through that subresource, `at` the time; an unchanged object is returned as `old`.
    """
    new = copy.deepcopy(new)
    _check_preconditions(new.get("metadata") or {}, old["metadata"], kind)
    new = _status_of(new, old) if part == "status" else _all_but_status(new, old, has_status=has_status)
    if new == old:
        return old
    taken = _takes(new, old)
    new["metadata"] = dict(new["metadata"])
    if part != "status" and _but_metadata(new, has_status=has_status) != _but_metadata(old, has_status=has_status):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    # A write that only takes away leaves no stamp: its manager owns nothing that it did not own before.
    if taken:
        _stamp(new, manager, part, at)
    return new


def _check_preconditions(meta: Object, before: Object, kind: Kind) -> None:
    name = before["name"]
    if (wanted := meta.get("resourceVersion")) and wanted != before["resourceVersion"]:
        raise conflict(kind.group, kind.plural, name)
    if (uid := meta.get("uid")) and uid != before["uid"]:
        raise conflict(
            kind.group,
            kind.plural,
            name,
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before['uid']}",
        )
    if meta.get("name", name) != name:
        raise StatusError(
            "BadRequest", f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )


def _status_of(new: Object, old: Object) -> Object:
    """What a write through the status subresource makes of `old`."""
    if new.get("status") is None:
        return {k: v for k, v in old.items() if k != "status"}
    return old | {"status": new["status"]}


def _all_but_status(new: Object, old: Object, *, has_status: bool) -> Object:
    """What any other write makes of it; `new` may be changed."""
    meta, before = new.get("metadata") or {}, old["metadata"]
    forgotten = meta.get("managedFields") == [{}]  # how a writer clears them
    for field in _SERVER_OWNED:
        meta.pop(field, None)
    new["metadata"] = meta | {f: before[f] for f in _SERVER_OWNED if f in before}
    if has_status:
        new.pop("status", None)
        new |= {"status": old["status"]} if "status" in old else {}
    if forgotten:
        new["metadata"].pop("managedFields", None)
    return new


def _takes(new: Any, old: Any) -> bool:  # noqa: ANN401 -- any JSON
    """Whether `new` has a value that `old` has not; lists count as one value."""
    if isinstance(new, dict) and isinstance(old, dict):
        return any(key not in old or _takes(value, old[key]) for key, value in new.items() if key != "managedFields")
    return bool(new != old)


def _but_metadata(obj: Object, *, has_status: bool) -> Object:
    ignored = {"metadata", "status"} if has_status else {"metadata"}
    return {k: v for k, v in obj.items() if k not in ignored}


def _stamp(obj: Object, manager: str, part: str, at: str) -> None:
    """Note who wrote and when, one entry for each manager and subresource; whole top-level fields, not single ones."""
    entries = [
        e
        for e in obj["metadata"].get("managedFields", ())
        if (e["manager"], e.get("subresource", "")) != (manager, part)
    ]
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": obj["apiVersion"],
        "time": at,
        "fieldsType": "FieldsV1",
        "fieldsV1": {f"f:{k}": {} for k in sorted(obj) if k not in {"apiVersion", "kind", "metadata"}},
    }
    if part:
        entry["subresource"] = part
    obj["metadata"]["managedFields"] = [*entries, entry]
