"""Bytes on the wire, both ways and TLS included, for small objects and for large ones."""

from __future__ import annotations

from pathlib import Path

from bench import peers
from bench.chapters.rewriting import write_manifest
from bench.measure import side
from bench.real import GROUP, RealScene, real
from bench.results import Results, at_most, number

SIZES = {"small": (2_000, 1 / 2), "large": (50_000, 1 / 15)}


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects = 100 if quick else 250
    async with real(folder) as scene:
        for plural, (size, goal) in SIZES.items():
            await scene.add(f"{plural}s", objects, size)
            manifests = folder / plural
            manifests.mkdir()
            theirs = await carried(scene, f"{plural}s", manifests)
            ours = await carried(scene, f"{plural}s", None)
            note = f"ours {number(ours / objects)} bytes, theirs {number(theirs / objects)}"
            what = f"bytes an object, at {size // 1000} KB"
            results.add(at_most(goal, what, "clusterctl", [ours / theirs], note))


async def carried(scene: RealScene, plural: str, manifests: Path | None) -> int:
    """What one migration carries; clusterctl's where there are manifests for it."""
    storage = await scene.move_storage(plural)
    with peers.proxy(scene.url) as proxy:
        config = scene.kubeconfig(proxy.address)
        if manifests is not None:
            write_manifest(manifests, storage, plural)
            peers.peer("clusterctl", "-kubeconfig", config, "-f", manifests)
        else:
            side("ours", config, f"{plural}.{GROUP}")
    scene.check(plural, storage)
    return proxy.bytes
