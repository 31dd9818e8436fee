"""Whether storedVersions may be trimmed, from a fresh GET of the CRD: anything unexpected means no."""

from __future__ import annotations

from enum import Enum, auto

from asyncmigrate._model import CRD
from asyncmigrate._rules.decisions.versions import access_version


class TrimVerdict(Enum):
    TRIM = auto()
    ALREADY = auto()  # somebody else wrote just what we would
    AGAIN = auto()  # the spec changed under us without saying how: go over the objects once more
    GONE = auto()
    NO = auto()


def may_trim(planned: CRD, fresh: CRD | None) -> tuple[TrimVerdict, str, str]:
    """Compare the CRD that the run was planned on with what the server has now: a verdict, a reason and a sentence."""
    if fresh is None:
        return TrimVerdict.GONE, "CRDDeleted", "the CRD was deleted during the run, and its objects with it"
    if fresh.uid != planned.uid:
        return TrimVerdict.NO, "CRDReplaced", "the CRD was deleted and created anew during the run: run again"
    if fresh.storage_version != planned.storage_version:
        return (
            TrimVerdict.NO,
            "StorageVersionMoved",
            (
                f"the storage version moved from {planned.storage_version} to {fresh.storage_version} during the run: "
                "run again"
            ),
        )
    if access_version(planned) not in fresh.served_versions:
        return (
            TrimVerdict.NO,
            "VersionNotServed",
            f"{access_version(planned)} stopped being served during the run, so a 404 proves nothing: run again",
        )
    if fresh.stored_versions == (planned.storage_version,):
        return TrimVerdict.ALREADY, "Migrated", f"every object is stored in {planned.storage_version}"
    if set(fresh.stored_versions) != set(planned.stored_versions):
        was, now = ", ".join(planned.stored_versions), ", ".join(fresh.stored_versions)
        return (
            TrimVerdict.NO,
            "StoredVersionsChanged",
            f"storedVersions changed from [{was}] to [{now}] during the run: run again",
        )
    if fresh.generation != planned.generation:
        # Storage may have moved away and back: what was settled before that proves nothing.
        return (
            TrimVerdict.AGAIN,
            "SpecChanged",
            (
                f"the CRD's spec kept changing during the run (generation {planned.generation} to {fresh.generation}): "
                "run again"
            ),
        )
    return TrimVerdict.TRIM, "Migrated", f"every object is stored in {planned.storage_version}"
