"""Bytes to model: decodes just the fields that are used, and tells an API server's answer from anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import msgspec

from asyncmigrate._cluster.error_status import UNDECODABLE, excerpt
from asyncmigrate._model import CRD, CRDPage, Name, ObjectRef, Page, Version
from asyncmigrate.errors import BadAnswerError

T = TypeVar("T")


class _ListMeta(msgspec.Struct, rename="camel"):
    continue_: str = msgspec.field(default="", name="continue")
    resource_version: str = ""
    remaining_item_count: int | None = None


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
    metadata: _ListMeta
    items: list[_Object] | None  # null where there are none; one that is not there is no list


class _CRDMeta(msgspec.Struct, rename="camel"):
    name: Name
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    managed_fields: list[_ManagedFields] | None = None


class _CRDNames(msgspec.Struct):
    plural: Name
    kind: str


class _Conversion(msgspec.Struct):
    strategy: str = "None"


class _CRDVersion(msgspec.Struct):
    name: Name
    served: bool = True
    storage: bool = False
    schema: msgspec.Raw = msgspec.Raw()  # as it came, and not kept


class _CRDSpec(msgspec.Struct):
    group: Name
    names: _CRDNames
    scope: str
    versions: tuple[_CRDVersion, ...]
    conversion: _Conversion | None = None


class _CRDStatus(msgspec.Struct, rename="camel"):
    stored_versions: tuple[str, ...] | None = None


class _CRDObject(msgspec.Struct):
    metadata: _CRDMeta
    spec: _CRDSpec
    status: _CRDStatus | None = None
    kind: str = "CustomResourceDefinition"


class _CRDList(msgspec.Struct):
    kind: str
    metadata: _ListMeta
    items: list[_CRDObject] | None


class _ReviewStatus(msgspec.Struct):
    allowed: bool


class _Review(msgspec.Struct):
    kind: str
    status: _ReviewStatus


class _Namespace(msgspec.Struct):
    kind: str
    metadata: _CRDMeta


_decode_object = msgspec.json.Decoder(_Object).decode
_decode_objects = msgspec.json.Decoder(_ObjectList).decode
_decode_crd = msgspec.json.Decoder(_CRDObject).decode
_decode_crds = msgspec.json.Decoder(_CRDList).decode
_decode_review = msgspec.json.Decoder(_Review).decode
_decode_namespace = msgspec.json.Decoder(_Namespace).decode


def _decoded(decode: Callable[[bytes], T], body: bytes, wanted: str) -> T:
    try:
        return decode(body)
    except UNDECODABLE as error:
        raise BadAnswerError(f"the answer is no {wanted} ({error}): {excerpt(body)}") from error


def _check_kind(kind: str, wanted: str, body: bytes) -> None:
    if kind != wanted:
        raise BadAnswerError(f"the answer is a {kind or 'nameless kind'}, not a {wanted}: {excerpt(body)}")


def resource_version(body: bytes) -> str:
    """The resource version in the answer to a rewrite."""
    answer = _decoded(_decode_object, body, "PartialObjectMetadata")
    _check_kind(answer.kind, "PartialObjectMetadata", body)
    if not answer.metadata.resource_version:
        raise BadAnswerError(f"the answer has no resource version: {excerpt(body)}")
    return answer.metadata.resource_version


def page(body: bytes) -> Page:
    """A list as PartialObjectMetadataList; with no objects its `items` is null."""
    answer = _decoded(_decode_objects, body, "PartialObjectMetadataList")
    _check_kind(answer.kind, "PartialObjectMetadataList", body)
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


def crd(body: bytes, name: str) -> CRD:
    """The CRD that was asked for by `name`."""
    answer = _decoded(_decode_crd, body, "CustomResourceDefinition")
    _check_kind(answer.kind, "CustomResourceDefinition", body)
    if answer.metadata.name != name:
        raise BadAnswerError(f"the answer is CRD {excerpt(answer.metadata.name.encode())}, not {name}")
    return _crd(answer)


def crd_page(body: bytes) -> CRDPage:
    answer = _decoded(_decode_crds, body, "CustomResourceDefinitionList")
    _check_kind(answer.kind, "CustomResourceDefinitionList", body)
    return CRDPage(tuple(map(_crd, answer.items or ())), answer.metadata.continue_)


def allowed(body: bytes) -> bool:
    """The answer to a SelfSubjectAccessReview."""
    answer = _decoded(_decode_review, body, "SelfSubjectAccessReview")
    _check_kind(answer.kind, "SelfSubjectAccessReview", body)
    return answer.status.allowed


def namespace_uid(body: bytes) -> str:
    answer = _decoded(_decode_namespace, body, "Namespace")
    _check_kind(answer.kind, "Namespace", body)
    return answer.metadata.uid


def _crd(answer: _CRDObject) -> CRD:
    meta, spec = answer.metadata, answer.spec
    if sum(version.storage for version in spec.versions) != 1:
        raise BadAnswerError(f"CRD {excerpt(meta.name.encode())} has not one storage version but several or none")
    return CRD(
        name=meta.name,
        group=spec.group,
        plural=spec.names.plural,
        kind=spec.names.kind,
        scope="Cluster" if spec.scope == "Cluster" else "Namespaced",
        versions=tuple(Version(v.name, served=v.served, storage=v.storage) for v in spec.versions),
        stored_versions=(answer.status and answer.status.stored_versions) or (),
        uid=meta.uid,
        resource_version=meta.resource_version,
        generation=meta.generation,
        terminating=meta.deletion_timestamp is not None,
        labels=meta.labels or {},
        webhook=spec.conversion is not None and spec.conversion.strategy == "Webhook",
        changed=_newest([m for m in meta.managed_fields or () if m.subresource != "status"]),
        stamped=_newest(meta.managed_fields),
        alike=_alike(spec.versions),
    )


def _alike(versions: tuple[_CRDVersion, ...]) -> tuple[str, ...]:
    """The versions with the storage version's schema; the server writes equal ones alike, for it sorts their keys."""
    wanted = next(bytes(v.schema) for v in versions if v.storage)
    return tuple(v.name for v in versions if v.storage or bytes(v.schema) == wanted)


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
