"""Whether storedVersions may be trimmed, from a fresh GET of the CRD: anything unexpected means no."""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._rules.safety.spec_changes import Effect, SpecChange, spec_change


class Trim(Enum):
    YES = auto()
    ALREADY = auto()  # somebody else wrote just what we would
    AGAIN = auto()  # go over the objects once more
    GONE = auto()
    NO = auto()
    OTHERS = auto()  # it is another shard's to do


class TrimDecision(msgspec.Struct, frozen=True):
    """Whether to trim, for programs and for people; `fresh` is the CRD that it was decided on."""

    trim: Trim
    reason: str
    message: str
    fresh: CRD | None = None


_OF_CHANGE = {Effect.AGAIN: Trim.AGAIN, Effect.GONE: Trim.GONE, Effect.STOP: Trim.NO}


def may_trim(settled: CRD, fresh: CRD | None, *, wrote: bool = False) -> TrimDecision:
    """Compare the CRD as it was when its objects were settled with what the server has now."""
    change = spec_change(settled, fresh, wrote=wrote)
    if fresh is None or change.effect is not Effect.NONE:
        return decision_of(change, fresh)
    done = f"every object is stored in {settled.storage_version}"
    if fresh.stored_versions == (settled.storage_version,):
        return TrimDecision(Trim.ALREADY, "Migrated", done, fresh)
    if set(fresh.stored_versions) != set(settled.stored_versions):
        was, now = ", ".join(settled.stored_versions), ", ".join(fresh.stored_versions)
        message = f"storedVersions changed from [{was}] to [{now}] during the run: run again"
        return TrimDecision(Trim.NO, "StoredVersionsChanged", message, fresh)
    return TrimDecision(Trim.YES, "Migrated", done, fresh)


def decision_of(change: SpecChange, fresh: CRD | None) -> TrimDecision:
    """What a change of the CRD means for its trim."""
    return TrimDecision(_OF_CHANGE[change.effect], change.reason, change.message, fresh)
