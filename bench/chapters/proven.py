"""What it saves to leave objects alone that the list proves to be in the storage version."""

from __future__ import annotations

from pathlib import Path

import anyio

from bench.measure import side
from bench.real import GROUP, real
from bench.results import Results, at_least, at_most, number

PLURAL = "gauges"
MARGIN = 2.0  # seconds: one server, one clock; the 60 of the default would only make the bench longer


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects, rounds = (1000, 1) if quick else (10_000, 1)
    times, cpus, notes = [], [], []
    async with real(folder) as scene:
        await scene.add(PLURAL, objects, 2000)
        for _ in range(rounds):
            await scene.move_storage(PLURAL)
            before = scene.server_cpu
            all_ = side("bare", scene.kubeconfig(), scene.patches(PLURAL, objects), "--workers", 16).json()
            cpu_all = scene.server_cpu - before
            storage = await scene.move_storage(PLURAL)
            await anyio.sleep(2 * MARGIN)
            scene.touch(PLURAL, (n for n in range(objects) if n % 10))
            await anyio.sleep(2)
            before = scene.server_cpu
            ours = side("ours", scene.kubeconfig(), f"{PLURAL}.{GROUP}", "--proof-margin", MARGIN, "--settle", 0).json()
            cpu = scene.server_cpu - before
            if ours["proven"] != objects * 9 // 10 or ours["rewritten"] != objects // 10:
                raise RuntimeError(f"not as it was set up: {ours}")
            scene.check(PLURAL, storage)
            times.append(all_["seconds"] / ours["seconds"])
            cpus.append(cpu / cpu_all)
            notes.append((ours["seconds"], all_["seconds"], cpu, cpu_all))
    what = f"{objects:,} objects, nine in ten updated since storage moved"
    ours_s, all_s, cpu, cpu_all = notes[0]
    against = "a bare loop that rewrites them all"
    results.add(at_least(3, what, against, times, f"{ours_s:.1f} s, {all_s:.1f} s"))
    results.add(at_most(1 / 3, f"server CPU of {what}", against, cpus, f"{number(cpu)} s, {number(cpu_all)} s"))
