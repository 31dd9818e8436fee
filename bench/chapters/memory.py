"""Whether memory grows with the number of objects."""

from __future__ import annotations

from pathlib import Path

from bench.measure import command
from bench.results import Results, at_most
from bench.servers import Scene, add_objects, embedded, move_storage

FEW, MANY = 5_000, 100_000


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    del folder
    many = FEW * 2 if quick else MANY
    peaks = []
    for count in (FEW, many):
        with embedded() as scene:
            scene.do(add_objects, "widgets", count, {"size": 1})
            peaks.append(peak_memory(scene))
    note = f"{peaks[0]:.1f} MB and {peaks[1]:.1f} MB"
    what = f"peak memory, MB more at {many:,} objects"
    results.add(at_most(10, what, f"at {FEW:,}", [peaks[1] - peaks[0]], note))


def peak_memory(scene: Scene) -> float:
    """MB at most while the command migrates what there is."""
    scene.do(move_storage)
    return command("run", "-y", "--no-state", "--rewrite-all", "--kubeconfig", scene.kubeconfig).peak
