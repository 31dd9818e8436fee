"""Resource versions of custom resources and CRDs: integers that only ever grow, on one etcd."""

from __future__ import annotations


def is_newer(resource_version: str, than: str) -> bool:
    """Compare resource versions, which are integers for custom resources (KEP-5504); what is none is not newer."""
    if not (resource_version.isdecimal() and than.isdecimal()):
        return False
    return int(resource_version) > int(than)
