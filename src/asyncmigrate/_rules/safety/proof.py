"""Which objects a list alone proves to be stored in the storage version, so that they need not be rewritten."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

import msgspec

from asyncmigrate._model import CRD, ObjectRef
from asyncmigrate._rules.safety.resource_versions import is_newer

PROOF_MARGIN = 60.0  # seconds; for API servers that lag, and for clocks that differ
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_IS_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch


class Bound(msgspec.Struct, frozen=True):
    """What is written after both was encoded in the storage version; an empty one proves nothing."""

    resource_version: str = ""
    stamp: str = ""


def bound_of(crd: CRD, *, margin: float, settle: float) -> Bound:
    """The bound that a CRD's last write sets.

    Every write that adds or changes a value stamps its managedFields entry with the time; one that only removes, or
    changes nothing, does not. So a newest stamp is a lower bound of the newest write, on the CRD and on an object.
    Resource versions order what one etcd has seen; stamps tell how long after the CRD's change an API server wrote,
    which may have lagged, or whose clock may have been off. So both have to be later.

    Args:
        crd: as the server had it; without managedFields there is no proof.
        margin: seconds by which an object's newest stamp must be later than the CRD's.
        settle: how long API servers may take to take up a new storage version, in seconds: never less than that.
    """
    if not _IS_STAMP(crd.stamped):
        return Bound()
    at = datetime.fromisoformat(crd.stamped) + timedelta(seconds=math.ceil(max(margin, settle)))
    return Bound(crd.resource_version, at.strftime(_STAMP))


def is_proven(ref: ObjectRef, bound: Bound) -> bool:
    """Tell whether an object was written in the storage version, from what a list says of it."""
    # Stamps are RFC 3339 in UTC and whole seconds: they sort as text.
    later = bound.stamp != "" and ref.stamped > bound.stamp
    return later and is_newer(ref.resource_version, bound.resource_version) and _IS_STAMP(ref.stamped) is not None
