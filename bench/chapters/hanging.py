"""What one CRD in twenty that hangs costs the others."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from asyncmigrate import Cluster, RetryPolicy, plan
from asyncmigrate.testing import ApiServer
from bench.results import Results, at_most
from bench.servers import GROUP, Scene, add_objects, embedded, move_storage
from bench.until_migrated import until_migrated

CRDS = 20
OBJECTS = 300  # of each
ROUND_TRIP = 0.02
HANGS = 10.0  # seconds, until the API server gives its webhook up
ROUNDS = 2


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    del folder
    objects, rounds = (60, 2) if quick else (OBJECTS, ROUNDS)
    with embedded() as scene:
        for number in range(CRDS):
            scene.do(add_objects, f"kind{number:02}", objects, {"size": 1})
        await others_take(scene, hanging=False)  # imports and warms up
        alone, beside = [], []
        for _ in range(rounds):
            alone.append(await others_take(scene, hanging=False))
            beside.append(await others_take(scene, hanging=True))
    ratios = [b / a for a, b in zip(alone, beside, strict=True)]
    note = f"{statistics.median(beside):.2f} s, {statistics.median(alone):.2f} s"
    results.add(at_most(1.1, f"one CRD in {CRDS} hanging", "the others alone", ratios, note))


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
    others = {f"kind{n:02}.{GROUP}" for n in range(1, CRDS)}
    async with Cluster.from_kubeconfig(scene.kubeconfig) as cluster:
        made = await plan(cluster, names=others | ({slow} if hanging else set()))
        policy = RetryPolicy(max_seconds=150)
        return await until_migrated(cluster, made, others, began=time.perf_counter(), webhook_policy=policy)
