"""The stored bytes judge: each trim while it is on its way, and all objects in the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.bed.scenes import Manifest
from tests.chaos.scene import Scene


class Judge:
    """Judges one round."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.under_trim: Callable[[], Awaitable[None]] | None = None  # what is to happen under the next trim

    async def trim(self) -> Callable[[], None]:
        """Called with a trim on its way; what it returns is called once the server has taken it."""
        if self.under_trim is not None:
            happens, self.under_trim = self.under_trim, None
            await happens()
        # Where storage moved and others wrote while the trim was on its way, the server refuses it, and all is well.
        old = await self._scene.count_stored(in_v2=False)

        def taken() -> None:
            if old:
                self._scene.lost(f"a trim while {old} objects were stored in v1")

        return taken

    async def end(self) -> None:
        scene = self._scene
        stored = await scene.stored()
        scene.tally.objects += len(stored)
        if (versions := await scene.bed.stored_versions(scene.name)) != ["v2"]:
            scene.lost(f"storedVersions is {versions}")
        sizes = {name: self._size(name, o["spec"]) for name, o in stored.items()}
        old = [name for name, o in stored.items() if not o["apiVersion"].endswith("/v2")]
        expected = scene.expected
        wrong = [
            f"{name} has {sizes.get(name)} where {expected.get(name)} was written"
            for name in sorted(sizes.keys() | expected.keys())
            if sizes.get(name) != expected.get(name)
        ]
        if bare := [name for name, o in stored.items() if not o["metadata"].get("managedFields")]:
            scene.lost(f"{len(bare)} objects have lost all their owners: {_some(sorted(bare))}")
        if old:
            scene.lost(f"{len(old)} objects are stored in v1: {_some(sorted(old))}")
        if wrong:
            scene.lost(f"{len(wrong)} objects are not as written: {_some(wrong)}")

    def _size(self, name: str, spec: Manifest) -> int | None:
        if self._scene.conversion is None:
            return spec.get("size")
        found: int | None = spec.get("replicas")
        if found is None and name in self._scene.unconverted:
            found = spec.get("size")
        return found


def _some(items: list[str]) -> str:
    return ", ".join(items[:3]) + (" ..." if items[3:] else "")
