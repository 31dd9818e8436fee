"""What a change of a CRD means for a run that is under way: go on, decide anew, or stop."""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._rules.decisions.versions import access_version
from asyncmigrate._rules.safety.resource_versions import is_newer


class Effect(Enum):
    NONE = auto()
    AGAIN = auto()  # the objects must be gone over once more, from the CRD as it is now
    GONE = auto()  # the CRD was deleted, and its objects with it
    STOP = auto()  # what was planned cannot be done any more


class SpecChange(msgspec.Struct, frozen=True):
    """What happened to a CRD since the run was planned, or since its objects were listed."""

    effect: Effect
    reason: str = ""
    message: str = ""


NO_CHANGE = SpecChange(Effect.NONE)
RESTORED = SpecChange(
    Effect.AGAIN, "ClusterRestored", "the cluster was put back to an older state during the run: run again"
)

# An operator who puts a backup of etcd back stops the API server for it. Resource versions alone do not tell: they grow
# again, and the objects that the run wrote last may be the first that others write afterwards.
AFTER_OUTAGE = SpecChange(
    Effect.AGAIN,
    "ServerWasAway",
    "the API server was away for a moment during each list, so a backup may have been put back: run again",
)


def spec_change(planned: CRD, fresh: CRD | None, *, wrote: bool = False, unseen: bool = False) -> SpecChange:
    """Compare the CRD that a run goes by with what the server has now.

    `wrote` tells that the run has sent writes since it was so; `unseen` that the server was not asked for a while.
    """
    if fresh is None:
        return SpecChange(Effect.GONE, "CRDDeleted", "the CRD was deleted during the run, and its objects with it")
    if fresh.uid != planned.uid:
        message = "the CRD was deleted and created anew during the run: run again"
        return SpecChange(Effect.STOP, "CRDReplaced", message)
    if (problem := _problem(planned, fresh, wrote=wrote)) is not None:
        return SpecChange(Effect.STOP, *problem)
    if is_newer(planned.resource_version, fresh.resource_version):
        return RESTORED
    # Storage may have moved away and back: what was settled before that proves nothing. In a cluster that was put back
    # to an older state the generation counts again from there, and only the stamp tells. (So may a label of the CRD.)
    if fresh.generation != planned.generation or (unseen and fresh.moved != planned.moved):
        generations = f"generation {planned.generation} to {fresh.generation}"
        message = f"the CRD's spec kept changing during the run ({generations}): run again"
        return SpecChange(Effect.AGAIN, "SpecChanged", message)
    return NO_CHANGE


def _problem(planned: CRD, fresh: CRD, *, wrote: bool) -> tuple[str, str] | None:
    """Why the objects may not be written any more, in a word and a sentence; None where they may."""
    if fresh.storage_version != planned.storage_version:
        moved = f"from {planned.storage_version} to {fresh.storage_version}"
        return "StorageVersionMoved", f"the storage version moved {moved} during the run: run again"
    if fresh.terminating:
        return "Terminating", "the CRD is being deleted, and its objects with it"
    if fresh.webhook != planned.webhook:
        was, now = ("Webhook" if crd.webhook else "None" for crd in (planned, fresh))
        return (
            "ConversionChanged",
            (
                f"spec.conversion changed from {was} to {now} during the run, so objects may be stored unconverted: "
                "see that it is as it should be, then run again"
            ),
        )
    # With one change in between it cannot have gone missing and come back.
    if wrote and fresh.webhook and fresh.generation > planned.generation + 1:
        changes = fresh.generation - planned.generation
        return (
            "ConversionChanged",
            (
                f"the CRD's spec changed {changes} times between two looks, and spec.conversion may have been missing "
                "for a moment: see that the objects written last are converted, then run again"
            ),
        )
    if fresh.migrating and not planned.migrating:
        return "BeingMigrated", "Kubernetes' own StorageVersionMigration has begun to migrate it: run again after it"
    if fields := [f for f in fresh.pruned if f not in planned.pruned]:
        what = ", ".join(fields[:3])
        return "FieldsWouldBePruned", f"its schemas changed during the run, and a rewrite would now remove {what}"
    through = access_version(planned)
    if through not in fresh.served_versions:
        message = (
            f"{through} is no longer served, so a 404 does not mean that an object was deleted: serve it and run again"
        )
        return "VersionNotServed", message
    if access_version(fresh) is None:
        message = f"{fresh.storage_version} is not served, and no served version has its schema any more: serve it"
        return "StorageVersionNotServed", message
    return None
