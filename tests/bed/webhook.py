"""A conversion webhook: a TLS server of the test's own on loopback, which the API server calls."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trustme
from aiohttp import web

from tests.bed.scenes import Manifest


class Webhook:
    """Renames `spec.size` (old versions) to `spec.replicas` (v2) and back; can be told to fail."""

    def __init__(self) -> None:
        self.calls = 0
        self.down = False  # every call ends in a closed connection
        self.refused: set[str] = set()  # the names of objects that it refuses to convert
        self.url = ""
        self.ca = b""

    @property
    def conversion(self) -> Manifest:
        """A CRD's `spec.conversion`."""
        client = {"url": self.url, "caBundle": base64.b64encode(self.ca).decode()}
        return {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.calls += 1
        if self.down:
            if request.transport:
                request.transport.abort()
            raise ConnectionResetError
        review = await request.json()
        asked = review["request"]
        response: dict[str, Any] = {"uid": asked["uid"], "result": {"status": "Success"}}
        if refused := [n for o in asked["objects"] if (n := o["metadata"]["name"]) in self.refused]:
            response["result"] = {"status": "Failed", "message": f"{refused[0]} has no size"}
        else:
            response["convertedObjects"] = [convert(o, asked["desiredAPIVersion"]) for o in asked["objects"]]
        return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})


def convert(obj: Manifest, wanted: str) -> Manifest:
    spec = dict(obj.get("spec", {}))
    old, new = ("size", "replicas") if wanted.endswith("/v2") else ("replicas", "size")
    if old in spec:
        spec[new] = spec.pop(old)
    return obj | {"apiVersion": wanted, "spec": spec}


@asynccontextmanager
async def open_webhook() -> AsyncIterator[Webhook]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    hook = Webhook()
    hook.ca = authority.cert_pem.bytes()
    server = web.Server(hook.serve, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    hook.url = f"https://127.0.0.1:{runner.addresses[0][1]}/convert"
    try:
        yield hook
    finally:
        # Closing TLS politely waits for the other side, which may outlast the event loop.
        for connection in server.connections:
            if connection.transport:
                connection.transport.abort()
        await runner.cleanup()
