"""Custom resources and small answers: pages of metadata, resource versions, access reviews, kube-system's uid."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from asyncmigrate._cluster.decode.answer import ListMeta, check_kind, decoded
from asyncmigrate._cluster.error_status import excerpt
from asyncmigrate._model import ManagedFieldsEntry, Name, ObjectRef, Page, Writer
from asyncmigrate.errors import BadAnswerError


class _ObjectMeta(msgspec.Struct, rename="camel"):
    name: Name
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    managed_fields: list[ManagedFieldsEntry] | None = None


class _Object(msgspec.Struct):
    metadata: _ObjectMeta
    kind: str = ""


class _Versioned(msgspec.Struct, rename="camel"):
    name: Name
    resource_version: str = ""


class _VersionedObject(msgspec.Struct):
    metadata: _Versioned
    kind: str = ""


class _ObjectList(msgspec.Struct):
    kind: str
    metadata: ListMeta
    items: list[_Object] | None  # null where there are none; one that is not there is no list


_Writers = dict[tuple[str, str], tuple[int, str]]  # manager and apiVersion to objects and newest time


class _WholeList(msgspec.Struct):
    metadata: ListMeta
    items: list[dict[str, Any]] | None


class _ReviewStatus(msgspec.Struct):
    allowed: bool


class _Review(msgspec.Struct):
    kind: str
    status: _ReviewStatus


class _Version(msgspec.Struct):
    minor: str


class _NamespaceMeta(msgspec.Struct):
    uid: str


class _Namespace(msgspec.Struct):
    kind: str
    metadata: _NamespaceMeta


_decode_any = msgspec.json.Decoder(dict[str, Any]).decode
_decode_version = msgspec.json.Decoder(_Version).decode
_decode_object = msgspec.json.Decoder(_Object).decode
_decode_versioned = msgspec.json.Decoder(_VersionedObject).decode
_decode_objects = msgspec.json.Decoder(_ObjectList).decode
_decode_whole = msgspec.json.Decoder(_WholeList).decode
_decode_review = msgspec.json.Decoder(_Review).decode
_decode_namespace = msgspec.json.Decoder(_Namespace).decode


def resource_version(body: bytes) -> str:
    """The resource version in the answer to a rewrite."""
    answer = decoded(_decode_versioned, body, "PartialObjectMetadata")
    check_kind(answer.kind, "PartialObjectMetadata", body)
    _check_version(answer.metadata.resource_version, body)
    return answer.metadata.resource_version


def object_ref(body: bytes) -> ObjectRef:
    """One object's metadata, with all its managedFields."""
    answer = decoded(_decode_object, body, "PartialObjectMetadata")
    check_kind(answer.kind, "PartialObjectMetadata", body)
    _check_version(answer.metadata.resource_version, body)
    return _ref(answer.metadata, "", {})


def _check_version(found: str, body: bytes) -> None:
    if not found:
        raise BadAnswerError(f"the answer has no resource version: {excerpt(body)}")


def page(body: bytes, current: str) -> Page:
    """A list as PartialObjectMetadataList; with no objects its `items` is null.

    Objects whose managedFields are all in the apiVersion `current` come without them.
    """
    answer = decoded(_decode_objects, body, "PartialObjectMetadataList")
    check_kind(answer.kind, "PartialObjectMetadataList", body)
    if not answer.metadata.resource_version:
        raise BadAnswerError(f"the answer is a list of no resource version: {excerpt(body)}")
    writers: _Writers = {}
    return Page(
        items=tuple([_ref(o.metadata, current, writers) for o in answer.items or ()]),
        continue_token=answer.metadata.continue_,
        remaining=answer.metadata.remaining_item_count,
        resource_version=answer.metadata.resource_version,
        writers=tuple(
            Writer(manager=manager, api_version=api_version, objects=objects, newest=newest)
            for (manager, api_version), (objects, newest) in writers.items()
        ),
    )


def _ref(meta: _ObjectMeta, current: str, writers: _Writers) -> ObjectRef:
    """An object, its writers counted in `writers`."""
    entries = meta.managed_fields
    if not entries:
        return ObjectRef(meta.namespace, meta.name, meta.resource_version, uid=meta.uid)
    times: dict[tuple[str, str], str] = {}
    for entry in entries:
        who = (entry.manager, entry.api_version)
        times[who] = max(times.get(who, ""), entry.time)
    for who, time in times.items():
        objects, newest = writers.get(who, (0, ""))
        writers[who] = (objects + 1, max(newest, time))
    versions = [entry.api_version for entry in entries]
    return ObjectRef(
        namespace=meta.namespace,
        name=meta.name,
        resource_version=meta.resource_version,
        # Times are RFC 3339 in UTC and whole seconds, so that they sort as text.
        stamped=max(times.values()),
        written_as=max(versions, key=versions.count),
        uid=meta.uid,
        entries=() if versions.count(current) == len(versions) else tuple(map(_kept, entries)),
    )


def _kept(entry: ManagedFieldsEntry) -> ManagedFieldsEntry:
    """An entry that does not keep the whole answer in memory, of which it is a view."""
    return msgspec.structs.replace(entry, fields_v1=entry.fields_v1.copy())


def whole_objects(body: bytes) -> tuple[list[dict[str, Any]], str]:
    """The objects of a list in full, and its continue token."""
    answer = decoded(_decode_whole, body, "list of objects")
    return answer.items or [], answer.metadata.continue_


def whole_object(body: bytes) -> dict[str, Any]:
    """One object in full."""
    answer = decoded(_decode_any, body, "object")
    if not isinstance(answer.get("metadata"), dict):
        raise BadAnswerError(f"the answer is no object: {excerpt(body)}")
    return answer


def minor_version(body: bytes) -> int:
    """The minor version in the answer of /version, where vendors write it as `36+`."""
    minor = decoded(_decode_version, body, "version").minor.rstrip("+")
    if not minor.isdecimal():
        raise BadAnswerError(f"the answer tells no minor version: {excerpt(body)}")
    return int(minor)


def allowed(body: bytes) -> bool:
    """The answer to a SelfSubjectAccessReview."""
    answer = decoded(_decode_review, body, "SelfSubjectAccessReview")
    check_kind(answer.kind, "SelfSubjectAccessReview", body)
    return answer.status.allowed


def namespace_uid(body: bytes) -> str:
    answer = decoded(_decode_namespace, body, "Namespace")
    check_kind(answer.kind, "Namespace", body)
    return answer.metadata.uid


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
