"""CustomResourceDefinitions out of answers: what is kept of one, and what its schemas say before they are dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from asyncmigrate._cluster.decode.answer import ListMeta, check_kind, decoded
from asyncmigrate._cluster.error_status import excerpt
from asyncmigrate._model import CRD, CRDGlance, CRDPage, Name, Version
from asyncmigrate._rules.safety.nulls import removed_paths
from asyncmigrate._rules.safety.pruning import ANYTHING
from asyncmigrate.errors import BadAnswerError

Schemas = Mapping[str, Any]  # version name to its openAPIV3Schema, decoded


class _ManagedFields(msgspec.Struct, rename="camel"):
    time: str = ""
    subresource: str = ""
    fields_v1: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="fieldsV1")


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


class _CRDSpec(msgspec.Struct, rename="camel"):
    group: Name
    names: _CRDNames
    scope: str
    versions: tuple[_CRDVersion, ...]
    conversion: _Conversion | None = None
    preserve_unknown_fields: bool | None = None


class _Condition(msgspec.Struct):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _CRDStatus(msgspec.Struct, rename="camel"):
    stored_versions: tuple[str, ...] | None = None
    conditions: list[_Condition] | None = None


class _CRDObject(msgspec.Struct):
    metadata: _CRDMeta
    spec: _CRDSpec
    status: _CRDStatus | None = None
    kind: str = "CustomResourceDefinition"


class _CRDList(msgspec.Struct):
    kind: str
    metadata: ListMeta
    items: list[_CRDObject] | None


class _Glance(msgspec.Struct):
    kind: str
    metadata: _CRDMeta


class _OwnedSpec(msgspec.Struct):
    versions: dict[str, dict[str, Any]] | None = msgspec.field(default=None, name="f:versions")


class _OwnedFields(msgspec.Struct):
    spec: _OwnedSpec | None = msgspec.field(default=None, name="f:spec")


class _Schema(msgspec.Struct):
    open_api: Any = msgspec.field(default=None, name="openAPIV3Schema")


_decode_crd = msgspec.json.Decoder(_CRDObject).decode
_decode_crds = msgspec.json.Decoder(_CRDList).decode
_decode_glance = msgspec.json.Decoder(_Glance).decode
_decode_schema = msgspec.json.Decoder(_Schema).decode
_decode_owned = msgspec.json.Decoder(_OwnedFields).decode


def crd(body: bytes, name: str) -> CRD:
    """The CRD that was asked for by `name`."""
    return _crd(_asked_for(body, name))


def crd_and_schemas(body: bytes, name: str) -> tuple[CRD, Schemas]:
    """The same with its schemas, which are large: keep them no longer than needed."""
    answer = _asked_for(body, name)
    keeps_all = answer.spec.preserve_unknown_fields
    return _crd(answer), {v.name: ANYTHING if keeps_all else _decoded(bytes(v.schema)) for v in answer.spec.versions}


def crd_page(body: bytes) -> CRDPage:
    answer = decoded(_decode_crds, body, "CustomResourceDefinitionList")
    check_kind(answer.kind, "CustomResourceDefinitionList", body)
    meta = answer.metadata
    return CRDPage(tuple(map(_crd, answer.items or ())), meta.continue_, meta.remaining_item_count)


def glance(body: bytes, name: str) -> CRDGlance:
    """What a CRD's metadata tells of changes."""
    answer = decoded(_decode_glance, body, "PartialObjectMetadata")
    check_kind(answer.kind, "PartialObjectMetadata", body)
    _check_name(answer.metadata.name, name)
    meta = answer.metadata
    return CRDGlance(uid=meta.uid, generation=meta.generation, resource_version=meta.resource_version)


def _asked_for(body: bytes, name: str) -> _CRDObject:
    answer = decoded(_decode_crd, body, "CustomResourceDefinition")
    check_kind(answer.kind, "CustomResourceDefinition", body)
    _check_name(answer.metadata.name, name)
    return answer


def _check_name(found: str, wanted: str) -> None:
    if found != wanted:
        raise BadAnswerError(f"the answer is CRD {excerpt(found.encode())}, not {wanted}")


