"""Resource versions of custom resources and CRDs: integers that only ever grow, on one etcd (KEP-5504)."""

from __future__ import annotations


def is_newer(resource_version: str, than: str) -> bool:
    """Compare two resource versions; what is none is not newer."""
    if not (resource_version.isdecimal() and than.isdecimal()):
        return False
    return int(resource_version) > int(than)


def number_of(resource_version: str) -> int:
    """A resource version as a number; -1 for what is none."""
    return int(resource_version) if resource_version.isdecimal() else -1
