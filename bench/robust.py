"""`python -m bench.robust`: what a hanging CRD costs the others, and what a hundred thousand objects cost in memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import anyio

from asyncmigrate import Cluster, Outcome, RetryPolicy, plan, run
from asyncmigrate.events import CRDFinished, Event
from asyncmigrate.testing import ApiServer
from bench.servers import GROUP, Scene, add_objects, embedded, move_storage

CRDS = 20
OBJECTS = 300  # of each
ROUND_TRIP = 0.02
HANGS = 10.0  # seconds, until the API server gives its webhook up
ROUNDS = 5
FEW, MANY = 5_000, 100_000


def order_faults(server: ApiServer, hanging: str) -> None:
    server.faults.clear()
    server.faults.delay(ROUND_TRIP, verb="patch")
    if hanging:
        server.faults.hang(HANGS, verb="patch", resource=hanging)


async def others_take(scene: Scene, *, hanging: bool) -> float:
    """Seconds until the last of the nineteen is done; the hanging one is then still being tried."""
    slow = f"kind00.{GROUP}"
    scene.do(move_storage)
    scene.do(order_faults, slow if hanging else "")
    left = {f"kind{n:02}.{GROUP}" for n in range(1, CRDS)}
    names = left | ({slow} if hanging else set())
    took = 0.0
    async with Cluster.from_kubeconfig(scene.kubeconfig) as cluster:
        made = await plan(cluster, names=names)
        began = time.perf_counter()
        with anyio.CancelScope() as scope:

            def watch(event: Event) -> None:
                nonlocal took
                if isinstance(event, CRDFinished) and event.report.outcome is Outcome.MIGRATED:
                    left.discard(event.report.name)
                    if not left and not took:
                        took = time.perf_counter() - began
                        scope.cancel()

            await run(cluster, made, webhook_policy=RetryPolicy(max_seconds=150), observers=[watch])
    return took


async def hanging() -> None:
    with embedded() as scene:
        for number in range(CRDS):
            scene.do(add_objects, f"kind{number:02}", OBJECTS, {"size": 1})
        await others_take(scene, hanging=False)  # imports and warms up
        alone, beside = [], []
        for _ in range(ROUNDS):
            alone.append(await others_take(scene, hanging=False))
            beside.append(await others_take(scene, hanging=True))
        ratios = [b / a for a, b in zip(alone, beside, strict=True)]
        middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
        print(f"{CRDS - 1} CRDs of {OBJECTS} objects, {ROUND_TRIP * 1000:g} ms: {statistics.median(alone):.2f} s")
        print(f"beside one that hangs for {HANGS:g} s a request: {statistics.median(beside):.2f} s")
        print(f"ratio: {middle:.2f} ({least:.2f} to {most:.2f})", flush=True)


def peak_memory(scene: Scene) -> float:
    """MB at most while the command migrates what there is."""
    scene.do(move_storage)
    args = ("run", "-y", "--no-state", "--kubeconfig", scene.kubeconfig)
    process = subprocess.Popen([sys.executable, "-m", "asyncmigrate", *map(str, args)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"the run ended with {status}")
    return usage.ru_maxrss / 1024


def memory() -> None:
    peaks = []
    for count in (FEW, MANY):
        with embedded() as scene:
            scene.do(add_objects, "widgets", count, {"size": 1})
            peaks.append(peak_memory(scene))
            print(f"{count:,} objects: {peaks[-1]:.1f} MB at most", flush=True)
    print(f"difference: {peaks[1] - peaks[0]:.1f} MB")


if __name__ == "__main__":
    anyio.run(hanging)
    if "--hanging" not in sys.argv:
        memory()
