"""Objects a second on the real API server, against its own ceiling and against the other migrators."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import httpx
import msgspec
from tests.bed import scenes
from tests.bed.bed import trust

from bench import peers
from bench.measure import side
from bench.real import GROUP, IN_TREE, RealScene, path_of, real
from bench.results import Results, Series, at_least, at_most, number, spread

PLURAL = "widgets"
SIZE = 2000
WORKERS = (8, 16, 32)
Figures = dict[str, list[dict[str, Any]]]


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects, rounds = (600, 2) if quick else (5000, 2)
    async with real(folder, flags=IN_TREE) as scene:
        print(f"  creating {objects:,} objects of {SIZE:,} bytes", flush=True)
        await scene.add(PLURAL, objects, SIZE)
        best = await calibrate(scene, objects // 8)
        figures: Figures = {"go": [], "aiohttp": [], "ours": []}
        for number_ in range(rounds):
            print(f"  round {number_ + 1} of {rounds}", flush=True)
            for who in sorted(figures, reverse=bool(number_ % 2)):
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
        scene.check(PLURAL, storage)
    return taken | {"server": scene.server_cpu - before}


async def slow_peers(scene: RealScene, objects: int) -> dict[str, dict[str, Any]]:
    """The other migrators, once each: they take minutes."""
    config, found = scene.kubeconfig(), {}
    manifests = scene.folder / "manifests"
    manifests.mkdir()
    print("  clusterctl's migrator", flush=True)
    storage = await scene.move_storage(PLURAL)
    write_manifest(manifests, storage)
    found["clusterctl"] = peers.peer("clusterctl", "-kubeconfig", config, "-f", manifests)
    scene.check(PLURAL, storage)
    print("  kube-storage-version-migrator's way", flush=True)
    storage = await scene.move_storage(PLURAL)
    args = ("-kubeconfig", config, "-group", GROUP, "-version", storage, "-plural", PLURAL)
    found["kube-storage-version-migrator"] = peers.peer("serial", *args)
    scene.check(PLURAL, storage)
    print("  in-tree StorageVersionMigration", flush=True)
    storage = await scene.move_storage(PLURAL)
    auth = {"Authorization": "Bearer admin-token"}
    with (
        peers.in_tree(config, scene.folder) as manager,
        httpx.Client(base_url=scene.url, headers=auth, verify=trust(scene.bed.server), timeout=30) as http,
    ):
        found["in-tree"] = peers.migrate_in_tree(manager, http, GROUP, PLURAL)
    scene.check(PLURAL, storage)
    return {who: taken | {"rate": objects / taken["seconds"]} for who, taken in found.items()}


def write_manifest(folder: Path, storage: str, plural: str = PLURAL) -> None:
    """The CRD as an upgrade would bring it: nothing but its objects is to be migrated."""
    manifest = scenes.crd(GROUP, storage, "v1", "v2", plural=plural)
    (folder / f"{plural}.yaml").write_bytes(msgspec.json.encode(manifest))


def compare(results: Results, figures: Figures, others: dict[str, dict[str, Any]], objects: int) -> None:
    rates = {who: [objects / t["seconds"] for t in taken] for who, taken in figures.items()}
    ceiling = [max(pair) for pair in zip(rates["go"], rates["aiohttp"], strict=True)]
    ours = statistics.median(rates["ours"])
    cpus = {who: [t["cpu"] / objects * 1000 for t in taken] for who, taken in figures.items()}
    what = f"{objects:,} objects of 2 KB rewritten"
    note = f"ours {spread(rates['ours'], '/s')}, the ceiling {spread(ceiling, '/s')}"
    results.add(at_least(0.95, what, "the ceiling", divided(rates["ours"], ceiling), note))
    for who, goal in (("clusterctl", 7), ("kube-storage-version-migrator", 6), ("in-tree", 2.8)):
        if who in others:
            theirs = others[who]["rate"]
            ratios = [rate / theirs for rate in rates["ours"]]
            most = statistics.median(ceiling) / theirs
            note = f"ours {number(ours)}/s, theirs {number(theirs)}/s; the ceiling {most:.2g} times theirs"
            results.add(at_least(goal, what, who, ratios, note))
    note = f"ours {spread(cpus['ours'], ' ms')}, aiohttp's {spread(cpus['aiohttp'], ' ms')}"
    results.add(
        at_most(1.25, "client CPU an object", "a bare aiohttp loop", divided(cpus["ours"], cpus["aiohttp"]), note)
    )
    requests = [t["requests"] / (objects * (1 + 1 / 500)) for t in figures["ours"]]
    note = (
        f"{figures['ours'][0]['requests']:,} requests for {objects:,} objects, {figures['ours'][0]['retries']} retries"
    )
    results.add(at_most(1.01, "requests an object", "1 + 1/500", requests, note))
    server = {who: [t["server"] / objects * 1000 for t in taken] for who, taken in figures.items()}
    names = {"ours": "asyncmigrate", "go": "bare Go loop", "aiohttp": "bare aiohttp loop"}
    results.add(
        Series("objects a second", "/s", {n: statistics.median(rates[w]) for w, n in names.items()} | rates_of(others)),
        Series(
            "client CPU an object",
            " ms",
            {n: statistics.median(cpus[w]) for w, n in names.items()}
            | {w: t["cpu"] / objects * 1000 for w, t in others.items()},
        ),
        Series("server CPU an object", " ms", {n: statistics.median(server[w]) for w, n in names.items()}),
    )


def rates_of(others: dict[str, dict[str, Any]]) -> dict[str, float]:
    return {who: taken["rate"] for who, taken in others.items()}


def divided(ours: list[float], theirs: list[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]
