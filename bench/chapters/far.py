"""A server that is 20 ms away: how well many requests in flight make up for it."""

from __future__ import annotations

import statistics
from pathlib import Path

from bench import peers
from bench.chapters.rewriting import write_manifest
from bench.measure import side
from bench.real import GROUP, real
from bench.results import Results, at_least, number, spread

PLURAL = "gadgets"
SLOW = "gears"
AWAY = 0.02  # seconds, on each answer


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects, few, rounds = (300, 100, 1) if quick else (1500, 400, 2)
    async with real(folder) as scene:
        await scene.add(PLURAL, objects, 2000)
        await scene.add(SLOW, few, 2000)
        with peers.proxy(scene.url, delay=AWAY) as proxy:
            config = scene.kubeconfig(proxy.address)
            storage = await scene.move_storage(SLOW)
            write_manifest(folder, storage, SLOW)
            theirs = few / peers.peer("clusterctl", "-kubeconfig", config, "-f", folder)["seconds"]
            scene.check(SLOW, storage)
            ours, ceiling = [], []
            for _ in range(rounds):
                await scene.move_storage(PLURAL)
                loop = side("bare", config, scene.patches(PLURAL, objects), "--workers", 32).json()
                ceiling.append(objects / loop["seconds"])
                storage = await scene.move_storage(PLURAL)
                ours.append(objects / side("ours", config, f"{PLURAL}.{GROUP}").json()["seconds"])
                scene.check(PLURAL, storage)
    most = statistics.median(ceiling) / theirs
    note = f"ours {spread(ours, '/s')}, theirs {number(theirs)}/s ({few} objects); a bare loop {most:.2g} times theirs"
    what = f"{objects:,} objects behind {AWAY * 1000:g} ms"
    results.add(at_least(15, what, "clusterctl", [rate / theirs for rate in ours], note))
