"""What one CRD in twenty that hangs costs the others."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import anyio

from asyncmigrate import Cluster, Outcome, RetryPolicy, plan, run
from asyncmigrate.events import CRDFinished, Event
from asyncmigrate.testing import ApiServer
from bench.results import Results, at_most
from bench.servers import GROUP, Scene, add_objects, embedded, move_storage

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
