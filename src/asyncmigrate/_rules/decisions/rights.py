"""Which rights a migration needs, and the RBAC rules that give them: for the preflight, and for the roles we print."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from asyncmigrate._model import CRD_GROUP, CRD_RESOURCE, Right
from asyncmigrate._results.plan import PolicyRule

EVERYTHING = Right(verb="*", group="*", resource="*")
LIST_CRDS = Right(verb="list", group=CRD_GROUP, resource=CRD_RESOURCE)
READ_CRDS = Right(verb="get", group=CRD_GROUP, resource=CRD_RESOURCE)
TRIM_CRDS = Right(verb="patch", group=CRD_GROUP, resource=CRD_RESOURCE, subresource="status")

_OBJECT_VERBS = ("get", "list", "patch")


def needed(crd: str, *, trims: bool = True) -> tuple[Right, ...]:
    """What migrating the CRD of this name takes: get, list and patch its objects, get it, and patch its status.

    The last only if it `trims`. A CRD's name is its resource and group: the API server accepts no other.
    """
    resource, _, group = crd.partition(".")
    return (
        *(Right(verb=verb, group=group, resource=resource) for verb in _OBJECT_VERBS),
        read_crd(crd),
        *((msgspec.structs.replace(TRIM_CRDS, name=crd),) if trims else ()),
    )


def read_crd(crd: str) -> Right:
    return msgspec.structs.replace(READ_CRDS, name=crd)


def needed_for(crds: Iterable[str]) -> tuple[Right, ...]:
    """What a run over the CRDs of these names takes; with none, a run over all CRDs of the cluster.

    Which groups those have is not known, and no role can leave a group out: it is all objects of the cluster.
    """
    named = tuple(right for crd in crds for right in needed(crd))
    return named or tuple(Right(verb=verb, group="*", resource="*") for verb in _OBJECT_VERBS)


def needed_for_state(namespace: str, name: str) -> tuple[Right, ...]:
    """What keeping a run's state in a ConfigMap takes; no rule can name what is yet to be created."""
    create = Right(verb="create", group="", resource="configmaps", namespace=namespace)
    named = msgspec.structs.replace(create, name=name)
    return (*(msgspec.structs.replace(named, verb=verb) for verb in ("get", "patch")), create)


def needed_for_events() -> tuple[Right, ...]:
    """What leaving Events on CRDs takes; those of objects without a namespace are in `default`."""
    return tuple(Right(verb=verb, group="", resource="events", namespace="default") for verb in ("create", "patch"))


def rules_for(rights: Iterable[Right]) -> tuple[PolicyRule, ...]:
    """The fewest RBAC rules that give just these rights, of one namespace or of none."""
    verbs: dict[tuple[str, str, str], dict[str, None]] = {}
    for right in rights:
        resource = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
        verbs.setdefault((right.group, resource, right.name), {})[right.verb] = None
    names: dict[tuple[str, str, bool, tuple[str, ...]], list[str]] = {}
    for (group, resource, name), found in verbs.items():
        names.setdefault((group, resource, bool(name), tuple(found)), []).append(name)
    resources: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, named, found_verbs), found_names in names.items():
        only = tuple(found_names) if named else ()
        resources.setdefault((group, only, found_verbs), []).append(resource)
    return tuple(
        PolicyRule(api_groups=(group,), resources=tuple(found), resource_names=only, verbs=found_verbs)
        for (group, only, found_verbs), found in resources.items()
    )


def advice(missing: Iterable[Right]) -> str:
    """What to add to a role, in words for whoever lacks these rights."""
    rules = rules_for(missing)
    what = "this rule" if len(rules) == 1 else "these rules"
    return f"give yourself a ClusterRole with {what}: {' '.join(map(str, rules))}"
