"""What happens once in the middle of a round, beside the proxy's faults, the writers and what was drawn for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from tests.bed.bed import RealBed
from tests.chaos.judge import Judge
from tests.chaos.restores import RESTORED, RESTORED_UNDER_TRIM, Backups
from tests.chaos.scene import CONVERSION_MISSING, Scene
from tests.chaos.stamps import forge_move
from tests.chaos.writers import paused

KILLED_MIGRATOR = "killed migrator"
_SEEN = 2.0  # seconds after a change of the CRD in which the migrator must have noticed it


class Happenings:
    """What may happen in one round; `tasks` outlast it."""

    def __init__(self, scene: Scene, judge: Judge, tasks: TaskGroup) -> None:
        self._scene = scene
        self._bed = scene.bed
        self._judge = judge
        self._tasks = tasks
        self.backups = Backups(scene)

    async def happen(self) -> None:
        scene = self._scene
        found: dict[str, Callable[[], Awaitable[None]]] = {
            "storage moved there and back": self._move_there_and_back,
            "short name added": self._add_short_name,
            "version added": self._add_version,
            "old version unserved": self._unserve_for_a_while,
            CONVERSION_MISSING: self._lose_conversion_for_a_while,
            "time of the move forgotten": lambda: forge_move(self._bed, scene.name, None),
            "time of the move in 2099": lambda: forge_move(self._bed, scene.name, "2099-01-01T00:00:00Z"),
            RESTORED: self._restore,
            "tokens expired": self._expire_tokens,
            "killed API server": self._kill_api_server,
            "paused etcd": self._pause_etcd,
        }
        under_trim = {
            "storage moved under the trim": self._move_there_and_back,
            RESTORED_UNDER_TRIM: self.backups.restore,
        }
        self._judge.under_trim = under_trim.get(scene.kind)
        if (happens := found.get(scene.kind)) is not None:
            longest = scene.settle + (1.5 if scene.is_real else 0.2)
            await anyio.sleep(scene.draw.random() * longest)
            with anyio.CancelScope(shield=True):
                await happens()

    # Storage

    async def move(self) -> None:
        """Storage moves to v2, under late writes if there are any."""
        scene = self._scene
        if scene.late:
            await scene.late.begin(self._tasks)
            scene.late.storage_moves()
        await self._bed.apply_crd(scene.after, settled=False)

    async def _move_there_and_back(self) -> None:
        await self._scene.until_landed()
        await self._bed.apply_crd(self._scene.before, settled=False)
        await anyio.sleep(0.05)  # for others to write in the other version
        await self.move()

    # Changes of the CRD that leave storage where it is

    async def _add_short_name(self) -> None:
        changed = self._scene.manifest("v2")
        changed["spec"]["names"]["shortNames"] = [f"c{self._scene.seed}"]
        await self._bed.apply_crd(changed, settled=False)

    async def _add_version(self) -> None:
        await self._bed.apply_crd(self._scene.manifest("v2", "v1", "v2", "v3"), settled=False)

    async def _unserve_for_a_while(self) -> None:
        scene = self._scene
        await scene.until_landed()
        async with paused(scene.writers):
            for writer in scene.writers:
                writer.versions = ("v2",)
        await self._bed.apply_crd(scene.manifest("v2", unserved=("v1",)), settled=False)
        await anyio.sleep(scene.draw.uniform(0, 1))
        await self._bed.apply_crd(scene.after, settled=False)

    async def _lose_conversion_for_a_while(self) -> None:
        """What the run writes later than two seconds after the change would be unconverted by its own fault."""
        scene = self._scene
        await scene.until_landed()
        await self._until_some_are_rewritten()
        scene.may_run = anyio.Event()
        async with paused(scene.writers):
            await self._bed.apply_crd(scene.manifest("v2", converts=False), settled=False)
            seconds = scene.draw.choice((0.5, _SEEN + 1))
            await anyio.sleep(min(seconds, _SEEN))
            scene.unconverted = await self._unconverted()
            if seconds > _SEEN:
                await anyio.sleep(seconds - _SEEN)
                if late := await self._unconverted() - scene.unconverted:
                    scene.lost(f"{len(late)} objects were written unconverted more than {_SEEN:g} s after the change")
            await self._bed.apply_crd(scene.after, settled=False)
            if scene.is_real:
                await anyio.sleep(0.3)  # it takes the change up a little later
            scene.unconverted |= await self._unconverted()
        scene.may_run.set()

    async def _unconverted(self) -> set[str]:
        stored = await self._scene.stored()
        return {name for name, o in stored.items() if o["apiVersion"].endswith("/v2") and "size" in o["spec"]}

    # The store and the server

    async def _restore(self) -> None:
        await self._until_some_are_rewritten()
        await self.backups.save_at("middle")
        if self.backups.moment == "middle":
            await anyio.sleep(self._scene.draw.uniform(0.02, 0.2))
        await self.backups.restore()

    async def _until_some_are_rewritten(self) -> None:
        scene = self._scene
        wanted = scene.draw.randrange(3, len(scene.objects))
        with anyio.move_on_after(15 if scene.is_real else 3):
            while await scene.count_stored(in_v2=True) < wanted:
                await anyio.sleep(0.05 if scene.is_real else 0.01)

    async def _expire_tokens(self) -> None:
        self._bed.forget_old_revisions()

    async def _kill_api_server(self) -> None:
        if isinstance(self._bed, RealBed):
            server = self._bed.server
            server.apiserver.kill()
            server.apiserver.start_again()
            await anyio.to_thread.run_sync(lambda: server.apiserver.wait_until(server.is_ready))

    async def _pause_etcd(self) -> None:
        if isinstance(self._bed, RealBed):
            self._bed.server.store.pause()
            await anyio.sleep(2)
            self._bed.server.store.go_on()


_EVERYWHERE = (
    KILLED_MIGRATOR,
    "storage moved there and back",
    RESTORED,
    "short name added",
    CONVERSION_MISSING,
    "storage moved under the trim",
    "time of the move forgotten",
    "old version unserved",
    "version added",
    "time of the move in 2099",
)
EMBEDDED_KINDS = (*_EVERYWHERE, "nothing", "tokens expired", RESTORED_UNDER_TRIM)
REAL_KINDS = (*_EVERYWHERE, "killed API server", "paused etcd")
# Rounds that other rounds on the same server would suffer from.
ALONE = frozenset({KILLED_MIGRATOR, RESTORED, "killed API server", "paused etcd"})


def kind_of(seed: int, *, real: bool) -> str:
    """The kinds take turns."""
    kinds = REAL_KINDS if real else EMBEDDED_KINDS
    return kinds[seed % len(kinds)]
