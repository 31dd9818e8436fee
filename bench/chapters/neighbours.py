"""What CRDs that are slow, hang or are denied cost those beside them, and how soon one that hangs is given up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

from asyncmigrate import Cluster, Report, RetryPolicy, plan, run
from asyncmigrate.testing import ApiServer
from bench.results import Results, at_least, at_most, number
from bench.servers import GROUP, Scene, add_objects, embedded, move_storage
from bench.until_migrated import until_migrated

SLOW = 0.5  # seconds that an admission webhook takes to allow
ROUND_TRIP = 0.02
HANGS = 10.0  # seconds, until the API server gives a webhook up
ROUNDS = 3
WAIT = 20.0  # --webhook-wait
GIVEN_UP = 30.0  # seconds after that, at most


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything."""

    slow: int = 3000  # objects of each of four CRDs, one or three of them slow
    healthy: int = 2000  # objects of each of five CRDs beside forty that hang
    hanging: int = 40
    denied: int = 600
    many: int = 10_000  # objects of a CRD that hangs
    rounds: int = ROUNDS


QUICK = Sizes(slow=600, healthy=600, hanging=40, denied=300, many=1000, rounds=1)


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    del folder
    sizes = QUICK if quick else Sizes()
    await slow_ones(results, sizes)
    await hanging_ones(results, sizes)
    await busy_ones(results, sizes)
    await denied_ones(results, sizes)
    await given_up(results, sizes)


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}{n:02}" for n in range(count)]


def set_faults(server: ApiServer, what: str, plurals: Collection[str]) -> None:
    """Order one kind of fault for the writes of some CRDs."""
    faults = server.faults
    faults.clear()
    if what != "hanging":
        faults.delay(ROUND_TRIP, verb="patch")
    for resource in (f"{plural}.{GROUP}" for plural in plurals):
        if what == "slow":
            faults.delay(SLOW, verb="patch", resource=resource)
        elif what == "hanging":
            faults.hang(HANGS, verb="patch", resource=resource)
        elif what == "busy":
            faults.deny(code=429, message="too many requests", details={"retryAfterSeconds": 1}, resource=resource)
        else:
            faults.deny(resource=resource)


async def others_take(scene: Scene, what: str, bad: Collection[str], good: Collection[str]) -> float:
    """Seconds from the start of a plan until the last of the good ones is migrated."""
    scene.do(move_storage)
    scene.do(set_faults, what, list(bad))
    counting = {f"{plural}.{GROUP}" for plural in good}
    every = counting | {f"{plural}.{GROUP}" for plural in bad}
    began = time.perf_counter()
    async with Cluster.from_kubeconfig(scene.kubeconfig) as cluster:
        return await until_migrated(cluster, await plan(cluster, names=every), counting, began=began)


async def slow_ones(results: Results, sizes: Sizes) -> None:
    """The throughput of one healthy CRD beside those whose webhook takes its time."""
    plurals = names("slow", 4)
    with embedded() as scene:
        for plural in plurals:
            scene.do(add_objects, plural, sizes.slow, {"size": 1})
        for many, goal in ((1, 0.5), (3, 0.3)):
            bad, good = plurals[:many], plurals[many:]
            await others_take(scene, "slow", (), good)  # imports and warms up
            alone, beside = [], []
            for _ in range(sizes.rounds):
                alone.append(await others_take(scene, "slow", (), good))
                beside.append(await others_take(scene, "slow", bad, good))
            ratios = [a / b for a, b in zip(alone, beside, strict=True)]
            rates = [number(len(good) * sizes.slow / statistics.median(s)) for s in (beside, alone)]
            what = f"throughput beside {many} of 4 CRDs whose webhook takes {SLOW:g} s"
            results.add(at_least(goal, what, "the others alone", ratios, f"{rates[0]}/s, {rates[1]}/s"))


async def hanging_ones(results: Results, sizes: Sizes) -> None:
    bad = names("hanging", sizes.hanging)
    ratios, note = await five_beside("hanging", bad, sizes)
    results.add(at_most(1.15, f"5 CRDs beside {sizes.hanging} that hang", "the five alone", ratios, note))


async def busy_ones(results: Results, sizes: Sizes) -> None:
    bad = names("busy", 10)
    ratios, note = await five_beside("busy", bad, sizes)
    what = f"5 CRDs beside {len(bad)} that a webhook answers 429"
    results.add(at_most(1.1, what, "the five alone", ratios, note))


async def five_beside(what: str, bad: list[str], sizes: Sizes) -> tuple[list[float], str]:
    """How many times as long five healthy CRDs take beside bad ones; by their names the healthy ones come last."""
    good = names("healthy", 5)
    with embedded() as scene:
        for plural in (*bad, *good):
            scene.do(add_objects, plural, 60 if plural in bad else sizes.healthy, {"size": 1})
        await others_take(scene, what, (), good)
        alone, beside = [], []
        for _ in range(sizes.rounds):
            alone.append(await others_take(scene, what, (), good))
            beside.append(await others_take(scene, what, bad, good))
    ratios = [b / a for a, b in zip(alone, beside, strict=True)]
    return ratios, f"{statistics.median(beside):.2f} s, {statistics.median(alone):.2f} s"


async def whole(scene: Scene, plural: str, what: str, bad: Collection[str], *, wait: float = 150.0) -> Report:
    """A whole run of one CRD."""
    scene.do(move_storage)
    scene.do(set_faults, what, list(bad))
    async with Cluster.from_kubeconfig(scene.kubeconfig) as cluster:
        made = await plan(cluster, names=[f"{plural}.{GROUP}"])
        return await run(cluster, made, settle=0, webhook_policy=RetryPolicy(first_wait=1.0, max_seconds=wait))


async def denied_ones(results: Results, sizes: Sizes) -> None:
    plural = "denied"
    with embedded() as scene:
        scene.do(add_objects, plural, sizes.denied, {"size": 1})
        await whole(scene, plural, "denied", ())
        good, denied = [], []
        for _ in range(sizes.rounds):
            good.append((await whole(scene, plural, "denied", ())).seconds)
            denied.append((await whole(scene, plural, "denied", (plural,))).seconds)
    ratios = [b / a for a, b in zip(good, denied, strict=True)]
    note = f"{statistics.median(denied):.2f} s, {statistics.median(good):.2f} s"
    results.add(at_most(1.2, f"{sizes.denied} objects, all denied", "as many that are let through", ratios, note))


async def given_up(results: Results, sizes: Sizes) -> None:
    plural = "hanging"
    with embedded() as scene:
        scene.do(add_objects, plural, sizes.many, {"size": 1})
        report = await whole(scene, plural, "hanging", (plural,), wait=WAIT)
    [crd] = report.crds
    if crd.reason != "NothingGetsThrough":
        raise RuntimeError(f"not as it was set up: {crd}")
    what = f"a CRD of {sizes.many:,} objects that hangs is given up"
    against = f"--webhook-wait {WAIT:g}s and {GIVEN_UP:g} s"
    results.add(at_most(1.0, what, against, [report.seconds / (WAIT + GIVEN_UP)], f"{report.seconds:.0f} s"))
