"""Backups of the store, and its restores in the middle of a run: what others are told is done rolls back with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from tests.bed.bed import MERGE, EmbeddedBed
from tests.chaos.scene import Scene
from tests.chaos.writers import paused

RESTORED = "restored"
RESTORED_UNDER_TRIM = "restored under the trim"


class Backups:
    """One backup and its restore. When it is made is drawn: before storage moves, after it, or in the middle."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        # A backup of a real server takes ten seconds, after which no run would be in its middle any more.
        moments = ("before", "after", "middle") if scene.kind == RESTORED and not scene.is_real else ("before", "after")
        self.moment = scene.draw.choice(moments) if scene.kind in {RESTORED, RESTORED_UNDER_TRIM} else ""
        self._saved: Any = None
        self._go_back: Callable[[], None] = lambda: None

    async def save_at(self, moment: str) -> None:
        if moment != self.moment:
            return
        scene = self._scene
        await scene.until_landed()
        async with paused(scene.writers):
            self._saved = await scene.bed.save()
            self._go_back = scene.keep_expected()

    async def restore(self) -> None:
        """Put the backup back, and where it is older than the move, move storage again, as an operator would."""
        scene = self._scene
        await scene.until_landed()
        async with paused(scene.writers):
            with scene.proxy.outage():
                await scene.bed.restore(self._saved)
                self._go_back()
                await self._grow()
                if isinstance(scene.bed, EmbeddedBed):
                    await anyio.sleep(scene.draw.uniform(0.1, 0.3))  # in which whatever is sent meets the outage
                    await scene.bed.pass_time(scene.draw.uniform(2, 5))  # that it takes on a real one
            if self.moment == "before":
                await scene.bed.apply_crd(scene.after, settled=False)

    async def _grow(self) -> None:
        """Others write, maybe more than the backup lost, so that resource versions alone tell nothing."""
        bed = self._scene.bed
        for number in range(self._scene.draw.choice((0, 20, 300))):
            patch = {"metadata": {"annotations": {"touched": str(number)}}}
            (await bed.http.patch("/api/v1/namespaces/default", json=patch, headers=MERGE)).raise_for_status()
