"""A tool that uses kr8s: it asks which of a cluster's CRDs a migration would touch, from kr8s' own objects.

python examples/kr8s_tool.py
"""

from __future__ import annotations

import asyncio

import kr8s.asyncio
from kr8s.asyncio.objects import CustomResourceDefinition

from asyncmigrate import Cluster, plan


async def main() -> None:
    """List the CRDs with kr8s, and plan with them as the manifests of an upgrade that changes nothing."""
    api = await kr8s.asyncio.api()
    found = [crd async for crd in CustomResourceDefinition.list(api=api)]
    async with Cluster.from_kubeconfig() as cluster:
        todo = await plan(cluster, manifests=found)
    for crd in todo.stale:
        print(f"{crd.name}: {crd.waiting} objects to be brought to {crd.storage_version}")


if __name__ == "__main__":
    asyncio.run(main())
