"""Objects a second on the real API server, against its own ceiling and against the other migrators."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
from tests.bed import scenes
from tests.bed.bed import trust

from bench import peers
from bench.measure import side, turns
from bench.real import GROUP, IN_TREE, RealScene, path_of, real
from bench.results import Results, Series, at_least, at_most, number, spread

PLURAL = "widgets"
SLOW = "gears"  # for clusterctl, which would take two minutes, at a pace that does not depend on how many there are
SLOW_OBJECTS = 1500
WARM = "warms"
SIZE = 2000
WORKERS = (8, 16, 32)
NAMES = {"ours": "asyncmigrate", "go": "bare Go loop", "aiohttp": "bare aiohttp loop"}
Figures = dict[str, list[dict[str, Any]]]


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects, rounds = (600, 2) if quick else (5000, 3)
    async with real(folder, flags=IN_TREE) as scene:
        print(f"  creating {objects:,} objects of {SIZE:,} bytes", flush=True)
        await scene.add(PLURAL, objects, SIZE)
        best = await calibrate(scene, objects // 8)
        figures: Figures = {who: [] for who in NAMES}
        for number_, sides in enumerate(turns(figures, rounds), start=1):
            print(f"  round {number_} of {rounds}", flush=True)
            for who in sides:
                figures[who].append(await one(scene, who, objects, best))
        others = {} if quick else await slow_peers(scene, objects)
        compare(results, figures, others, objects)


async def calibrate(scene: RealScene, objects: int) -> dict[str, int]:
    """How many workers a bare loop does best with."""
    best = {}
    for who in ("go", "aiohttp"):
        rates = {}
        for workers in WORKERS:
            taken = await one(scene, who, objects, {who: workers})
            rates[workers] = objects / taken["seconds"]
        best[who] = max(rates, key=lambda w: rates[w])
        print(f"  bare {who} loop: {', '.join(f'{w} in flight {number(r)}/s' for w, r in rates.items())}", flush=True)
    return best


async def one(scene: RealScene, who: str, objects: int, best: dict[str, int]) -> dict[str, Any]:
    """Have one side rewrite the objects, all of them stale."""
    storage = await scene.move_storage(PLURAL)
    config, before = scene.kubeconfig(), scene.server_cpu
    taken: dict[str, Any]
    if who == "go":
        args = ("-kubeconfig", config, "-path", path_of(PLURAL))
        taken = peers.peer("loop", *args, "-count", objects, "-workers", best[who])
    elif who == "aiohttp":
        taken = side("bare", config, scene.patches(PLURAL, objects), "--workers", best[who]).json()
    else:
        taken = side("ours", config, f"{PLURAL}.{GROUP}").json()
    taken |= {"server": scene.server_cpu - before, "objects": objects}
    if who == "ours":
        scene.check(PLURAL, storage)
    return taken


async def slow_peers(scene: RealScene, objects: int) -> Figures:
    """The other migrators."""
    await scene.add(SLOW, SLOW_OBJECTS, SIZE)
    await scene.add(WARM, 1, SIZE)
    config = scene.kubeconfig()
    manifests = scene.folder / "manifests"
    manifests.mkdir()

    def clusterctl(storage: str) -> dict[str, Any]:
        write_manifest(manifests, storage, SLOW)
        return peers.peer("clusterctl", "-kubeconfig", config, "-f", manifests)

    def serial(storage: str) -> dict[str, Any]:
        return peers.peer("serial", "-kubeconfig", config, "-group", GROUP, "-version", storage, "-plural", PLURAL)

    def in_tree(_: str) -> dict[str, Any]:
        return peers.migrate_in_tree(manager, http, GROUP, PLURAL)

    found = {
        "clusterctl": [await peer(scene, SLOW, SLOW_OBJECTS, clusterctl)],
        "kube-storage-version-migrator": [await peer(scene, PLURAL, objects, serial)],
    }
    auth = {"Authorization": "Bearer admin-token"}
    with (
        peers.in_tree(config, scene.folder) as manager,
        httpx.Client(base_url=scene.url, headers=auth, verify=trust(scene.bed.server), timeout=30) as http,
    ):
        peers.migrate_in_tree(manager, http, GROUP, WARM)  # its caches are filled when this one is done
        found["in-tree"] = [await peer(scene, PLURAL, objects, in_tree)]
    return found


async def peer(scene: RealScene, plural: str, objects: int, migrate: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Have one of them migrate what has just moved to the storage version that `migrate` is given."""
    print(f"  {migrate.__name__}", flush=True)
    storage = await scene.move_storage(plural)
    taken = migrate(storage)
    scene.check(plural, storage)
    return taken | {"objects": objects}


