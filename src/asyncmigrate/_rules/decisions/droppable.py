"""Whether a version of a CRD can be dropped, from what was found about it; and the same in words.

Blockers are what breaks, for good or without anyone being told, once the version is gone:

- stored bytes in it cannot be read any more;
- server-side apply of an object with an entry in it fails with 500;
- the garbage collector finds an owner by its apiVersion (apiResource in kubernetes
  pkg/controller/garbagecollector/operations.go), and finds none;
- webhooks and policies for it apply to nothing;
- manifests that use it are refused;
- and what could not be looked at may be any of these.

That it is still served is a note. The server lets a served version go, and nothing that is stored is lost; who reads
through it leaves no trace that could be looked for. `served: false` shows who does, and can be undone in a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from asyncmigrate._model import CRD, Writer
from asyncmigrate._results.droppable import (
    AdmissionUse,
    DropReason,
    ManifestUse,
    NotChecked,
    OwnedObjects,
    VersionUse,
)
from asyncmigrate._rules.safety.stamps import seconds_of

NAMED = 3  # in a sentence
OWNERS_REASONS = ("OwnersInIt", "OwnersInGoneVersion")
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class VersionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about one version; fields as in VersionUse. `now` is the server's clock."""

    crd: CRD
    version: str
    objects: int | None = None
    example: str = ""
    writers: tuple[Writer, ...] = ()
    owners: tuple[OwnedObjects, ...] | None = None
    admission: tuple[AdmissionUse, ...] = ()
    manifests: tuple[ManifestUse, ...] | None = None
    not_checked: tuple[NotChecked, ...] = ()
    changed: bool = False  # the CRD, while all this was looked at
    now: float | None = None

    @property
    def in_crd(self) -> bool:
        return any(v.name == self.version for v in self.crd.versions)


def versions_to_drop(crd: CRD, used: Iterable[str] = ()) -> tuple[str, ...]:
    """The versions that one may want to drop: all but the storage version, and those that are gone and still used."""
    known = [v.name for v in crd.versions]
    gone = sorted({*crd.stored_versions, *used} - set(known))
    return tuple(v for v in (*known, *gone) if v != crd.storage_version)


def has_or_had(crd: CRD, version: str) -> bool:
    """Tell whether a CRD has a version, or objects may still be stored in it."""
    return version in crd.stored_versions or any(v.name == version for v in crd.versions)


def version_use(facts: VersionFacts) -> VersionUse:
    """The verdict about one version."""
    crd, version = facts.crd, facts.version
    reasons = tuple(_reasons(facts))
    return VersionUse(
        version=version,
        droppable=not reasons,
        in_crd=facts.in_crd,
        served=version in crd.served_versions,
        in_stored_versions=version in crd.stored_versions,
        objects=facts.objects,
        example=facts.example,
        writers=facts.writers,
        owners=facts.owners,
        admission=facts.admission,
        manifests=facts.manifests,
        not_checked=facts.not_checked,
        reasons=reasons,
        notes=tuple(_notes(facts)),
    )


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


def _reasons(facts: VersionFacts) -> Iterator[DropReason]:
    crd, version = facts.crd, facts.version
    if version in crd.stored_versions:
        message = f"status.storedVersions names {version}: objects may still be stored in it"
        yield DropReason(reason="StoredVersionsNamesIt", message=message, advice=f"asyncmigrate run {crd.name}")
    elif not crd.stored_versions:
        message = f"status.storedVersions is empty: objects may be stored in any version, in {version} too"
        yield DropReason(reason="StoredVersionsEmpty", message=message, advice=f"asyncmigrate run {crd.name}")
    if facts.objects:
        yield _owners_in_it(facts, facts.objects)
    for owned in facts.owners or ():
        message = (
            f"{_count(owned.objects, 'object')} of {owned.resource} {_have(owned.objects)} an owner reference in "
            f"{version}, such as {owned.example}: the garbage collector would no longer find the owner"
        )
        yield DropReason(
            reason="OwnerReferencesInIt",
            message=message,
            advice=f"have the apiVersion of these owner references changed to {crd.storage_api_version}",
        )
    yield from (_admission(use, facts) for use in facts.admission)
    for manifest in facts.manifests or ():
        message = f"{manifest.source} has {_named(manifest)} in {version}"
        yield DropReason(
            reason="ManifestsUseIt", message=message, advice=f"write apiVersion: {crd.storage_api_version}"
        )
    for missing in facts.not_checked:
        message = f"{missing.what} could not be checked: {missing.message}"
        yield DropReason(reason="NotChecked", message=message, advice="look again once this can be read")
    if facts.changed:
        message = "the CRD changed while it was looked at, so that this may no longer hold"
        yield DropReason(reason="CRDChanged", message=message, advice="ask again")


