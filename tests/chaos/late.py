"""Writes that begin before a move of storage and land after it, in the old version."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import httpx
import msgspec
from anyio.abc import TaskGroup

from tests.bed.admission import AdmissionWebhook, Answer
from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest
from tests.chaos.writers import Content, send_until

_EACH = 4  # writes, before each move


class LateWrites:
    """Creates and changes that an admission webhook holds, or whose bodies trickle in."""

    def __init__(
        self,
        bed: Bed,
        content: Content,
        webhook: AdmissionWebhook | None,
        draw: random.Random,
        *,
        names: list[str],
        longest: float,
        settle: float,
    ) -> None:
        self._bed = bed
        self._content = content
        self._webhook = webhook
        self._draw = draw
        self._names = names  # of objects that nobody else writes, each for one change
        self._longest = longest
        self._settle = settle
        self._made = 0
        self._pending = 0
        self._moved: float | None = None
        self.expected: dict[str, int] = {}
        self.landed = 0
        self.overdue = 0

    async def begin(self, tasks: TaskGroup) -> None:
        """Begin some; when this returns the server has begun with each of them."""
        self._moved = None
        for _ in range(_EACH):
            begun = anyio.Event()
            self._pending += 1
            tasks.start_soon(self._write, begun)
            await begun.wait()
        await anyio.sleep(0.02)  # a body's first half is sent before the server has begun with it

    def storage_moves(self) -> None:
        """Storage moves now, or a little later."""
        self._moved = anyio.current_time()

    async def until_landed(self) -> None:
        with anyio.fail_after(60):
            while self._pending:
                await anyio.sleep(0.02)

    async def _write(self, begun: anyio.Event) -> None:
        # Whatever becomes of the round, it is known in the end what was written.
        with anyio.CancelScope(shield=True):
            try:
                await (self._change if self._names and self._draw.random() < 0.6 else self._create)(begun)
            finally:
                begun.set()
                self._pending -= 1

    async def _create(self, begun: anyio.Event) -> None:
        self._made += 1
        name = f"late-{self._made}"
        version, size = self._draw.choice(("v1", "v2")), self._draw.randrange(1000, 2000)
        body = self._content.obj(version, name, size)
        json_type = {"Content-Type": "application/json"}
        await self._send(_Request("POST", self._path(version), _bytes(body), json_type), name, begun)
        self.expected[name] = size

    async def _change(self, begun: anyio.Event) -> None:
        name = self._names.pop()
        version, size = self._draw.choice(("v1", "v2")), self._draw.randrange(1000, 2000)
        body = {"spec": self._content.spec(version, size)}
        await self._send(_Request("PATCH", self._path(version, name), _bytes(body), MERGE), name, begun)
        self.expected[name] = size

    def _path(self, version: str, name: str = "") -> str:
        return self._bed.path(self._content.crd, version, name=name)

    async def _send(self, request: _Request, name: str, begun: anyio.Event) -> None:
        """Send it slowly; what fails because the server was killed or is short of something is sent again at once."""
        held = self._longest * self._draw.uniform(0.6, 1)
        http = self._bed.http
        if self._webhook is not None and self._draw.random() < 0.6:
            answer = await _held_in_admission(http, request, self._webhook.answer(name, seconds=held, times=1), begun)
        else:
            answer = await _trickled(http, request, held, begun)
        if answer is None or not answer.is_success:
            await request.send_until_done(http)
            return
        self.landed += 1
        if self._moved is not None and anyio.current_time() - self._moved > self._settle:
            self.overdue += 1


class _Request(msgspec.Struct, frozen=True):
    method: str
    path: str
    body: bytes
    headers: dict[str, str]

    async def send(self, http: httpx.AsyncClient, content: bytes | AsyncIterator[bytes]) -> httpx.Response | None:
        """Send it; None where no answer came."""
        headers = self.headers | {"Content-Length": str(len(self.body))}
        with suppress(httpx.TransportError):
            return await http.request(self.method, self.path, content=content, headers=headers)
        return None

    async def send_until_done(self, http: httpx.AsyncClient) -> None:
        headers = self.headers
        await send_until(
            lambda: http.request(self.method, self.path, content=self.body, headers=headers), {200, 201, 409}
        )


async def _held_in_admission(
    http: httpx.AsyncClient, request: _Request, ordered: Answer, begun: anyio.Event
) -> httpx.Response | None:
    async def tell() -> None:
        with anyio.move_on_after(ordered.seconds):
            await ordered.arrived.wait()
        begun.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        return await request.send(http, request.body)
    return None


async def _trickled(
    http: httpx.AsyncClient, request: _Request, held: float, begun: anyio.Event
) -> httpx.Response | None:
    async def trickle() -> AsyncIterator[bytes]:
        yield request.body[:10]
        begun.set()
        await anyio.sleep(held)
        yield request.body[10:]

    return await request.send(http, trickle())


def _bytes(body: Manifest) -> bytes:
    return json.dumps(body).encode()
