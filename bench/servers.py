"""The embedded server in a process of its own, so that its CPU and memory are not the client's."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
import msgspec

from asyncmigrate.testing import ApiServer

GROUP = "bench.example.com"
FILLER = {f"field{n}": "x" * 40 for n in range(40)}  # some 2 KB an object


class Scene(msgspec.Struct, frozen=True):
    """A server that is up."""

    url: str
    kubeconfig: Path
    pipe: Any

    def do(self, what: Callable[..., None], *args: object) -> None:
        """Have `what(server, *args)` done in the server's process; it must be a module's own function."""
        self.pipe.send((what, args))
        self.pipe.recv()


def crd(storage: str, plural: str = "widgets") -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": plural, "kind": plural.capitalize()},
            "scope": "Namespaced",
            "versions": [{"name": v, "served": True, "storage": v == storage, "schema": schema} for v in ("v1", "v2")],
        },
    }


def add_objects(server: ApiServer, plural: str, objects: int, spec: dict[str, Any]) -> None:
    """A CRD with objects, stored in v1."""
    server.apply_crd(crd("v1", plural))
    for number in range(objects):
        body = {"apiVersion": f"{GROUP}/v1", "kind": plural.capitalize(), "metadata": {"name": f"w-{number:06d}"}}
        server.create(body | {"spec": spec})


def move_storage(server: ApiServer) -> None:
    """Move every CRD's storage to the other version: every object is stale again."""
    for live in server.crds():
        now = next(v["name"] for v in live["spec"]["versions"] if v["storage"])
        server.apply_crd(crd("v1" if now == "v2" else "v2", live["spec"]["names"]["plural"]))
    server.requests.clear()
    server.advance(3600)


@contextmanager
def embedded() -> Iterator[Scene]:
    """Start an empty server; it ends with the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that a server which cannot start ends the wait for its address
    try:
        with tempfile.TemporaryDirectory() as folder:
            url, text = ours.recv()
            kubeconfig = Path(folder) / "kubeconfig"
            kubeconfig.write_bytes(text)
            yield Scene(url, kubeconfig, ours)
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection) -> None:
    async def main() -> None:
        async with ApiServer() as server:
            pipe.send((server.url, msgspec.json.encode(server.kubeconfig())))
            while True:
                what, args = await anyio.to_thread.run_sync(pipe.recv)
                what(server, *args)
                pipe.send("done")

    anyio.run(main)
