"""A pytest of an operator's own upgrade, on the embedded API server: no cluster, no container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio

from asyncmigrate import Cluster, after_upgrade
from asyncmigrate.testing import ApiServer


def crd(storage: str) -> dict[str, Any]:
    """The operator's CRD, with its storage version."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": v, "served": True, "storage": v == storage, "schema": schema} for v in ("v1", "v2")]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": versions,
        },
    }


def test_the_upgrade_brings_every_object_to_v2(tmp_path: Path) -> None:
    """The stored bytes say so."""

    async def upgrade() -> None:
        async with ApiServer() as server:
            server.apply_crd(crd("v1"))
            server.create({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})
            server.apply_crd(crd("v2"))
            server.advance(3600)  # that was an hour ago, so there is nothing to wait for
            async with Cluster.from_kubeconfig(server.write_kubeconfig(tmp_path / "kubeconfig")) as cluster:
                report = await after_upgrade(cluster)
            assert report.objects.rewritten == 1
            assert b'"apiVersion":"example.com/v2"' in server.stored("widgets.example.com")["default", "w"]

    anyio.run(upgrade)
