"""What several processes get through together against the server's ceiling, and what a shard costs in requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import run_sync

from bench.measure import side, turns
from bench.real import GROUP, RealScene, real
from bench.results import Results, at_least, at_most, number, spread

PLURAL = "widgets"
SIZE = 2000
SHARDS = (1, 2, 4)  # 1 is a run without a shard
WORKERS = 16  # of the bare loop
BARE = 0
STATE = "configmap:default/bench-shards"
_MORE = 20  # requests: its plan, a count, the state, a look at the CRD each second, and the whole list of the last one


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects, rounds = (1200, 2) if quick else (6000, 3)
    async with real(folder) as scene:
        await scene.add(PLURAL, objects, SIZE)
        seconds: dict[int, list[float]] = {count: [] for count in (BARE, *SHARDS)}
        requests: dict[int, int] = {}
        for order in turns(seconds, rounds):
            for count in order:
                taken = await one(scene, count, objects)
                seconds[count].append(max(t["seconds"] for t in taken))
                requests[count] = sum(t["requests"] for t in taken)
        compare(results, seconds, requests, objects)


async def one(scene: RealScene, count: int, objects: int) -> list[dict[str, Any]]:
    """Have so many shards rewrite the objects together, all of them stale; or the bare loop."""
    storage = await scene.move_storage(PLURAL)
    if count == BARE:
        return [side("bare", scene.kubeconfig(), scene.patches(PLURAL, objects), "--workers", WORKERS).json()]
    taken: list[dict[str, Any]] = []

    async def shard(index: int) -> None:
        how = () if count == 1 else ("--shard", f"{index}/{count}", "--state", STATE)
        taken.append((await run_sync(lambda: side("ours", scene.kubeconfig(), f"{PLURAL}.{GROUP}", *how))).json())

    async with anyio.create_task_group() as tasks:
        for index in range(count):
            tasks.start_soon(shard, index)
    scene.check(PLURAL, storage)
    if await scene.bed.stored_versions(f"{PLURAL}.{GROUP}") != [storage]:
        raise RuntimeError("no shard has trimmed")
    return taken


def compare(results: Results, seconds: dict[int, list[float]], requests: dict[int, int], objects: int) -> None:
    ceiling = seconds[BARE]
    rates = {count: [objects / s for s in seconds[count]] for count in seconds}
    for count in SHARDS:
        ratios = [bare / ours for bare, ours in zip(ceiling, seconds[count], strict=True)]
        what = f"{objects:,} objects by {count} process{'es' if count > 1 else ''}, one API server"
        note = f"{spread(rates[count], '/s')}, the loop {spread(rates[BARE], '/s')}; {number(requests[count])} requests"
        results.add(at_least(0.8, what, "a bare aiohttp loop", ratios, note))
    # Each shard lists all objects where the server does not filter, and the last one once more.
    pages = -(-objects // 500)
    for count in SHARDS[1:]:
        more = requests[count] - requests[1] - pages * count
        note = f"{number(requests[count] - requests[1])} more than one process; of these {pages * count} pages of lists"
        what = f"requests that each of {count} shards adds beside its lists"
        results.add(at_most(_MORE, what, "one process", [more / count], note))
