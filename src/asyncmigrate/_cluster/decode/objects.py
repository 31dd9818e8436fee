"""Custom resources and small answers: pages of metadata, resource versions, access reviews, kube-system's uid."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from asyncmigrate._cluster.decode.answer import ListMeta, check_kind, decoded
from asyncmigrate._cluster.error_status import excerpt
from asyncmigrate._model import Name, ObjectRef, Page
from asyncmigrate.errors import BadAnswerError


class _ManagedFields(msgspec.Struct, rename="camel"):
    time: str = ""
    subresource: str = ""
    api_version: str = ""


class _ObjectMeta(msgspec.Struct, rename="camel"):
    name: Name
    namespace: str = ""
    resource_version: str = ""
    managed_fields: list[_ManagedFields] | None = None


class _Object(msgspec.Struct):
    metadata: _ObjectMeta
    kind: str = ""


class _ObjectList(msgspec.Struct):
    kind: str
    metadata: ListMeta
    items: list[_Object] | None  # null where there are none; one that is not there is no list


class _WholeList(msgspec.Struct):
    metadata: ListMeta
    items: list[dict[str, Any]] | None


class _ReviewStatus(msgspec.Struct):
    allowed: bool


class _Review(msgspec.Struct):
    kind: str
    status: _ReviewStatus


class _NamespaceMeta(msgspec.Struct):
    uid: str


class _Namespace(msgspec.Struct):
    kind: str
    metadata: _NamespaceMeta


_decode_object = msgspec.json.Decoder(_Object).decode
_decode_objects = msgspec.json.Decoder(_ObjectList).decode
_decode_whole = msgspec.json.Decoder(_WholeList).decode
_decode_review = msgspec.json.Decoder(_Review).decode
_decode_namespace = msgspec.json.Decoder(_Namespace).decode


def resource_version(body: bytes) -> str:
    """The resource version in the answer to a rewrite."""
    answer = decoded(_decode_object, body, "PartialObjectMetadata")
    check_kind(answer.kind, "PartialObjectMetadata", body)
    if not answer.metadata.resource_version:
        raise BadAnswerError(f"the answer has no resource version: {excerpt(body)}")
    return answer.metadata.resource_version


def page(body: bytes) -> Page:
    """A list as PartialObjectMetadataList; with no objects its `items` is null."""
    answer = decoded(_decode_objects, body, "PartialObjectMetadataList")
    check_kind(answer.kind, "PartialObjectMetadataList", body)
    if not answer.metadata.resource_version:
        raise BadAnswerError(f"the answer is a list of no resource version: {excerpt(body)}")
    return Page(
        items=tuple(
            ObjectRef(m.namespace, m.name, m.resource_version, _newest(m.managed_fields), _written_as(m.managed_fields))
            for o in answer.items or ()
            for m in (o.metadata,)
        ),
        continue_token=answer.metadata.continue_,
        remaining=answer.metadata.remaining_item_count,
        resource_version=answer.metadata.resource_version,
    )


def whole_objects(body: bytes) -> tuple[list[dict[str, Any]], str]:
    """The objects of a list in full, and its continue token."""
    answer = decoded(_decode_whole, body, "list of objects")
    return answer.items or [], answer.metadata.continue_


def allowed(body: bytes) -> bool:
    """The answer to a SelfSubjectAccessReview."""
    answer = decoded(_decode_review, body, "SelfSubjectAccessReview")
    check_kind(answer.kind, "SelfSubjectAccessReview", body)
    return answer.status.allowed


def namespace_uid(body: bytes) -> str:
    answer = decoded(_decode_namespace, body, "Namespace")
    check_kind(answer.kind, "Namespace", body)
    return answer.metadata.uid


def _newest(entries: list[_ManagedFields] | None) -> str:
    """Times are RFC 3339 in UTC and whole seconds, so that they sort as text."""
    return max([entry.time for entry in entries], default="") if entries else ""


def _written_as(entries: list[_ManagedFields] | None) -> str:
    """The apiVersion that most entries are in; of several the one that comes first."""
    if not entries:
        return ""
    versions = [entry.api_version for entry in entries]
    return versions[0] if len(versions) == 1 else max(versions, key=versions.count)


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
