"""Reads a Droppable back from the JSON contract: what `droppable_fields` has written."""

from __future__ import annotations

import msgspec

from asyncmigrate._model import Writer
from asyncmigrate._results.droppable import (
    AdmissionUse,
    Droppable,
    DropReason,
    ManifestMention,
    ManifestUse,
    NotChecked,
    OwnedObjects,
    VersionUse,
)


class _WriterEntry(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    manager: str
    api_version: str
    objects: int
    newest: str | None = None

    @property
    def result(self) -> Writer:
        return Writer(
            manager=self.manager, api_version=self.api_version, objects=self.objects, newest=self.newest or ""
        )


class _AdmissionEntry(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    kind: str
    name: str
    webhook: str | None = None
    match_policy: str = "Equivalent"
    excludes: bool = False
    param: bool = msgspec.field(default=False, name="paramKind")
    failure_policy: str = "Fail"

    @property
    def result(self) -> AdmissionUse:
        fields = msgspec.structs.asdict(self)
        return AdmissionUse(**fields | {"webhook": self.webhook or ""})


class _MentionEntry(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    source: str
    at: str
    as_api_version: bool

    @property
    def result(self) -> ManifestMention:
        return ManifestMention(source=self.source, at=self.at, as_api_version=self.as_api_version)


class _VersionEntry(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    version: str
    droppable: bool
    in_crd: bool = msgspec.field(default=True, name="inCRD")
    served: bool = False
    in_stored_versions: bool = False
    objects: int | None = None
    example: str | None = None
    writers: tuple[_WriterEntry, ...] = ()
    owners: tuple[OwnedObjects, ...] | None = msgspec.field(default=None, name="ownerReferences")
    admission: tuple[_AdmissionEntry, ...] = ()
    manifests: tuple[ManifestUse, ...] | None = None
    mentions: tuple[_MentionEntry, ...] | None = None
    not_checked: tuple[NotChecked, ...] = ()
    reasons: tuple[DropReason, ...] = ()
    notes: tuple[DropReason, ...] = ()

    @property
    def result(self) -> VersionUse:
        fields = msgspec.structs.asdict(self)
        return VersionUse(
            **fields
            | {
                "example": self.example or "",
                "writers": tuple(w.result for w in self.writers),
                "admission": tuple(a.result for a in self.admission),
                "mentions": None if self.mentions is None else tuple(m.result for m in self.mentions),
            }
        )


class DroppableEntry(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """What the JSON of a plan has about the versions of one CRD."""

    name: str
    storage_version: str
    stored_versions: tuple[str, ...]
    versions: tuple[_VersionEntry, ...]
    objects: int | None = None
    now: float | None = None

    @property
    def result(self) -> Droppable:
        fields = msgspec.structs.asdict(self)
        return Droppable(**fields | {"versions": tuple(v.result for v in self.versions)})
