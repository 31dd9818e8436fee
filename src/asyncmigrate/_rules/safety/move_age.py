"""How old the move of a CRD's storage version is, and how long to wait before its objects may be listed.

The API server serves a request to its end with the CRD handler that it began with. A write held in admission, or whose
body trickles in, is stored in the old version after the move, and may turn back an object that was rewritten. A list
counts only if it began when no such write could be under way any more.
"""

from __future__ import annotations

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.stamps import seconds_of

# How long after the move a write may still land in the old version:
# - 34 s, the longest that a mutating request lasts, whatever --request-timeout says (requestTimeoutUpperBound in
#   apiserver pkg/endpoints/handlers/rest.go; measured on 1.36.3 and 1.37.2: at 33 s it lands, at 36 s it gets 504);
# - 10 s for servers that take the move up late (a guess for large control planes; milliseconds on one server);
# - 1 s, as stamps and Date tell whole seconds.
SETTLE_SECONDS = 45.0
# By how much the clocks of two API servers may differ: the one that stamped the CRD, and the one that says what time it
# is now. A guess: NTP keeps them within milliseconds, and a server that is further off breaks its leases and tokens.
CLOCK_MARGIN_SECONDS = 10.0
_ROUNDING_SECONDS = 1.0


class _Sighting(msgspec.Struct, frozen=True):
    """A CRD as it was seen: `first` and `last` in seconds of a monotonic clock."""

    state: tuple[object, ...]
    resource_version: str
    first: float
    last: float


def _state_of(crd: CRD) -> tuple[object, ...]:
    return (crd.uid, crd.generation, crd.storage_version, crd.moved)


class Sightings:
    """When this process first saw each CRD as it is now, by its own monotonic clock, and when last.

    A CRD that is seen twice with the same generation has not been changed in between, unless the cluster was put back
    to an older state: then its resource version is lower, or its stamps differ.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Sighting] = {}

    def note(self, crd: CRD, now: float) -> None:
        """The server showed `crd` at `now`, in seconds of a monotonic clock."""
        before = self._find(crd)
        known = before is not None and not is_newer(before.resource_version, crd.resource_version)
        first = before.first if before is not None and known else now
        self._seen[crd.name] = _Sighting(_state_of(crd), crd.resource_version, first, now)

    def confirm(self, name: str, now: float) -> None:
        """The server showed at `now` that the CRD is as it was last seen."""
        if (before := self._seen.get(name)) is not None:
            self._seen[name] = msgspec.structs.replace(before, last=now)

    def seen_for(self, crd: CRD, now: float) -> float:
        """For how many seconds the CRD is known to have been in this state; 0 where it is seen for the first time."""
        found = self._find(crd)
        return 0.0 if found is None else now - found.first

    def last_seen(self, crd: CRD, now: float) -> float | None:
        """How many seconds ago the server last showed the CRD in this state; None where it never did."""
        found = self._find(crd)
        return None if found is None else now - found.last

    def _find(self, crd: CRD) -> _Sighting | None:
        found = self._seen.get(crd.name)
        return found if found is not None and found.state == _state_of(crd) else None


def move_age(moved: str, *, server_now: float | None, seen_for: float) -> float:
    """The age in seconds that the move of a CRD's storage version has at least.

    Args:
        moved: the time of the managedFields entry that owns the CRD's versions; empty where none does.
        server_now: the server's clock in seconds since the epoch; None where it is not known.
        seen_for: for how many seconds this process has known the CRD in this state. A stamp counts only beyond the
            margin for clocks that differ; one in the future does not count at all.
    """
    stamp = seconds_of(moved)
    if stamp is None or server_now is None:
        return seen_for
    return max(seen_for, server_now - stamp - CLOCK_MARGIN_SECONDS - _ROUNDING_SECONDS)
