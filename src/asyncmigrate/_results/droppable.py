"""What `droppable` returns: for each old version of a CRD whether it can be dropped, and what still uses it."""

from __future__ import annotations

import msgspec

from asyncmigrate._model import Writer


class DropReason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that speaks against dropping a version, or that should be known before.

    Attributes:
        reason: a CamelCase word, for programs.
        message: a sentence, for people.
        advice: what to do about it: a command or a sentence; empty if there is nothing to do.
    """

    reason: str
    message: str
    advice: str = ""


class OwnedObjects(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one resource that name an object of the CRD, in the version, as their owner.

    `resource` is `<plural>.<group>`, or the plural alone in the core group. `example` is one, as `namespace/name`.
    """

    resource: str
    objects: int
    example: str


class AdmissionUse(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, a policy or a binding whose rules name this version of the resource and none of those that stay.

    Attributes:
        kind: such as ValidatingWebhookConfiguration or ValidatingAdmissionPolicy.
        name: its name.
        webhook: the webhook in the configuration; empty for a policy or a binding.
        match_policy: Equivalent (it applies to writes through other versions too) or Exact.
        excludes: the rules say to what it does not apply.
        param: not its rules but its `paramKind` names the version: it has its parameters in it.
        failure_policy: Fail or Ignore: what becomes of requests if the policy cannot be asked.
    """

    kind: str
    name: str
    webhook: str = ""
    match_policy: str = "Equivalent"
    excludes: bool = False
    param: bool = False
    failure_policy: str = "Fail"


class ManifestUse(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest file with objects of the CRD in the version; `names` has the first ten, as `namespace/name`."""

    source: str
    objects: int
    names: tuple[str, ...]


class ManifestMention(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest file that names the version in a way that is not understood: in another object, or in a text.

    Attributes:
        source: the file.
        at: where in it, as `spec.infrastructureRef`; the first such place.
        as_api_version: it is named as an apiVersion, `<group>/<version>`, and not the group and the version apart.
    """

    source: str
    at: str
    as_api_version: bool


class NotChecked(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be looked at, which prevents a yes.

    `what` is what was to be listed, such as `widgets.example.com`, or a file; `reason` is Kubernetes' reason of the
    error, or a word of ours.
    """

    what: str
    reason: str
    message: str


class VersionUse(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a CRD that is not its storage version, and what still uses it.

    Attributes:
        version: its name.
        droppable: it can be taken out of `spec.versions` now, together with all others that were asked about and are
            droppable: there are no `reasons`.
        in_crd: `spec.versions` has it. If not, it was dropped already, and entries of objects still name it.
        served: `spec.versions` serves it.
        in_stored_versions: `status.storedVersions` names it.
        objects: how many objects have an entry in their managedFields in this version; None if they were not listed.
        example: one of them, as `namespace/name`; empty if there is none.
        writers: who wrote these entries; one object may have several writers.
        owners: objects of any kind that name this version in an owner reference; None if they were not looked for.
        admission: webhooks, policies and bindings that would apply to nothing once the version is gone.
        manifests: manifests that still use it; None if there were none to look at.
        mentions: manifests that name it otherwise; None if there were none to look at.
        not_checked: what could not be looked at.
        reasons: why it cannot be dropped; empty if it can.
        notes: what to know before it is dropped.
    """

    version: str
    droppable: bool = False
    in_crd: bool = True
    served: bool = False
    in_stored_versions: bool = False
    objects: int | None = None
    example: str = ""
    writers: tuple[Writer, ...] = ()
    owners: tuple[OwnedObjects, ...] | None = None
    admission: tuple[AdmissionUse, ...] = ()
    manifests: tuple[ManifestUse, ...] | None = None
    mentions: tuple[ManifestMention, ...] | None = None
    not_checked: tuple[NotChecked, ...] = ()
    reasons: tuple[DropReason, ...] = ()
    notes: tuple[DropReason, ...] = ()


class Droppable(msgspec.Struct, frozen=True, kw_only=True):
    """Which versions of one CRD can be dropped.

    Attributes:
        name: the CRD's name.
        storage_version: its storage version.
        stored_versions: its `status.storedVersions`.
        versions: the versions that were asked about, in the order of `spec.versions`, then those that are in use but
            not in `spec.versions` any more. Without a version asked for the storage version is not among them.
        objects: how many objects the CRD has; None if they were not listed.
        now: the server's clock when all was looked at, in seconds since the epoch; None if it did not tell the time.
        context, server, seconds, requests, retries: as in Plan; empty if this is part of a Plan.
    """

    name: str
    storage_version: str
    stored_versions: tuple[str, ...]
    versions: tuple[VersionUse, ...]
    objects: int | None = None
    now: float | None = None
    context: str = ""
    server: str = ""
    seconds: float = 0.0
    requests: int = 0
    retries: int = 0

    @property
    def droppable(self) -> bool:
        """Every version that was asked about can be dropped, all of them at once."""
        return all(v.droppable for v in self.versions)
