"""Several embedded servers at once, each with a stale CRD, and a kubeconfig that names them all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from asyncmigrate import Cluster
from asyncmigrate.testing import ApiServer
from tests.bed.scenes import Manifest, crd, obj

CRD = "widgets.example.com"


def make_stale(server: ApiServer, objects: int = 3, plural: str = "widgets") -> None:
    """One stale CRD, moved an hour ago."""
    before = crd("example.com", "v1", "v1", "v2", plural=plural)
    server.apply_crd(before)
    for number in range(objects):
        server.create(obj(before, "v1", f"w-{number}"))
    server.apply_crd(crd("example.com", "v2", "v1", "v2", plural=plural))
    server.advance(3600)


def block(server: ApiServer) -> None:
    """Have the CRD's storage version lack a field that its objects may have."""
    wide, narrow = ({"type": "object", "properties": {"spec": {"type": "object", "properties": p}}} for p in _FIELDS)
    schemas: dict[str, Manifest] = {"v1": wide, "v2": narrow}
    server.apply_crd(crd("example.com", "v2", "v1", "v2", schemas=schemas))
    server.advance(3600)


_FIELDS: tuple[Any, Any] = ({"size": {"type": "integer"}, "old": {"type": "string"}}, {"size": {"type": "integer"}})


def versions(server: ApiServer) -> set[str]:
    """The versions that the stored objects are in."""
    return {json.loads(data)["apiVersion"].rpartition("/")[2] for data in server.stored(CRD).values()}


def is_migrated(server: ApiServer) -> bool:
    found = server.crd(CRD)
    return found is not None and found["status"]["storedVersions"] == ["v2"] and versions(server) == {"v2"}


def kubeconfig(path: Path, servers: dict[str, str]) -> Path:
    """A kubeconfig with a context, a cluster and a user for each name."""
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(servers)),
        "clusters": [{"name": n, "cluster": {"server": url}} for n, url in servers.items()],
        "users": [{"name": n, "user": {"token": "admin-token"}} for n in servers],
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in servers],
    }
    path.write_text(json.dumps(whole))
    return path


class Fleet:
    """The servers by name."""

    def __init__(self, servers: dict[str, ApiServer]) -> None:
        self.servers = servers

    def __getitem__(self, name: str) -> ApiServer:
        return self.servers[name]

    def members(self, *more: tuple[str, Cluster]) -> list[tuple[str, Cluster]]:
        own = [(name, Cluster.from_kubeconfig(server.kubeconfig())) for name, server in self.servers.items()]
        return [*own, *more]

    def kubeconfig(self, folder: Path, **more: str) -> Path:
        return kubeconfig(folder / "kubeconfig", {n: s.url for n, s in self.servers.items()} | more)


@asynccontextmanager
async def open_fleet(names: Iterable[str], *, objects: int = 3) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(ApiServer()) for name in names}
        for server in servers.values():
            make_stale(server, objects)
        yield Fleet(servers)
