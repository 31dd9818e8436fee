"""Whether the window finds the ceiling by itself, near and far, and what it costs other clients."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench import peers
from bench.measure import side, turns
from bench.real import GROUP, RealScene, path_of, real
from bench.results import Results, at_least, at_most, number

PLURAL = "panes"
OTHERS = "others"
FIXED = (8, 16, 32)
AWAY = 0.02
Figures = dict[int, list[float]]


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects, rounds = (300, 1) if quick else (1000, 3)
    async with real(folder) as scene:
        await scene.add(PLURAL, objects, 2000)
        await scene.add(OTHERS, 1, 2000)
        for delay in (0.0, AWAY):
            with peers.proxy(scene.url, delay=delay) as proxy:
                rates, waits = await sides(scene, proxy.address, objects, rounds)
                compare(results, rates, waits, f"{delay * 1000:g} ms away")


async def sides(scene: RealScene, url: str, objects: int, rounds: int) -> tuple[Figures, Figures]:
    """Objects a second, and how long another client waits, by requests in flight (0: as many as it finds right)."""
    config = scene.kubeconfig(url)
    rates: Figures = {n: [] for n in (0, *FIXED)}
    waits: Figures = {n: [] for n in rates}
    await scene.move_storage(PLURAL)
    side("ours", config, f"{PLURAL}.{GROUP}")  # not measured: a new server is slower
    for limits in turns(rates, rounds):
        for limit in limits:
            await scene.move_storage(PLURAL)
            flags = ("--max-in-flight", limit, "--fixed") if limit else ()
            with another_client(scene) as found:
                rates[limit].append(objects / side("ours", config, f"{PLURAL}.{GROUP}", *flags).json()["seconds"])
            waits[limit].append(statistics.median(found))
    return rates, waits


def compare(results: Results, rates: Figures, waits: Figures, where: str) -> None:
    best = max(FIXED, key=lambda n: statistics.median(rates[n]))
    ratios = [a / b for a, b in zip(rates[0], rates[best], strict=True)]
    note = ", ".join(f"{n or 'no flag'}: {number(statistics.median(r))}/s" for n, r in rates.items())
    results.add(
        at_least(0.95, f"throughput with no flag, {where}", f"the best fixed number in flight ({best})", ratios, note)
    )
    ratios = [a / b for a, b in zip(waits[0], waits[best], strict=True)]
    note = ", ".join(f"{n or 'no flag'}: {statistics.median(w) * 1000:.0f} ms" for n, w in waits.items())
    results.add(at_most(1.1, f"another client's wait, {where}", f"the same with {best}", ratios, note))


@contextlib.contextmanager
def another_client(scene: RealScene) -> Iterator[list[float]]:
    """A client that reads one object now and then; its waits, in seconds, are there after the block."""
    command = [sys.executable, "-m", "bench.sides", "probe", str(scene.kubeconfig()), f"{path_of(OTHERS)}/w-000000"]
    found: list[float] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield found
            out, _ = process.communicate(timeout=30)
            found += msgspec.json.decode(out)["waits"]
        finally:
            process.kill()
