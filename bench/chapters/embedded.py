"""What asyncmigrate adds to the requests that the work needs: over its own transport and over a mocked httpx one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import httpx
import respx

from asyncmigrate import Cluster, Outcome, plan, run
from bench.requests import ONE
from bench.results import Results, at_least, at_most, number, spread
from bench.servers import FILLER, GROUP, Scene, add_objects, crd, embedded, move_storage

WORKERS = 32
HEADERS = {"Authorization": "Bearer admin-token", "Accept": ONE, "Content-Type": "application/merge-patch+json"}
URL = "https://mocked.example.com"
Work = Callable[[], Awaitable[None]]


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    del folder
    rounds = 2 if quick else 7
    objects, lookups = (500, 200) if quick else (3000, 1000)
    with embedded() as scene:
        await default_transport(results, scene, objects, lookups, rounds)
    await mocked(results, objects // 3, rounds)


async def default_transport(results: Results, scene: Scene, objects: int, lookups: int, rounds: int) -> None:
    scene.do(add_objects, "widgets", objects, FILLER)
    crds = f"{scene.url}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    patches = [f"{scene.url}/apis/{GROUP}/v1/namespaces/default/widgets/w-{n:06d}" for n in range(objects)]
    names = [f"kind{n}s.{GROUP}" for n in range(lookups)]

    async def look_up() -> None:
        made = await plan(cluster, names=names)
        if made.requests != lookups:
            raise RuntimeError(f"the plan took {made.requests} requests")

    async def ours() -> None:
        scene.do(move_storage)
        report = await run(cluster, await plan(cluster), settle=0)
        if [c.outcome for c in report.crds] != [Outcome.MIGRATED] or report.objects.rewritten != objects:
            raise RuntimeError(f"the run did not do its work: {report}")

    async def look_up_bare() -> None:
        await bare(session, "GET", [f"{crds}/{n}" for n in names], None)

    async def bare_patches() -> None:
        scene.do(move_storage)
        await bare(session, "PATCH", patches, b"{}")

    async with Cluster.from_kubeconfig(scene.kubeconfig) as cluster, aiohttp.ClientSession() as session:
        await look_up()  # imports, connects and warms up
        await look_up_bare()
        looked = f"{lookups:,} new CRDs looked up, embedded server"
        await compare(results, looked, look_up, look_up_bare, rounds)
        await compare(results, f"{objects:,} objects rewritten, embedded server", ours, bare_patches, rounds)


async def bare(session: aiohttp.ClientSession, method: str, urls: list[str], body: bytes | None) -> None:
    """The same requests with nothing around them."""
    left = iter(urls)

    async def worker() -> None:
        for url in left:
            async with session.request(method, url, data=body, headers=HEADERS) as answer:
                await answer.read()

    await asyncio.gather(*(worker() for _ in range(WORKERS)))


async def compare(results: Results, what: str, ours: Work, theirs: Work, rounds: int) -> None:
    walls, cpus = [], []
    for _ in range(rounds):
        their_wall, their_cpu = await timed(theirs)
        our_wall, our_cpu = await timed(ours)
        walls.append(their_wall / our_wall)
        cpus.append(our_cpu / their_cpu)
    results.add(at_least(0.8, what, "a bare aiohttp loop", walls, f"client CPU {spread(cpus)} times its"))


async def timed(work: Work) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - wall, time.process_time() - cpu


async def mocked(results: Results, objects: int, rounds: int) -> None:
    """Against an API that answers from memory: what is left is ours and httpx's."""
    patches = [f"{URL}/apis/{GROUP}/v1/namespaces/default/widgets/w-{n:06d}" for n in range(objects)]
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        answer_as_an_api(router, objects)

        async def ours() -> None:
            async with httpx.AsyncClient(base_url=URL) as client, Cluster.from_httpx(client) as cluster:
                report = await run(cluster, await plan(cluster, names=[f"widgets.{GROUP}"]), settle=0)
                if report.objects.rewritten != objects:
                    raise RuntimeError(f"the run did not do its work: {report}")

        async def theirs() -> None:
            async with httpx.AsyncClient(base_url=URL) as client:
                for url in patches:
                    await client.patch(url, content=b"{}", headers=HEADERS)

        await ours()
        cpus = [(await timed(ours))[1] / (await timed(theirs))[1] for _ in range(rounds)]
    what = f"CPU of {objects:,} objects, mocked API, httpx transport"
    results.add(at_most(1.25, what, "a bare httpx loop", cpus, f"{number(objects)} objects"))


def answer_as_an_api(router: respx.MockRouter, objects: int) -> None:
    live = crd("v2") | {"status": {"storedVersions": ["v1", "v2"]}}
    live["metadata"] |= {"uid": "u-1", "resourceVersion": "7", "generation": 2}
    trimmed = live | {"status": {"storedVersions": ["v2"]}}
    one = {"kind": "PartialObjectMetadata", "metadata": {"name": "w", "resourceVersion": "99"}}
    items = [
        {"metadata": {"namespace": "default", "name": f"w-{n:06d}", "resourceVersion": "1"}} for n in range(objects)
    ]
    page = {"kind": "PartialObjectMetadataList", "metadata": {"resourceVersion": "9"}, "items": items}
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{GROUP}"
    router.get(path).respond(json=live)
    router.patch(f"{path}/status").respond(json=trimmed)
    router.post(path__regex=".*selfsubjectaccessreviews$").respond(
        json={"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}
    )
    router.get(path__regex=".*/widgets$").respond(json=page)
    router.patch(path__regex=".*/widgets/w-.*").respond(json=one)
