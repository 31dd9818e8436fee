"""What to do about one CRD: the before-upgrade rules with a manifest, the after-upgrade rules without."""

from __future__ import annotations

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._results.plan import Changes, CRDPlan, Decision
from asyncmigrate._rules.decisions.phrases import and_words
from asyncmigrate._rules.decisions.rights import advice, read_crd, rules_for
from asyncmigrate._rules.decisions.versions import access_version
from asyncmigrate._rules.errors.classify import is_refusal, reason_of
from asyncmigrate.errors import ForbiddenError, MigrateError

_NAMED_FIELDS = 5  # in a sentence; the rest is in the JSON

STALE = "Stale"  # and only managedFields were to be moved
ABSENT = "NotFound"
FIELDS_WOULD_BE_PRUNED = "FieldsWouldBePruned"

Verdict = tuple[Decision, str, str]


def decide(
    name: str,
    live: CRD | None,
    manifest: CRD | None = None,
    *,
    prunes: tuple[str, ...] = (),
    requires: tuple[str, ...] = (),
    allow_pruning: bool = False,
    clean_only: bool = False,
) -> CRDPlan:
    """Decide about the CRD `name`, which the cluster has as `live` and an upgrade brings as `manifest`.

    A manifest that cannot be applied safely blocks first, whatever the cluster has. Objects are always migrated to the
    *live* storage version: the manifest's is not known to the server yet.

    Args:
        name: the CRD's name.
        live: as the cluster has it; None where it has none.
        manifest: as the upgrade brings it.
        prunes: the fields of live objects that the manifest's schemas lack.
        requires: the fields that the manifest's storage version requires and the live one does not.
        allow_pruning: migrate even where the storage version's schema lacks fields that old objects may have.
        clean_only: only managedFields are to be moved, so a CRD with stale storedVersions is blocked.
    """
    changes = compare(live, manifest) if live and manifest else None
    if changes is not None:
        changes = msgspec.structs.replace(changes, prunes=prunes, requires=requires)
    problem = _manifest_problem(live, manifest) if manifest else None
    decision, reason, message = problem or _live_decision(live, allow_pruning=allow_pruning, clean_only=clean_only)
    return CRDPlan(name=name, decision=decision, reason=reason, message=message, live=live, changes=changes)


def absent(name: str) -> CRDPlan:
    """Decide about a CRD that was named, and that neither the cluster nor a manifest has: the name is wrong."""
    message = "no CRD of this name is on the cluster, and no manifest was given: check the name"
    return CRDPlan(name=name, decision=Decision.FAILED, reason=ABSENT, message=message)


def failed(name: str, error: MigrateError) -> CRDPlan:
    """Decide about a CRD that could not be looked up; if that is for want of a right, the right is named."""
    missing = [read_crd(name)] if isinstance(error, ForbiddenError) else []
    return CRDPlan(
        name=name,
        decision=Decision.FAILED,
        reason=reason_of(error),
        message=f"{error}; {advice(missing)}" if missing else str(error),
        refused=is_refusal(error),
        missing=rules_for(missing),
    )


def _manifest_problem(live: CRD | None, manifest: CRD) -> Verdict | None:
    storage = manifest.storage_versions
    if not storage:
        message = (
            "the manifest marks no version as storage, so the API server would refuse it: set storage on one version"
        )
        return Decision.BLOCKED, "NoStorageVersion", message
    if len(storage) > 1:
        message = f"the manifest marks {and_words(storage)} as storage, so the API server would refuse it: keep one"
        return Decision.BLOCKED, "ManyStorageVersions", message
    if live is None:
        return None
    if live.storage_version and not manifest.has_version(live.storage_version):
        message = (
            f"objects are stored in {live.storage_version}, which the manifest no longer has: upgrade first "
            f"to a release that has both {live.storage_version} and {storage[0]}"
        )
        return Decision.BLOCKED, "StorageVersionDropped", message
    return _conversion_problem(live, manifest)


