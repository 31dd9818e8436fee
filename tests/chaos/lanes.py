"""Many rounds, several at once: most of a round is waiting."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import anyio
from anyio import to_process

from tests.bed.bed import open_embedded, open_real, trust
from tests.bed.real import RealServer
from tests.chaos.happenings import ALONE, kind_of
from tests.chaos.proxy import open_proxy
from tests.chaos.rounds import play_round
from tests.chaos.tally import Tally

_EMBEDDED_LANES = 5
_REAL_LANES = 2  # for the rounds that leave the server alone
_EMBEDDED_OBJECTS = 40
_REAL_OBJECTS = 150

Report = Callable[[int], None]


def _silent(_: int) -> None:
    return


async def play_embedded(tally: Tally, seeds: Iterable[int], folder: Path, report: Report = _silent) -> None:
    """Play each round in a process of its own, so that none is late because another one is at work."""
    left = iter(seeds)

    async def lane() -> None:
        for seed in left:
            own = _made(folder / f"seed-{seed}")
            tally.add(await to_process.run_sync(play_one, seed, own, cancellable=True, limiter=limiter))
            report(seed)

    limiter = anyio.CapacityLimiter(_EMBEDDED_LANES)
    async with anyio.create_task_group() as lanes:
        for _ in range(_EMBEDDED_LANES):
            lanes.start_soon(lane)


def play_one(seed: int, folder: Path) -> Tally:
    """Play one round on an embedded server. No traceback crosses processes, so it becomes the message."""
    try:
        return anyio.run(partial(_play_one, seed, folder))
    except Exception:  # noqa: BLE001 -- whatever it is, the round is named
        raise AssertionError(f"seed {seed}:\n{traceback.format_exc()}") from None


async def _play_one(seed: int, folder: Path) -> Tally:
    tally = Tally()
    async with open_embedded(folder) as bed, open_proxy(bed.url, None, random.Random(seed)) as proxy:  # noqa: S311
        await play_round(bed, proxy, tally, seed, _EMBEDDED_OBJECTS)
    return tally


async def play_real(
    tally: Tally, seeds: Iterable[int], server: RealServer, folder: Path, report: Report = _silent
) -> None:
    """Play rounds on one server: first those that may share it, then the others one by one."""
    chosen = list(seeds)
    shared = iter([s for s in chosen if kind_of(s, real=True) not in ALONE])
    alone = iter([s for s in chosen if kind_of(s, real=True) in ALONE])

    async def lane(number: int, left: Iterator[int]) -> None:
        async with open_real(server, _made(folder / f"lane-{number}")) as bed:
            for seed in left:
                async with open_proxy(server.url, trust(server), random.Random(seed)) as proxy:  # noqa: S311
                    await play_round(bed, proxy, tally, seed, _REAL_OBJECTS)
                report(seed)

    async with anyio.create_task_group() as lanes:
        for number in range(_REAL_LANES):
            lanes.start_soon(lane, number, shared)
    await lane(_REAL_LANES, alone)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
