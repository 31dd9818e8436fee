"""A server that is 20 ms away: how well many requests in flight make up for it."""

from __future__ import annotations

from pathlib import Path

from bench import peers
from bench.chapters.rewriting import write_manifest
from bench.measure import side
from bench.real import GROUP, real
from bench.results import Results, at_least, number

PLURAL = "gadgets"
AWAY = 0.02  # seconds, on each answer


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects, rounds = (300, 1) if quick else (500, 1)
    async with real(folder) as scene:
        await scene.add(PLURAL, objects, 2000)
        with peers.proxy(scene.url, delay=AWAY) as proxy:
            config = scene.kubeconfig(proxy.address)
            rates: dict[str, list[float]] = {"ours": [], "clusterctl": []}
            for _ in range(rounds):
                storage = await scene.move_storage(PLURAL)
                write_manifest(folder, storage, PLURAL)
                args = ("-kubeconfig", config, "-f", folder)
                rates["clusterctl"].append(objects / peers.peer("clusterctl", *args)["seconds"])
                scene.check(PLURAL, storage)
                storage = await scene.move_storage(PLURAL)
                rates["ours"].append(objects / side("ours", config, f"{PLURAL}.{GROUP}").json()["seconds"])
                scene.check(PLURAL, storage)
    ratios = [a / b for a, b in zip(rates["ours"], rates["clusterctl"], strict=True)]
    note = f"ours {number(rates['ours'][0])}/s, theirs {number(rates['clusterctl'][0])}/s"
    results.add(at_least(15, f"{objects:,} objects behind {AWAY * 1000:g} ms", "clusterctl", ratios, note))
