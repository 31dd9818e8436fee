"""Many CRDs with few objects each: what each CRD costs beside its objects."""

from __future__ import annotations

from pathlib import Path

from bench.measure import side
from bench.real import RealScene, real, whole_migration
from bench.requests import write_requests
from bench.results import Results, at_least

OBJECTS = 10


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    crds = 30 if quick else 500
    plurals = [f"kind{n:03}s" for n in range(crds)]
    async with real(folder) as scene:
        print(f"  creating {crds} CRDs", flush=True)
        await scene.add_many(plurals, OBJECTS, 1000)
        ceiling = await bare(scene, plurals)
        await scene.move_storage(*plurals)
        ours = side("ours", scene.kubeconfig()).json()
        if ours["rewritten"] != crds * OBJECTS:
            raise RuntimeError(f"not as it was set up: {ours}")
    note = (
        f"{ours['requests']:,} requests in {ours['seconds']:.1f} s, "
        f"theirs {ceiling['requests']:,} in {ceiling['seconds']:.1f} s"
    )
    what = f"{crds} stale CRDs of {OBJECTS} objects each"
    ratio = ceiling["seconds"] / ours["seconds"]
    results.add(at_least(0.8, what, "the requests they need, from a bare loop", [ratio], note))


async def bare(scene: RealScene, plurals: list[str]) -> dict[str, float]:
    await scene.move_storage(*plurals)
    requests = [sent for plural in plurals for sent in whole_migration(plural, OBJECTS)]
    path = write_requests(scene.folder / "whole", requests)
    found: dict[str, float] = side("bare", scene.kubeconfig(), path, "--workers", 16).json()
    return found
