"""Other people's controllers: they create, change and delete objects all the while, and know what must be there."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import httpx

from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest, obj

_MOST_OBJECTS = 15  # of one writer: a round is about what is written while a run is at work, not about ever more of it
_SEND_SECONDS = 60
# In any order of the clocks: no write can have such a time.
_FORGED = ("2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z")


class Content:
    """The bodies that writers send. Where a webhook converts, `spec.size` is `spec.replicas` in v2."""

    def __init__(self, crd: Manifest, *, converts: bool) -> None:
        self.crd = crd
        self.converts = converts

    def spec(self, version: str, size: int) -> Manifest:
        return {"replicas" if self.converts and version == "v2" else "size": size, "mark": "x"}

    def obj(self, version: str, name: str, size: int, metadata: Manifest | None = None) -> Manifest:
        return obj(self.crd, version, name, spec=self.spec(version, size), metadata=metadata or {})

    def forged(self, version: str, time: str) -> Manifest:
        """Metadata with an entry of somebody who says that he wrote `spec.mark` at a time of his own choice."""
        entry = {
            "manager": "liar",
            "operation": "Update",
            "apiVersion": f"{self.crd['spec']['group']}/{version}",
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:mark": {}}},
        }
        return {"managedFields": [entry]}


class Writer:
    """Owns some objects, through whichever version; what it was told is done, it expects to find."""

    def __init__(self, bed: Bed, content: Content, number: int, draw: random.Random, *, forges: bool) -> None:
        self._bed = bed
        self._content = content
        self._prefix = f"writer-{number}"
        self._draw = draw
        self._forges = forges
        self._next = 0
        self.lock = anyio.Lock()  # held for each write
        self.versions: tuple[str, ...] = ("v1", "v2")
        self.expected: dict[str, int] = {}  # name to size
        self.writes = 0

    async def write_for_ever(self) -> None:
        while True:
            async with self.lock:
                await self._write_once()
            await anyio.sleep(self._draw.random() * 0.1)

    async def _write_once(self) -> None:
        self.writes += 1
        what = self._draw.random()
        names = list(self.expected)
        # A write that has begun is ended, or nobody would know what to expect.
        with anyio.CancelScope(shield=True):
            if (what < 0.3 and len(names) < _MOST_OBJECTS) or not names:
                await self._create()
            elif what < 0.85:
                await self._change(self._draw.choice(names))
            else:
                await self._delete(self._draw.choice(names))

    def _path(self, version: str, name: str = "") -> str:
        return self._bed.path(self._content.crd, version, name=name)

    def _metadata(self, version: str) -> Manifest:
        if not self._forges or self._draw.random() < 0.5:
            return {}
        return self._content.forged(version, self._draw.choice(_FORGED))

    async def _create(self) -> None:
        name, size = f"{self._prefix}-{self._next}", self._draw.randrange(1000)
        self._next += 1
        version = self._draw.choice(self.versions)
        body = self._content.obj(version, name, size, self._metadata(version))
        await send_until(lambda: self._bed.http.post(self._path(version), json=body), {201, 409})
        self.expected[name] = size

    async def _change(self, name: str) -> None:
        size = self._draw.randrange(1000)
        version = self._draw.choice(self.versions)
        patch = {"spec": self._content.spec(version, size), "metadata": self._metadata(version)}
        path = self._path(version, name)
        await send_until(lambda: self._bed.http.patch(path, json=patch, headers=MERGE), {200})
        self.expected[name] = size

    async def _delete(self, name: str) -> None:
        path = self._path(self._draw.choice(self.versions), name)
        await send_until(lambda: self._bed.http.delete(path), {200, 404})
        del self.expected[name]


@asynccontextmanager
async def paused(writers: Iterable[Writer]) -> AsyncIterator[None]:
    """None of them writes inside, and what they had begun is done."""
    async with AsyncExitStack() as locks:
        for writer in writers:
            await locks.enter_async_context(writer.lock)
        yield


async def send_until(send: Callable[[], Awaitable[httpx.Response]], wanted: set[int]) -> None:
    """Send the same again until it is known to be done; each of these writes may be done twice."""
    last = "no answer"
    with anyio.move_on_after(_SEND_SECONDS):
        while True:
            try:
                answer = await send()
            except httpx.TransportError as error:
                last = repr(error)
            else:
                last = f"{answer.status_code} {answer.text}"
                if answer.status_code in wanted:
                    return
                assert answer.status_code in {409, 429, 500, 503, 504}, last
            await anyio.sleep(0.1)
    raise AssertionError(f"a write by others was not done within {_SEND_SECONDS} s: {last}")
