"""What a later run must know of an earlier one to skip what that one had done, and when it may."""

from __future__ import annotations

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._rules.safety.resource_versions import is_newer


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One CRD whose migration has begun.

    Any object whose resource version is above `resource_version`, taken when rewriting began and storage had settled,
    has been written since in the storage version: by that run or by anyone else.
    """

    cluster: str
    name: str
    uid: str
    generation: int
    storage_version: str
    changed: str
    resource_version: str

    @property
    def key(self) -> str:
        return f"{self.cluster}/{self.name}"


def record_of(crd: CRD, cluster: str, resource_version: str) -> Record:
    """The record of a CRD whose rewriting begins at a list's `resource_version`."""
    return Record(
        cluster=cluster,
        name=crd.name,
        uid=crd.uid,
        generation=crd.generation,
        storage_version=crd.storage_version or "",
        changed=crd.changed,
        resource_version=resource_version,
    )


def may_resume(record: Record, crd: CRD, cluster: str, list_version: str) -> bool:
    """Tell whether `record` still speaks of this CRD, on a cluster that has not been put back to an older state."""
    same = record_of(crd, cluster, record.resource_version) == record
    return same and bool(crd.uid) and not is_newer(record.resource_version, list_version)
