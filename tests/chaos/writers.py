"""Other people's controllers: they create, change and delete objects all the while, and know what must be there."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import anyio
import httpx

from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest, obj


class Writer:
    """Owns some objects, through whichever version; what it was told is done, it expects to find."""

    def __init__(self, bed: Bed, crd: Manifest, number: int, draw: random.Random) -> None:
        self._bed = bed
        self._crd = crd
        self._prefix = f"writer-{number}"
        self._draw = draw
        self._next = 0
        self.expected: dict[str, int] = {}  # name to spec.size
        self.writes = 0

    async def write_for_ever(self) -> None:
        while True:
            await self._write_once()
            await anyio.sleep(self._draw.random() * 0.03)

    async def _write_once(self) -> None:
        self.writes += 1
        what = self._draw.random()
        names = list(self.expected)
        # A write that has begun is ended, or nobody would know what to expect.
        with anyio.CancelScope(shield=True):
            if what < 0.3 or not names:
                await self._create()
            elif what < 0.85:
                await self._change(self._draw.choice(names))
            else:
                await self._delete(self._draw.choice(names))

    def _path(self, name: str = "") -> str:
        return self._bed.path(self._crd, self._draw.choice(("v1", "v2")), name=name)

    async def _create(self) -> None:
        name, size = f"{self._prefix}-{self._next}", self._draw.randrange(1000)
        self._next += 1
        version = self._draw.choice(("v1", "v2"))
        body = obj(self._crd, version, name, spec={"size": size})
        await _until(lambda: self._bed.http.post(self._bed.path(self._crd, version), json=body), {201, 409})
        self.expected[name] = size

    async def _change(self, name: str) -> None:
        size = self._draw.randrange(1000)
        path = self._path(name)
        await _until(lambda: self._bed.http.patch(path, json={"spec": {"size": size}}, headers=MERGE), {200})
        self.expected[name] = size

    async def _delete(self, name: str) -> None:
        path = self._path(name)
        await _until(lambda: self._bed.http.delete(path), {200, 404})
        del self.expected[name]


async def _until(send: Callable[[], Awaitable[httpx.Response]], wanted: set[int]) -> None:
    """Send the same again until it is known to be done; each of these writes may be done twice."""
    with anyio.fail_after(60):
        while True:
            try:
                answer = await send()
            except httpx.TransportError:
                await anyio.sleep(0.1)
                continue
            if answer.status_code in wanted:
                return
            assert answer.status_code in {409, 429, 500, 503, 504}, answer.text
            await anyio.sleep(0.1)