def _conversion_problem(live: CRD, manifest: CRD) -> Verdict | None:
    """Where one side says Webhook and the other None, objects are not converted before the upgrade, or not after it.

    That is harmless only if the versions of the side that says None have the same schema.
    """
    if live.webhook == manifest.webhook or (manifest if live.webhook else live).same_schemas:
        return None
    if live.webhook:
        message = (
            "the live CRD converts by a webhook, and the manifest says conversion None for versions with different "
            "schemas: applied, it would leave objects unconverted; add spec.conversion to the manifest"
        )
    else:
        message = (
            "the manifest converts by a webhook, and the live CRD says conversion None for versions with different "
            "schemas: a rewrite now would store objects unconverted; restore the live CRD's spec.conversion first"
        )
    return Decision.BLOCKED, "ConversionChanged", message


def _live_decision(live: CRD | None, *, allow_pruning: bool, clean_only: bool) -> Verdict:
    if live is None:
        return Decision.NEW, ABSENT, "not on the cluster: nothing to migrate"
    storage = live.storage_version
    if storage is None:
        return Decision.BLOCKED, "NoStorageVersion", "the live CRD marks no version as storage"
    fine = live.stored_versions == (storage,)
    if clean_only and not fine:
        return Decision.BLOCKED, STALE, "its storedVersions are stale: run without --clean-only, which does both"
    if fine and not clean_only:
        return Decision.CURRENT, "StoredAsStorageVersion", f"every object is stored in {storage} already"
    if (problem := _live_problem(live, storage, allow_pruning=allow_pruning)) is not None:
        return Decision.BLOCKED, *problem
    if fine:
        return Decision.STALE, "MovesManagedFields", f"managedFields entries in other versions are moved to {storage}"
    note = f"; this removes {fields_in_words(live.pruned)} from them, as allowed" if live.pruned else ""
    old = [v for v in live.stored_versions if v != storage]
    if not old:
        message = f"status.storedVersions is empty: all objects are rewritten in {storage}{note}"
        return Decision.STALE, "StoredVersionsEmpty", message
    return (
        Decision.STALE,
        "OldStoredVersions",
        f"objects may be stored in {and_words(old)}: to be brought to {storage}{note}",
    )


def _live_problem(live: CRD, storage: str, *, allow_pruning: bool) -> tuple[str, str] | None:
    """Why a stale CRD may not be migrated now, in a word and a sentence."""
    if live.terminating:
        return "Terminating", "the live CRD is being deleted, and its objects with it"
    if live.not_accepted:
        message = (
            f"the API server has never served it: its condition NamesAccepted is False ({live.not_accepted}); "
            "delete the CRD that has the name, or this one, which can have no objects"
        )
        return "NamesNotAccepted", message
    if not live.served_versions:
        message = "no version of the live CRD is served, so its objects cannot be reached: serve one for the migration"
        return "NoServedVersion", message
    if access_version(live) is None:
        why = "a webhook converts" if live.webhook else "the served versions have other schemas"
        message = (
            f"the storage version {storage} is not served, and a rewrite through another version could lose fields, "
            f"because {why}: serve {storage} for the migration"
        )
        return "StorageVersionNotServed", message
    if live.migrating:
        message = (
            "Kubernetes' own StorageVersionMigration is at work on it (condition StorageMigrating): "
            "wait for it, or delete the StorageVersionMigration"
        )
        return "BeingMigrated", message
    if live.pruned and not allow_pruning:
        message = (
            f"the schema of {storage} lacks fields that objects in older versions may have, so a rewrite would remove "
            f"{fields_in_words(live.pruned)} for good: add them to the schema, or give --allow-pruning; "
            "--dry-run=server counts the objects that have them"
        )
        return FIELDS_WOULD_BE_PRUNED, message
    return None


def fields_in_words(fields: tuple[str, ...]) -> str:
    """Some field paths for a sentence: `spec.a, spec.b and 3 more`."""
    more = len(fields) - _NAMED_FIELDS
    return ", ".join(fields[:_NAMED_FIELDS]) + (f" and {more} more" if more > 0 else "")


def compare(live: CRD, manifest: CRD) -> Changes:
    """Say what `manifest` changes in the versions of `live`; names in the order of the side that has them."""
    had = {v.name: v for v in live.versions}
    has = {v.name: v for v in manifest.versions}
    moves = manifest.storage_version
    return Changes(
        added=tuple(n for n in has if n not in had),
        dropped=tuple(n for n in had if n not in has),
        unserved=tuple(n for n, v in has.items() if n in had and had[n].served and not v.served),
        storage_moves_to=moves if moves != live.storage_version else None,
    )
