"""Manifests that tests set their scenes with."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

_SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def crd(
    group: str,
    storage: str | None,
    *versions: str,
    plural: str = "widgets",
    scope: str = "Namespaced",
    unserved: tuple[str, ...] = (),
    status: bool = False,
    scale: Manifest | None = None,
    labels: dict[str, str] | None = None,
    conversion: Manifest | None = None,
    schemas: dict[str, Manifest] | None = None,
) -> Manifest:
    """A CRD; `storage` marks the storage version, None marks none.

    `schemas` has an openAPIV3Schema for versions; those that it leaves out preserve all fields.
    """
    named = {version: {"openAPIV3Schema": schema} for version, schema in (schemas or {}).items()}
    parts: Manifest = ({"status": {}} if status else {}) | ({"scale": scale} if scale else {})
    subresources: Manifest = {"subresources": parts} if parts else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": labels or {}},
        "spec": {
            "group": group,
            "names": {"plural": plural, "kind": plural.capitalize().removesuffix("s")},
            "scope": scope,
            "conversion": conversion or {"strategy": "None"},
            "versions": [
                {
                    "name": v,
                    "served": v not in unserved,
                    "storage": v == storage,
                    "schema": named.get(v, _SCHEMA),
                    **subresources,
                }
                for v in versions
            ],
        },
    }


def obj(crd: Manifest, version: str, name: str, *, namespace: str = "default", **more: Any) -> Manifest:  # noqa: ANN401
    spec = crd["spec"]
    metadata: Manifest = {"name": name} | more.pop("metadata", {})
    if spec["scope"] == "Namespaced":
        metadata["namespace"] = namespace
    return {
        "apiVersion": f"{spec['group']}/{version}",
        "kind": spec["names"]["kind"],
        "metadata": metadata,
        "spec": {"size": 1},
        **more,
    }
