"""The embedded server in a process of its own, so that its CPU is not the client's."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
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
    """A server that is up, with `objects` stale objects of one CRD."""

    url: str
    kubeconfig: Path
    pipe: Any

    def make_stale(self) -> None:
        """Move storage to the other version: every object is stale again."""
        self.pipe.send("move")
        self.pipe.recv()


def crd(storage: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [{"name": v, "served": True, "storage": v == storage, "schema": schema} for v in ("v1", "v2")],
        },
    }


@contextmanager
def embedded(objects: int) -> Iterator[Scene]:
    """Start the server with a stale CRD; it ends with the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, objects), daemon=True)
    process.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            url, text = ours.recv()
            kubeconfig = Path(folder) / "kubeconfig"
            kubeconfig.write_bytes(text)
            yield Scene(url, kubeconfig, ours)
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, objects: int) -> None:
    async def main() -> None:
        async with ApiServer() as server:
            server.apply_crd(crd("v1"))
            for number in range(objects):
                server.create(
                    {
                        "apiVersion": f"{GROUP}/v1",
                        "kind": "Widget",
                        "metadata": {"name": f"w-{number:06d}"},
                        "spec": FILLER,
                    }
                )
            storage = "v1"
            pipe.send((server.url, msgspec.json.encode(server.kubeconfig())))
            while True:
                await anyio.to_thread.run_sync(pipe.recv)
                storage = "v2" if storage == "v1" else "v1"
                server.apply_crd(crd(storage))
                server.requests.clear()
                pipe.send("moved")

    anyio.run(main)
