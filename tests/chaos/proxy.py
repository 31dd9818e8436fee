"""A proxy on loopback that delays, cuts, truncates and refuses at random, and has each trim judged."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

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
)
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
        fault = self._draw.choice(FAULTS) if self._draw.random() < self.share else ""
        self.injected[fault] += bool(fault)
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
        return await self._pass_on(request, fault)

    async def _pass_on(self, request: web.BaseRequest, fault: str) -> web.StreamResponse:
        trim = request.method == "PATCH" and "customresourcedefinitions" in request.path
        trimmed = await self.judge() if trim else None
        body = await request.read()
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
        kept = {k: v for k, v in answer.headers.items() if k in {"Content-Type", "Retry-After", "Date"}}
        return web.Response(status=answer.status, body=data, headers=kept)


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
