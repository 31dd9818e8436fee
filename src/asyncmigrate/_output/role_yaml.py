"""Who runs inside a cluster, and with which rights: ServiceAccount, roles and bindings, as manifests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from asyncmigrate._model import Right
from asyncmigrate._output.in_cluster import InCluster
from asyncmigrate._rules.decisions.rights import needed_for, needed_for_events, needed_for_state, rules_for

Manifest: TypeAlias = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io"
LABELS = {"app.kubernetes.io/name": "asyncmigrate"}


def service_account(wanted: InCluster) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": wanted.name, "namespace": wanted.namespace, "labels": LABELS},
        "automountServiceAccountToken": False,  # only our own pods ask for the token
    }


def roles(wanted: InCluster) -> list[Manifest]:
    """The least rights for these CRDs: a ClusterRole, and a Role in each namespace that is written to."""
    return [_role(wanted, suffix, rights) for suffix, rights in _parts(wanted)]


def bindings(wanted: InCluster) -> list[Manifest]:
    """What gives the roles to the ServiceAccount."""
    return [_binding(wanted, role) for role in roles(wanted)]


def _parts(wanted: InCluster) -> Iterator[tuple[str, tuple[Right, ...]]]:
    yield "", needed_for(wanted.crds)
    if wanted.state is not None:
        yield "-state", needed_for_state(wanted.state.namespace, wanted.state.name)
    if wanted.events:
        yield "-events", needed_for_events()


def _role(wanted: InCluster, suffix: str, rights: tuple[Right, ...]) -> Manifest:
    namespace = rights[0].namespace
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": _metadata(f"{wanted.name}{suffix}.{wanted.namespace}", namespace),
        "rules": msgspec.json.decode(msgspec.json.encode(rules_for(rights))),  # lists where it has tuples
    }


def _binding(wanted: InCluster, role: Manifest) -> Manifest:
    metadata = role["metadata"]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{role['kind']}Binding",
        "metadata": _metadata(metadata["name"], metadata.get("namespace", "")),
        "roleRef": {"apiGroup": _RBAC, "kind": role["kind"], "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": wanted.name, "namespace": wanted.namespace}],
    }


def _metadata(name: str, namespace: str) -> Manifest:
    where = {"namespace": namespace} if namespace else {}
    return {"name": name, **where, "labels": LABELS}