def write_manifest(folder: Path, storage: str, plural: str = PLURAL) -> None:
    """The CRD as an upgrade would bring it: nothing but its objects is to be migrated."""
    manifest = scenes.crd(GROUP, storage, "v1", "v2", plural=plural)
    (folder / f"{plural}.yaml").write_bytes(msgspec.json.encode(manifest))


def compare(results: Results, figures: Figures, others: Figures, objects: int) -> None:
    rates = rates_of(figures)
    quicker = max(("go", "aiohttp"), key=lambda who: statistics.median(rates[who]))
    ceiling = rates[quicker]
    what = f"{objects:,} objects of 2 KB rewritten"
    note = f"ours {spread(rates['ours'], '/s')}, a {NAMES[quicker]} {spread(ceiling, '/s')}"
    results.add(at_least(0.95, what, "the ceiling", divided(rates["ours"], ceiling), note))
    slow = rates_of(others)
    for who, goal in (("clusterctl", 7), ("kube-storage-version-migrator", 6), ("in-tree", 2.8)):
        if who in slow:
            theirs = statistics.median(slow[who])
            ratios = [rate / theirs for rate in rates["ours"]]
            most = statistics.median(ceiling) / theirs
            of = others[who][0]["objects"]
            note = f"theirs {spread(slow[who], '/s')}, of {of:,} objects; the ceiling {most:.2g} times theirs"
            results.add(at_least(goal, what, who, ratios, note))
    compare_costs(results, figures, objects)
    medians = {NAMES.get(who, who): statistics.median(found) for who, found in (rates | slow).items()}
    cpus = per_object(figures | others, "cpu")
    results.add(
        Series("objects a second", "/s", medians),
        Series("client CPU an object", " ms", {NAMES.get(who, who): statistics.median(c) for who, c in cpus.items()}),
    )


def compare_costs(results: Results, figures: Figures, objects: int) -> None:
    cpus = per_object(figures, "cpu")
    note = f"ours {spread(cpus['ours'], ' ms')}, aiohttp's {spread(cpus['aiohttp'], ' ms')}"
    results.add(
        at_most(1.25, "client CPU an object", "a bare aiohttp loop", divided(cpus["ours"], cpus["aiohttp"]), note)
    )
    requests = [t["requests"] / (objects * (1 + 1 / 500)) for t in figures["ours"]]
    note = (
        f"{figures['ours'][0]['requests']:,} requests for {objects:,} objects, {figures['ours'][0]['retries']} retries"
    )
    results.add(at_most(1.01, "requests an object", "1 + 1/500", requests, note))
    server = per_object(figures, "server")
    results.add(Series("server CPU an object", " ms", {NAMES[who]: statistics.median(c) for who, c in server.items()}))


def rates_of(figures: Figures) -> dict[str, list[float]]:
    return {who: [t["objects"] / t["seconds"] for t in taken] for who, taken in figures.items()}


def per_object(figures: Figures, cpu: str) -> dict[str, list[float]]:
    """Milliseconds of the client's or the server's."""
    return {who: [t[cpu] / t["objects"] * 1000 for t in taken] for who, taken in figures.items()}


def divided(ours: list[float], theirs: list[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]