def _owners_in_it(facts: VersionFacts, objects: int) -> DropReason:
    crd, version = facts.crd, facts.version
    now = "no longer works for them" if not facts.in_crd else "would fail for them"
    gone = "" if facts.in_crd else ", which the CRD no longer has"
    message = (
        f"{_count(objects, 'object')} {_have(objects)} managedFields entries in {version}{gone}, such as "
        f"{facts.example}: server-side apply {now}; {writers_words(facts.writers, version, facts.now)}"
    )
    command = "run" if version in crd.stored_versions else "run --clean-only"
    advice = f"asyncmigrate {command} {crd.name}"
    if facts.in_crd:
        first = f"first change managers that still write in {version} to {crd.storage_version}, then "
        return DropReason(reason=OWNERS_REASONS[0], message=message, advice=first + advice)
    return DropReason(reason=OWNERS_REASONS[1], message=message, advice=advice)


def _admission(use: AdmissionUse, facts: VersionFacts) -> DropReason:
    version, verb = facts.version, "would" if facts.in_crd else "do"
    what = f"{use.kind} {use.name}" + (f" (webhook {use.webhook})" if use.webhook else "")
    rules = f"{version} and no other version of this resource"
    if use.excludes:
        message = f"{what} excludes {rules}: these exclusions {verb} no longer hold, and it applies to more objects"
    elif use.match_policy == "Exact":
        message = f"{what} has rules for {rules}, matched exactly: writes through other versions pass it by"
    else:
        message = f"{what} has rules for {rules}: they {verb} no longer apply to anything, through any version"
    return DropReason(
        reason="AdmissionNamesOnlyIt", message=message, advice=f"name {facts.crd.storage_version} in its rules, too"
    )


def _notes(facts: VersionFacts) -> Iterator[DropReason]:
    crd, version = facts.crd, facts.version
    if not facts.in_crd:
        return
    if version in crd.served_versions:
        yield DropReason(
            reason="StillServed",
            message=f"{version} is still served, and reads through it leave no trace",
            advice=f"set served: false on {version} first, and see that nobody complains: that can be undone",
        )
    if facts.owners is None:
        yield DropReason(
            reason="OwnerReferencesNotChecked",
            message=f"owner references in {version} were not looked for",
            advice="add --owners to look for them in all resources",
        )
    if crd.webhook:
        left = [v.name for v in crd.versions if v.name != version]
        if len(left) > 1:
            message = f"the conversion webhook is still needed without {version}: it converts {_and(left)}"
            yield DropReason(reason="ConversionStillNeeded", message=message)
        else:
            message = f"without {version} there is nothing to convert: only {_and(left)} is left"
            advice = "spec.conversion can be removed together with the version"
            yield DropReason(reason="ConversionCanGo", message=message, advice=advice)


def writers_words(writers: tuple[Writer, ...], version: str, now: float | None) -> str:
    """`argocd-controller wrote 312 objects in v1alpha1, last 4 minutes ago; kubectl wrote 1 object in ...`."""
    said = [writer_words(w, version, now) for w in writers[:NAMED]]
    more = len(writers) - len(said)
    return "; ".join(said) + (f"; and {more} more" if more else "")


def writer_words(writer: Writer, version: str, now: float | None) -> str:
    """What one manager wrote in a version, and when it did last."""
    who = writer.manager or "a nameless manager"
    when = _when(writer.newest, now)
    return f"{who} wrote {_count(writer.objects, 'object')} in {version}, {when}"


def _when(stamp: str, now: float | None) -> str:
    at = seconds_of(stamp)
    if at is None:
        return f"last at {stamp}" if stamp else "at a time that is not known"
    if now is None:
        return f"last at {stamp}"
    if at > now + 1:
        return f"last at {stamp}, which is {_span(at - now)} in the future by the server's clock"
    return f"last {_span(now - at)} ago"


def _span(seconds: float) -> str:
    """The largest unit of which there is at least one: `4 minutes`, `1 day`."""
    for size, unit in _UNITS:
        if seconds >= size:
            return _count(int(seconds // size), unit)
    return "less than a second"


def _named(use: ManifestUse) -> str:
    more = use.objects - len(use.names[:NAMED])
    return ", ".join(use.names[:NAMED]) + (f" and {more} more" if more else "")


def _have(objects: int) -> str:
    return "has" if objects == 1 else "have"


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
