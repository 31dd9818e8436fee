"""Which rights a migration needs, and the RBAC rules that give them."""

from __future__ import annotations

from collections.abc import Iterable

from asyncmigrate._model import CRD, CRD_GROUP, CRD_RESOURCE, Right
from asyncmigrate._results.plan import PolicyRule

EVERYTHING = Right(verb="*", group="*", resource="*")
READ_CRDS = Right(verb="get", group=CRD_GROUP, resource=CRD_RESOURCE)
TRIM_CRDS = Right(verb="patch", group=CRD_GROUP, resource=CRD_RESOURCE, subresource="status")


def needed(crd: CRD, *, trims: bool = True) -> tuple[Right, ...]:
    """What migrating one CRD takes: get, list and patch its objects, get it, and if it `trims`, patch its status."""
    return (
        Right(verb="get", group=crd.group, resource=crd.plural),
        Right(verb="list", group=crd.group, resource=crd.plural),
        Right(verb="patch", group=crd.group, resource=crd.plural),
        READ_CRDS,
        *((TRIM_CRDS,) if trims else ()),
    )


def rules_for(missing: Iterable[Right]) -> tuple[PolicyRule, ...]:
    """The fewest RBAC rules that give just these rights."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in missing:
        resource = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
        verbs.setdefault((right.group, resource), []).append(right.verb)
    return tuple(
        PolicyRule(api_groups=(group,), resources=(resource,), verbs=tuple(found))
        for (group, resource), found in verbs.items()
    )
