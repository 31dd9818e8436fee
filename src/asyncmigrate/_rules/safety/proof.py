"""Which objects a list alone proves to be stored in the storage version, so that they need not be rewritten."""

from __future__ import annotations

import math

import msgspec

from asyncmigrate._model import CRD, ObjectRef
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.stamps import is_stamp, seconds_of, stamp_of

PROOF_MARGIN = 60.0  # seconds; for API servers that lag, and for clocks that differ


class Bound(msgspec.Struct, frozen=True):
    """Objects written after both values are in the storage version. Empty: nothing is proven."""

    resource_version: str = ""
    stamp: str = ""


def bound_of(crd: CRD, *, margin: float, settle: float, server_now: float | None) -> Bound:
    """The bound that a CRD's last write sets.

    Every write that adds or changes a value stamps its managedFields entry with the time; one that only removes, or
    changes nothing, does not. So a newest stamp is a lower bound of the newest write, on the CRD and on an object.
    Resource versions order what one etcd has seen; stamps tell how long after the CRD's change an API server wrote,
    which may have lagged, or whose clock may have been off. So both have to be later.

    Args:
        crd: as the server had it. Without an entry that says when its storage version moved there is no proof, nor
            where one of its stamps is in the future: clients may send any.
        margin: seconds by which an object's newest stamp must be later than the CRD's.
        settle: how long a write in the old version may still land after the move, in seconds: never less than that.
        server_now: the server's clock, in seconds since the epoch; None where it is not known.
    """
    newest = seconds_of(crd.stamped)
    if newest is None or seconds_of(crd.moved) is None or server_now is None or newest > server_now:
        return Bound()
    return Bound(crd.resource_version, stamp_of(newest + math.ceil(max(margin, settle))))


def is_proven(ref: ObjectRef, bound: Bound, not_after: str) -> bool:
    """Tell whether an object was written in the storage version, from what a list says of it.

    `not_after` is the server's now as a stamp: a later one proves nothing, for a client may have sent it.
    """
    if not bound.stamp or not bound.stamp < ref.stamped <= not_after:
        return False
    return is_newer(ref.resource_version, bound.resource_version) and is_stamp(ref.stamped)