def _crd(answer: _CRDObject) -> CRD:
    meta, spec = answer.metadata, answer.spec
    if sum(version.storage for version in spec.versions) != 1:
        raise BadAnswerError(f"CRD {excerpt(meta.name.encode())} must have exactly one storage version")
    status = answer.status or _CRDStatus()
    entries = meta.managed_fields or []
    schemas = {v.name: bytes(v.schema) for v in spec.versions}
    webhook = spec.conversion is not None and spec.conversion.strategy != "None"
    return CRD(
        name=meta.name,
        group=spec.group,
        plural=spec.names.plural,
        kind=spec.names.kind,
        scope="Cluster" if spec.scope == "Cluster" else "Namespaced",
        versions=tuple(Version(v.name, served=v.served, storage=v.storage) for v in spec.versions),
        stored_versions=status.stored_versions or (),
        uid=meta.uid,
        resource_version=meta.resource_version,
        generation=meta.generation,
        terminating=meta.deletion_timestamp is not None,
        labels=meta.labels or {},
        webhook=webhook,
        not_accepted=_not_accepted(status.conditions or []),
        migrating=any(c.type == "StorageMigrating" and c.status == "True" for c in status.conditions or ()),
        changed=max((e.time for e in entries if e.subresource != "status"), default=""),
        moved=max((e.time for e in entries if _owns_versions(e, spec)), default=""),
        stamped=max((e.time for e in entries), default=""),
        alike=_alike(spec, schemas, webhook=webhook),
        same_schemas=len(set(schemas.values())) == 1,
        pruned=() if webhook else _pruned(spec, schemas, status.stored_versions or ()),
    )


def _not_accepted(conditions: list[_Condition]) -> str:
    """Why a CRD was never established: apiextensions' naming_controller.go says which of its names is taken.

    A CRD that is established once stays so, whatever becomes of its names.
    """
    found = {c.type: c for c in conditions}
    names, established = found.get("NamesAccepted"), found.get("Established")
    if names is None or names.status != "False" or (established is not None and established.status == "True"):
        return ""
    return f"{names.reason}: {names.message}"


def _owns_versions(entry: _ManagedFields, spec: _CRDSpec) -> bool:
    """Tell the entry that wrote which version is the storage version.

    `spec.versions` is one value to the server (listType=atomic in apiextensions v1 types.go); should it ever become a
    map, the storage version's own `f:storage` counts.
    """
    if entry.subresource == "status" or not bytes(entry.fields_v1):
        return False
    try:
        owned = _decode_owned(entry.fields_v1).spec
    except msgspec.DecodeError:
        return False
    if owned is None or owned.versions is None:
        return False
    storage = _storage(spec)
    return not owned.versions or "f:storage" in owned.versions.get(f'k:{{"name":"{storage}"}}', {})


def _alike(spec: _CRDSpec, schemas: Mapping[str, bytes], *, webhook: bool) -> tuple[str, ...]:
    """The versions with the storage version's schema; the server writes equal ones alike, for it sorts their keys."""
    wanted = schemas[_storage(spec)]
    return tuple(v.name for v in spec.versions if v.storage or (not webhook and schemas[v.name] == wanted))


def _pruned(spec: _CRDSpec, schemas: Mapping[str, bytes], stored: tuple[str, ...]) -> tuple[str, ...]:
    """The fields that the schemas of old stored versions have and that of the storage version lacks."""
    wanted = schemas[_storage(spec)]
    # With storedVersions empty, objects may be in any version.
    old = [s for name, s in schemas.items() if s != wanted and (not stored or name in stored)]
    if spec.preserve_unknown_fields or not old:
        return ()
    new = _decoded(wanted)
    return tuple(dict.fromkeys(path for schema in old for path in removed_paths(_decoded(schema), new)))


def _storage(spec: _CRDSpec) -> str:
    return next(v.name for v in spec.versions if v.storage)


def _decoded(schema: bytes) -> Any:  # noqa: ANN401 -- JSON
    """A version's schema; None for what is none, which keeps no field."""
    try:
        found = _decode_schema(schema).open_api if schema else None
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None
