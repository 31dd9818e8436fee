"""How long to wait after a CRD's storage version has moved, until every API server encodes in it."""

from __future__ import annotations

from datetime import datetime

SETTLE_SECONDS = 5.0
_ROUNDING = 1.0  # managedFields and Date tell whole seconds


def settle_wait(changed: str, *, settle: float, server_now: float | None, seen_for: float) -> float:
    """Seconds to wait before the objects may be listed.

    Each API server takes a new storage version up through its own watch: one that lags still writes the old one.

    Args:
        changed: the newest time in the managedFields of the CRD's spec, RFC 3339; empty where there is none.
        settle: the age that the change must have, in seconds; 0 for none.
        server_now: the server's clock in seconds since the epoch, None where it is not known.
        seen_for: for how many seconds we have known the CRD in this state. It bounds the wait where times are missing,
            or were written by a clock that is ahead.
    """
    age = seen_for
    if server_now is not None and (stamp := _epoch(changed)) is not None:
        age = max(age, server_now - stamp - _ROUNDING)
    return max(0.0, settle - age)


def _epoch(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
