"""Why a version of a CRD cannot be dropped, and what to know before it is, in words.

Blockers are what breaks, for good or without anyone being told, once the version is gone:

- if no other version is served, nothing can be read or written;
- stored bytes in it cannot be read any more;
- server-side apply of an object with an entry in it fails with 500;
- the garbage collector finds an owner by its apiVersion (apiResource in kubernetes
  pkg/controller/garbagecollector/operations.go), and finds none;
- webhooks and policies for it apply to nothing, and policies find no parameters in it;
- manifests that use it are refused;
- and what could not be looked at may be any of these.

That it is still served is a note. The server lets a served version go, and nothing that is stored is lost; who reads
through it leaves no trace that could be looked for. `served: false` shows who does, and can be undone in a moment.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from asyncmigrate._model import CRD, Writer
from asyncmigrate._results.droppable import (
    AdmissionUse,
    DropReason,
    ManifestMention,
    ManifestUse,
    NotChecked,
    OwnedObjects,
)
from asyncmigrate._rules.decisions.phrases import and_words, count
from asyncmigrate._rules.decisions.writer_words import NAMED, writers_words

OWNERS_REASONS = ("OwnersInIt", "OwnersInGoneVersion")


class VersionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about one version; fields as in VersionUse. `now` is the server's clock.

    `going` are the versions that are dropped together with it.
    """

    crd: CRD
    version: str
    objects: int | None = None
    example: str = ""
    writers: tuple[Writer, ...] = ()
    owners: tuple[OwnedObjects, ...] | None = None
    admission: tuple[AdmissionUse, ...] = ()
    manifests: tuple[ManifestUse, ...] | None = None
    mentions: tuple[ManifestMention, ...] | None = None
    not_checked: tuple[NotChecked, ...] = ()
    changed: bool = False  # the CRD, while all this was looked at
    now: float | None = None
    going: frozenset[str] = frozenset()

    @property
    def in_crd(self) -> bool:
        return self.crd.has_version(self.version)

    @property
    def gone(self) -> list[str]:
        """The versions of the CRD that go, this one first."""
        return [self.version, *(v.name for v in self.crd.versions if v.name in self.going and v.name != self.version)]

    @property
    def left(self) -> list[str]:
        """The versions of the CRD that stay."""
        gone = self.gone
        return [v.name for v in self.crd.versions if v.name not in gone]


def reasons(facts: VersionFacts) -> Iterator[DropReason]:
    """Why it cannot be dropped."""
    crd, version = facts.crd, facts.version
    if version in crd.served_versions and not set(crd.served_versions) & set(facts.left):
        yield _only_served(facts)
    if version in crd.stored_versions:
        message = f"status.storedVersions names {version}: objects may still be stored in it"
        yield DropReason(reason="StoredVersionsNamesIt", message=message, advice=f"asyncmigrate run {crd.name}")
    elif not crd.stored_versions:
        message = f"status.storedVersions is empty: objects may be stored in any version, in {version} too"
        yield DropReason(reason="StoredVersionsEmpty", message=message, advice=f"asyncmigrate run {crd.name}")
    if facts.objects:
        yield _owners_in_it(facts, facts.objects)
    yield from (_owned(owned, facts) for owned in facts.owners or ())
    yield from (_admission(use, facts) for use in facts.admission)
    yield from _manifests(facts)
    for missing in facts.not_checked:
        message = f"{missing.what} could not be checked: {missing.message}"
        yield DropReason(reason="NotChecked", message=message, advice="look again once this can be read")
    if facts.changed:
        message = "the CRD changed while it was looked at, so that this may no longer hold"
        yield DropReason(reason="CRDChanged", message=message, advice="ask again")


def _only_served(facts: VersionFacts) -> DropReason:
    gone = [v for v in facts.gone if v in facts.crd.served_versions]
    only = f"{and_words(gone)} are all versions that are served" if len(gone) > 1 else f"{gone[0]} alone is served"
    return DropReason(
        reason="OnlyServedVersion",
        message=f"{only}: once no version is, objects can be neither read nor written",
        advice=f"serve {facts.crd.storage_version} first",
    )


def _owned(owned: OwnedObjects, facts: VersionFacts) -> DropReason:
    finds = "would no longer find" if facts.in_crd else "does not find"
    message = (
        f"{count(owned.objects, 'object')} of {owned.resource} {_have(owned.objects)} an owner reference in "
        f"{facts.version}, such as {owned.example}: the garbage collector {finds} the owner"
    )
    advice = f"have the apiVersion of these owner references changed to {facts.crd.storage_api_version}"
    return DropReason(reason="OwnerReferencesInIt", message=message, advice=advice)


