"""A proxy on loopback that delays, cuts, truncates and refuses at random, and has each trim judged."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

_NOT_FOUND = "404 for an object"
FAULTS = (
    "delay",
    "cut before",
    "cut after",
    "truncate",
    "429 in plain text",
    "429 with Retry-After",
    "500",
    "503",
    "504 in HTML",
    "200 in HTML",
    _NOT_FOUND,
)
# In a round; then the network is well again. A false 404 fails its object, and after what may be an outage all is
# listed anew, as it should: with no end of them a round ends late, and on a busy machine, where the writers get
# further ahead meanwhile, never.
_MOST_FAULTS = 150
_MOST_NOT_FOUND = 20
_KEPT = {"Authorization", "Content-Type", "Accept", "User-Agent"}


# Awaited before a trim is let by; what it gives is called once the server has taken the trim.
Judge = Callable[[], Awaitable[Callable[[], None]]]


async def _no_judge() -> Callable[[], None]:
    return lambda: None


class Proxy:
    """Stands between the migrator and one API server."""

    def __init__(self, session: aiohttp.ClientSession, server: str, draw: random.Random) -> None:
        self._session = session
        self._server = server
        self._draw = draw
        self.share = 0.0  # of requests that meet a fault
        self.injected: Counter[str] = Counter()
        self.requests = 0
        self.judge: Judge = _no_judge
        self.url = ""
        self.shift: Callable[[], float] = lambda: 0.0  # seconds by which an answer's Date is moved
        self._lives = 0  # that the server has had, each ended by an outage
        self._away = False

    @contextmanager
    def outage(self) -> Iterator[None]:
        """The server is away inside: whatever is under way or comes meanwhile gets no answer, nor is it sent later."""
        self._away = True
        self._lives += 1
        try:
            yield
        finally:
            self._away = False

    def write_kubeconfig(self, path: Path) -> Path:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "chaos",
            "clusters": [{"name": "chaos", "cluster": {"server": self.url}}],
            "users": [{"name": "user", "user": {"token": "admin-token"}}],
            "contexts": [{"name": "chaos", "context": {"cluster": "chaos", "user": "user"}}],
        }
        path.write_text(json.dumps(config))
        return path

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        life = self._lives
        if self._away:
            return _cut(request)
        fault = self._choose_fault(request)
        match fault:
            case "delay":
                await asyncio.sleep(self._draw.random() * 0.2)
            case "cut before":
                return _cut(request)
            case "429 in plain text":
                return web.Response(status=429, text="Too many requests, please try again later.\n")
            case "429 with Retry-After":
                return web.Response(status=429, text="Too many requests.\n", headers={"Retry-After": "1"})
            case "500" | "503":
                return web.Response(status=int(fault), text="an ordered fault")
            case "504 in HTML":
                return web.Response(status=504, text="<html><h1>504 Gateway Time-out</h1></html>")
            case "200 in HTML":
                return web.Response(text="<html><body>Please log in</body></html>", content_type="text/html")
            case "404 for an object":
                return _not_found(request)
        return await self._pass_on(request, fault, life)

    def _choose_fault(self, request: web.BaseRequest) -> str:
        fault = self._draw.choice(FAULTS) if self._draw.random() < self.share else ""
        if self.injected.total() >= _MOST_FAULTS:
            fault = ""
        if fault == _NOT_FOUND and not self._may_be_not_found(request):
            fault = ""
        self.injected[fault] += bool(fault)
        return fault

    def _may_be_not_found(self, request: web.BaseRequest) -> bool:
        patches_object = request.method == "PATCH" and not _is_of_crd(request)
        return patches_object and self.injected[_NOT_FOUND] < _MOST_NOT_FOUND

    async def _pass_on(self, request: web.BaseRequest, fault: str, life: int) -> web.StreamResponse:
        trim = request.method == "PATCH" and _is_of_crd(request)
        trimmed = await self.judge() if trim else None
        body = await request.read()
        if life != self._lives:
            return _cut(request)
        headers = {k: v for k, v in request.headers.items() if k in _KEPT}
        try:
            async with self._session.request(
                request.method, URL(self._server + request.path_qs, encoded=True), data=body or None, headers=headers
            ) as answer:
                data = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return _cut(request)
        if trimmed and answer.ok:
            trimmed()
        if fault == "cut after":
            return _cut(request)
        if fault == "truncate" and data:
            return await _truncated(request, answer.status, data)
        kept = {k: v for k, v in answer.headers.items() if k in {"Content-Type", "Retry-After"}}
        kept["Date"] = _shifted(answer.headers["Date"], self.shift())
        return web.Response(status=answer.status, body=data, headers=kept)


def _is_of_crd(request: web.BaseRequest) -> bool:
    return "customresourcedefinitions" in request.path


def _not_found(request: web.BaseRequest) -> web.StreamResponse:
    """Say of an object that is there that it is not, as whatever stands in the way of a write may."""
    _, _, group, _, _, _, plural, name = request.path.split("/")
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f'{plural}.{group} "{name}" not found',
        "reason": "NotFound",
        "details": {"name": name, "group": group, "kind": plural},
        "code": 404,
    }
    return web.json_response(status, status=404)


def _shifted(date: str, seconds: float) -> str:
    return format_datetime(parsedate_to_datetime(date) + timedelta(seconds=seconds), usegmt=True)


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response(status=502)


async def _truncated(request: web.BaseRequest, status: int, data: bytes) -> web.StreamResponse:
    """Promise it all, send half, and hang up."""
    response = web.StreamResponse(status=status, headers={"Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    return _cut(request)


@asynccontextmanager
async def open_proxy(server: str, trust: ssl.SSLContext | None, draw: random.Random) -> AsyncIterator[Proxy]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust or True, limit=0), timeout=aiohttp.ClientTimeout(total=60)
    ) as session:
        proxy = Proxy(session, server, draw)
        runner = web.ServerRunner(web.Server(proxy.serve, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            await runner.cleanup()
