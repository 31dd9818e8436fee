"""One round of chaos: a stale CRD is migrated through faults while others write, and the stored bytes are the judge."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio

from tests.bed.bed import Bed, RealBed
from tests.chaos.happenings import KILLED_MIGRATOR, Happenings, kind_of
from tests.chaos.judge import Judge
from tests.chaos.migrator import Migrator
from tests.chaos.proxy import Proxy
from tests.chaos.scene import Scene
from tests.chaos.tally import Tally

_LONGEST = 400  # seconds that a round may take; most take a few, and ten times as many beside other work


async def play_round(bed: Bed, proxy: Proxy, tally: Tally, seed: int, objects: int) -> None:
    """Play the round of a seed, and leave nothing of it on the server."""
    kind = kind_of(seed, real=isinstance(bed, RealBed))
    scene = Scene(bed, proxy, tally, seed=seed, objects=objects, kind=kind)
    migrator = Migrator(scene)
    async with AsyncExitStack() as stack:
        with anyio.move_on_after(_LONGEST) as limit:
            await scene.open(stack)
            await _play(scene, migrator)
        if limit.cancelled_caught:
            raise AssertionError(f"seed {seed}: not over after {_LONGEST} s; its runs: {migrator.reasons}")
        await bed.clean_up()
        bed.made.clear()
        bed.leftovers.clear()
    _count(scene)


async def _play(scene: Scene, migrator: Migrator) -> None:
    judge = Judge(scene)
    scene.proxy.judge = judge.trim
    await migrator.warm_up()
    async with anyio.create_task_group() as tasks:
        happenings = Happenings(scene, judge, tasks)
        for writer in scene.writers:
            tasks.start_soon(writer.write_for_ever)
        await happenings.backups.save_at("before")
        await happenings.move()
        await happenings.backups.save_at("after")
        if scene.setting.old_move:
            await scene.until_landed()
            await scene.bed.pass_time(120)
        async with anyio.create_task_group() as middle:
            middle.start_soon(happenings.happen)
            if scene.kind == KILLED_MIGRATOR:
                await migrator.run_until_killed()
            await migrator.migrate()
        await migrator.migrate()  # what happened after the last trim may call for another
        await scene.until_landed()
        tasks.cancel_scope.cancel()
    await judge.end()


def _count(scene: Scene) -> None:
    tally, late = scene.tally, scene.late
    tally.rounds += 1
    tally.kinds[scene.kind] += 1
    tally.settings.update(scene.setting.words)
    tally.writes += sum(w.writes for w in scene.writers) + (late.landed if late else 0)
    tally.late += late.landed if late else 0
    tally.overdue += late.overdue if late else 0
    tally.denials += scene.denials.count if scene.denials else 0
    tally.requests += scene.proxy.requests
    tally.faults += scene.proxy.injected