def _manifests(facts: VersionFacts) -> Iterator[DropReason]:
    new = facts.crd.storage_api_version
    for manifest in facts.manifests or ():
        message = f"{manifest.source} has {_named(manifest)} in {facts.version}"
        yield DropReason(reason="ManifestsUseIt", message=message, advice=f"write apiVersion: {new}")
    for mention in facts.mentions or ():
        if mention.as_api_version:
            named = f"names {facts.crd.group}/{facts.version} at {mention.at}"
            message = f"{mention.source} {named}, and whether that uses the version is not known"
            yield DropReason(reason="ManifestsNameIt", message=message, advice=f"look at it: should it be {new}?")


def _owners_in_it(facts: VersionFacts, objects: int) -> DropReason:
    crd, version = facts.crd, facts.version
    now = "no longer works for them" if not facts.in_crd else "would fail for them"
    gone = "" if facts.in_crd else ", which the CRD no longer has"
    message = (
        f"{count(objects, 'object')} {_have(objects)} managedFields entries in {version}{gone}, such as "
        f"{facts.example}: server-side apply {now}; {writers_words(facts.writers, version, facts.now)}"
    )
    command = "run" if version in crd.stored_versions else "run --clean-only"
    advice = f"asyncmigrate {command} {crd.name}"
    if facts.in_crd:
        first = f"first change managers that still write in {version} to {crd.storage_version}, then "
        return DropReason(reason=OWNERS_REASONS[0], message=message, advice=first + advice)
    return DropReason(reason=OWNERS_REASONS[1], message=message, advice=advice)


def _admission(use: AdmissionUse, facts: VersionFacts) -> DropReason:
    version, verb, new = facts.version, "would" if facts.in_crd else "do", facts.crd.storage_version
    what = f"{use.kind} {use.name}" + (f" (webhook {use.webhook})" if use.webhook else "")
    if use.param:
        ends = "it denies all that it is for" if use.failure_policy == "Fail" else "it is passed by"
        message = f"{what} has its parameters in {version} (paramKind), and without that {ends}, sooner or later"
        advice = f"write apiVersion: {facts.crd.storage_api_version} in its paramKind"
        return DropReason(reason="ParamKindInIt", message=message, advice=advice)
    others = facts.gone[1:]
    rules = f"{version} and no other version of this resource"
    if others:
        rules = f"{version} and no version that stays once {and_words(others)} {_is(others)} dropped too"
    if use.excludes:
        message = f"{what} excludes {rules}: these exclusions {verb} no longer hold, and it applies to more objects"
    elif use.match_policy == "Exact":
        message = f"{what} has rules for {rules}, matched exactly: writes through other versions pass it by"
    else:
        message = f"{what} has rules for {rules}: they {verb} no longer apply to anything, through any version"
    return DropReason(reason="AdmissionNamesOnlyIt", message=message, advice=f"name {new} in its rules, too")


def notes(facts: VersionFacts) -> Iterator[DropReason]:
    """What to know before it is dropped."""
    crd, version = facts.crd, facts.version
    if crd.terminating:
        yield DropReason(reason="CRDTerminating", message="the CRD is being deleted, and all its objects with it")
    for mention in facts.mentions or ():
        if not mention.as_api_version:
            message = f"{mention.source} names {version} of {crd.group} at {mention.at}"
            yield DropReason(reason="ManifestsNameIt", message=message, advice="see whether that has to change")
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
        yield _conversion(facts)


def _conversion(facts: VersionFacts) -> DropReason:
    gone, left = and_words(facts.gone), and_words(facts.left)
    if len(facts.left) > 1:
        message = f"the conversion webhook is still needed without {gone}: it converts {left}"
        return DropReason(reason="ConversionStillNeeded", message=message)
    message = f"without {gone} there is nothing to convert: only {left} is left"
    together = "version" if len(facts.gone) == 1 else "versions"
    advice = f"spec.conversion can be removed together with the {together}"
    return DropReason(reason="ConversionCanGo", message=message, advice=advice)


def _named(use: ManifestUse) -> str:
    more = use.objects - len(use.names[:NAMED])
    return ", ".join(use.names[:NAMED]) + (f" and {more} more" if more else "")


def _have(objects: int) -> str:
    return "has" if objects == 1 else "have"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
