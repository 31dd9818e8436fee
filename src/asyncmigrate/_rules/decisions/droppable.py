"""Which versions of a CRD can be dropped, from what was found about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from asyncmigrate._model import CRD
from asyncmigrate._results.droppable import DropReason, VersionUse
from asyncmigrate._rules.decisions.drop_reasons import VersionFacts, notes, reasons


def versions_to_drop(crd: CRD, used: Iterable[str] = ()) -> tuple[str, ...]:
    """The versions that one may want to drop: all but the storage version, and those that are gone and still used."""
    known = [v.name for v in crd.versions]
    gone = sorted({*crd.stored_versions, *used} - set(known))
    return tuple(v for v in (*known, *gone) if v != crd.storage_version)


def has_or_had(crd: CRD, version: str) -> bool:
    """Tell whether a CRD has a version, or objects may still be stored in it."""
    return version in crd.stored_versions or crd.has_version(version)


def version_use(facts: VersionFacts) -> VersionUse:
    """The verdict about one version."""
    crd, version = facts.crd, facts.version
    found = tuple(reasons(facts))
    return VersionUse(
        version=version,
        droppable=not found,
        in_crd=facts.in_crd,
        served=version in crd.served_versions,
        in_stored_versions=version in crd.stored_versions,
        objects=facts.objects,
        example=facts.example,
        writers=facts.writers,
        owners=facts.owners,
        admission=facts.admission,
        manifests=facts.manifests,
        mentions=facts.mentions,
        not_checked=facts.not_checked,
        reasons=found,
        notes=tuple(notes(facts)),
    )


def version_uses(all_facts: Iterable[Callable[[frozenset[str]], VersionFacts]]) -> tuple[VersionUse, ...]:
    """The verdicts about versions; each of `all_facts` is given the versions that are dropped together.

    Each is judged by itself at first. Those that can be dropped are judged once more as if all of them were: who reads
    two times yes may drop both. What holds without all of them holds without some.
    """
    makers = tuple(all_facts)
    alone = [version_use(make(frozenset())) for make in makers]
    going = frozenset(use.version for use in alone if use.droppable)
    return tuple(version_use(make(going)) if use.droppable else use for make, use in zip(makers, alone, strict=True))


def storage_version_use(crd: CRD) -> VersionUse:
    """The verdict about the storage version: nothing needs to be looked at."""
    version = crd.storage_version or ""
    message = f"{version} is the storage version of {crd.name}, which cannot be dropped"
    advice = "make another version the storage version first"
    return VersionUse(
        version=version,
        served=version in crd.served_versions,
        in_stored_versions=version in crd.stored_versions,
        reasons=(DropReason(reason="IsStorageVersion", message=message, advice=advice),),
    )
