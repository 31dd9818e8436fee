"""`python -m bench`: what asyncmigrate adds to the requests that the work needs, against a bare aiohttp loop.

Sides alternate over several rounds; the median of the ratios is what counts on a noisy machine.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import aiohttp
import anyio

from asyncmigrate import Cluster, Outcome, plan, run
from bench.servers import FILLER, GROUP, Scene, add_objects, embedded, move_storage

OBJECTS = 3000
LOOKUPS = 1000
ROUNDS = 5
WORKERS = 32
HEADERS = {
    "Authorization": "Bearer admin-token",
    "Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "Content-Type": "application/merge-patch+json",
}


async def bare(method: str, urls: list[str], body: bytes | None) -> None:
    """The same requests with nothing around them."""
    left = iter(urls)

    async def worker(session: aiohttp.ClientSession) -> None:
        for url in left:
            async with session.request(method, url, data=body, headers=HEADERS) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(worker(session) for _ in range(WORKERS)))


async def migrate(scene: Scene) -> None:
    async with Cluster.from_kubeconfig(scene.kubeconfig) as cluster:
        report = await run(cluster, await plan(cluster), settle=0)
        if [c.outcome for c in report.crds] != [Outcome.MIGRATED] or report.objects.rewritten != OBJECTS:
            raise RuntimeError(f"the run did not do its work: {report}")


async def look_up(scene: Scene) -> None:
    async with Cluster.from_kubeconfig(scene.kubeconfig) as cluster:
        made = await plan(cluster, names=[f"kind{n}s.{GROUP}" for n in range(LOOKUPS)])
        if made.requests != LOOKUPS:
            raise RuntimeError(f"the plan took {made.requests} requests")


async def timed(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - wall, time.process_time() - cpu


async def compare(
    what: str, count: int, ours: Callable[[], Awaitable[None]], theirs: Callable[[], Awaitable[None]]
) -> None:
    walls, cpus, rates = [], [], []
    for _ in range(ROUNDS):
        their_wall, their_cpu = await timed(theirs)
        our_wall, our_cpu = await timed(ours)
        walls.append(their_wall / our_wall)
        cpus.append(our_cpu / their_cpu)
        rates.append(count / our_wall)
    print(f"| {what} | {statistics.median(rates):,.0f}/s | {spread(walls)} | {spread(cpus)} |", flush=True)


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


async def main(scene: Scene) -> None:
    scene.do(add_objects, "widgets", OBJECTS, FILLER)
    await look_up(scene)  # imports and warms up
    crds = f"{scene.url}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    objects = f"{scene.url}/apis/{GROUP}/v1/namespaces/default/widgets"
    patches = [f"{objects}/w-{n:06d}" for n in range(OBJECTS)]

    async def ours() -> None:
        scene.do(move_storage)
        await migrate(scene)

    async def theirs() -> None:
        scene.do(move_storage)
        await bare("PATCH", patches, b"{}")

    print(f"medians of {ROUNDS} rounds (least to most), embedded server in a process of its own\n")
    print("| what | ours | throughput, of a bare aiohttp loop's | client CPU, times a bare aiohttp loop's |")
    print("|---|---|---|---|")
    lookups = [f"{crds}/kind{n}s.{GROUP}" for n in range(LOOKUPS)]
    await compare(
        f"{LOOKUPS:,} new CRDs looked up", LOOKUPS, lambda: look_up(scene), lambda: bare("GET", lookups, None)
    )
    await compare(f"{OBJECTS:,} objects of 2 KB rewritten", OBJECTS, ours, theirs)


if __name__ == "__main__":
    with embedded() as found:
        anyio.run(main, found)
