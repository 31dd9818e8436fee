"""Resource versions of custom resources and CRDs: integers that only ever grow, on one etcd (KEP-5504)."""

from __future__ import annotations

_MOST_DIGITS = 20  # of 64 bits; a state may have been edited, and Python refuses to read thousands of digits


def is_newer(resource_version: str, than: str) -> bool:
    """Compare two resource versions; what is none is not newer."""
    if not (_is_one(resource_version) and _is_one(than)):
        return False
    return int(resource_version) > int(than)


def number_of(resource_version: str) -> int:
    """A resource version as a number; -1 for what is none."""
    return int(resource_version) if _is_one(resource_version) else -1


def _is_one(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MOST_DIGITS
