"""A conversion webhook: a TLS server of the test's own on loopback, which the API server calls."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import trustme
from aiohttp import web

from tests.bed.scenes import Manifest

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Webhook:
    """Renames `spec.size` (old versions) to `spec.replicas` (v2) and back; can be told to fail."""

    def __init__(self) -> None:
        self.calls = 0
        self.down = False  # every call ends in a closed connection
        self.refused: set[str] = set()  # the names of objects that it refuses to convert
        self.client_config: Manifest = {}

    @property
    def url(self) -> str:
        return str(self.client_config["url"])

    @property
    def conversion(self) -> Manifest:
        """A CRD's `spec.conversion`."""
        return {
            "strategy": "Webhook",
            "webhook": {"clientConfig": self.client_config, "conversionReviewVersions": ["v1"]},
        }

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.calls += 1
        if self.down:
            hang_up(request)
        review = await request.json()
        asked = review["request"]
        response: dict[str, Any] = {"uid": asked["uid"], "result": {"status": "Success"}}
        if refused := [n for o in asked["objects"] if (n := o["metadata"]["name"]) in self.refused]:
            response["result"] = {"status": "Failed", "message": f"{refused[0]} has no size"}
        else:
            response["convertedObjects"] = [convert(o, asked["desiredAPIVersion"]) for o in asked["objects"]]
        return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})


_LOOKS = 3  # for connections whose handshake was under way when the site was stopped


def convert(obj: Manifest, wanted: str) -> Manifest:
    spec = dict(obj.get("spec", {}))
    old, new = ("size", "replicas") if wanted.endswith("/v2") else ("replicas", "size")
    if old in spec:
        spec[new] = spec.pop(old)
    return obj | {"apiVersion": wanted, "spec": spec}


def hang_up(request: web.BaseRequest) -> None:
    """Close the connection unanswered."""
    if request.transport:
        request.transport.abort()
    raise ConnectionResetError


@asynccontextmanager
async def open_webhook() -> AsyncIterator[Webhook]:
    hook = Webhook()
    async with serve_tls(hook.serve, "/convert") as hook.client_config:
        yield hook


@asynccontextmanager
async def serve_tls(handler: Handler, path: str) -> AsyncIterator[Manifest]:
    """Serve on loopback under a certificate of its own; yields the `clientConfig` with which an API server calls it."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = web.Server(handler, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}{path}"
    try:
        yield {"url": url, "caBundle": base64.b64encode(authority.cert_pem.bytes()).decode()}
    finally:
        for site in list(runner.sites):
            await site.stop()
        # Closing TLS politely waits for the other side, which may outlast the event loop; so may a handshake.
        for _ in range(_LOOKS):
            for connection in server.connections:
                if connection.transport:
                    connection.transport.abort()
            await anyio.sleep(0.01)
        await runner.cleanup()
