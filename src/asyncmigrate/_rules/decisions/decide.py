"""What to do about one CRD: the before-upgrade rules with a manifest, the after-upgrade rules without."""

from __future__ import annotations

from asyncmigrate._model import CRD
from asyncmigrate._results.plan import Changes, CRDPlan, Decision


def decide(name: str, live: CRD | None, manifest: CRD | None = None) -> CRDPlan:
    """Decide about the CRD `name`, which the cluster has as `live` and an upgrade brings as `manifest`.

    A manifest that cannot be applied safely blocks first, whatever the cluster has. Objects are always migrated to the
    *live* storage version: the manifest's is not known to the server yet.
    """
    changes = compare(live, manifest) if live and manifest else None
    problem = _manifest_problem(live, manifest) if manifest else None
    decision, reason, message = problem or _live_decision(live)
    return CRDPlan(name=name, decision=decision, reason=reason, message=message, live=live, changes=changes)


def _manifest_problem(live: CRD | None, manifest: CRD) -> tuple[Decision, str, str] | None:
    storage = manifest.storage_versions
    if not storage:
        return (
            Decision.BLOCKED,
            "NoStorageVersion",
            "the manifest marks no version as storage, so the API server would refuse it: set storage on one version",
        )
    if len(storage) > 1:
        return (
            Decision.BLOCKED,
            "ManyStorageVersions",
            f"the manifest marks {_and(storage)} as storage, so the API server would refuse it: keep one",
        )
    known = {v.name for v in manifest.versions}
    if live and live.storage_version and live.storage_version not in known:
        return (
            Decision.BLOCKED,
            "StorageVersionDropped",
            (
                f"objects are stored in {live.storage_version}, which the manifest no longer has: upgrade first "
                f"to a release that has both {live.storage_version} and {storage[0]}"
            ),
        )
    return None


def _live_decision(live: CRD | None) -> tuple[Decision, str, str]:
    if live is None:
        return Decision.NEW, "NotFound", "not on the cluster: nothing to migrate"
    storage = live.storage_version
    if storage is None:
        return Decision.BLOCKED, "NoStorageVersion", "the live CRD marks no version as storage"
    if live.stored_versions == (storage,):
        return Decision.CURRENT, "StoredAsStorageVersion", f"every object is stored in {storage} already"
    if live.terminating:
        return Decision.BLOCKED, "Terminating", "the live CRD is being deleted, and its objects with it"
    if not live.served_versions:
        return (
            Decision.BLOCKED,
            "NoServedVersion",
            "no version of the live CRD is served, so its objects cannot be reached: serve one for the migration",
        )
    old = [v for v in live.stored_versions if v != storage]
    if not old:
        return Decision.STALE, "StoredVersionsEmpty", f"storedVersions says nothing: objects are brought to {storage}"
    return Decision.STALE, "OldStoredVersions", f"objects may be stored in {_and(old)}: to be brought to {storage}"


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


def _and(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
