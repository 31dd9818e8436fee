"""The real API server as a scene: CRDs and objects on it, storage moved back and forth, its CPU."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from tests.bed import scenes
from tests.bed.bed import CRDS, RealBed, open_real, real_kubeconfig
from tests.bed.real import start

from bench.measure import cpu_of, side
from bench.requests import MANY, ONE, Sent, write_requests

GROUP = "bench.example.com"
IN_TREE = ("--runtime-config", "storagemigration.k8s.io/v1=true", "--feature-gates", "StorageVersionMigrator=true")
_TAKEN_UP = 0.5  # seconds in which one API server has long taken a moved storage version up
_LOOK_AGAIN = 0.3  # seconds
_IDLE = 0.1  # of a core, at most


def spec_of(size: int) -> dict[str, Any]:
    """A nested spec that makes an object of some `size` bytes, managedFields included."""
    entries = max(1, size // 130)
    return {
        "replicas": 3,
        "template": {
            "metadata": {"labels": {"app": "bench", "tier": "backend"}},
            "parts": [{"name": f"part-{n}", "config": {"key": "v" * 40, "on": True}} for n in range(entries)],
        },
        "settings": {f"setting{n}": {"value": f"{'s' * 12}{n}"} for n in range(min(entries, 12))},
    }


class RealScene:
    """One kube-apiserver and etcd, for as long as the bench wants them."""

    def __init__(self, bed: RealBed, folder: Path) -> None:
        self.bed = bed
        self.folder = folder
        self._shapes: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        return self.bed.server.url

    def kubeconfig(self, url: str = "") -> Path:
        """As the admin; through `url` where the way leads over a proxy."""
        config = real_kubeconfig(self.bed.server, "admin-token")
        if url:
            config["clusters"][0]["cluster"]["server"] = url
        path = self.folder / f"kubeconfig-{url.rpartition(':')[2] or 'direct'}"
        path.write_text(json.dumps(config))
        return path

    @property
    def server_cpu(self) -> float:
        return cpu_of([self.bed.server.apiserver.process.pid, self.bed.server.store.process.pid])

    async def add(self, plural: str, objects: int, size: int) -> None:
        """A CRD with objects of some size, as a controller writes them."""
        await self.add_many([plural], objects, size)

    async def add_many(self, plurals: Sequence[str], objects: int, size: int) -> None:
        """CRDs with so many objects each."""
        manifests = await self.define(plurals)
        spec = spec_of(size)
        self.write(
            Sent(
                "POST",
                f"{path_of(plural)}?fieldManager=bench",
                ONE,
                json.dumps(scenes.obj(manifest, "v1", f"w-{number:06d}", spec=spec)),
            )
            for plural, manifest in zip(plurals, manifests, strict=True)
            for number in range(objects)
        )

    async def define(self, plurals: Sequence[str], **shape: Any) -> list[dict[str, Any]]:  # noqa: ANN401 -- scenes.crd's
        """CRDs without objects, stored in v1; returns their manifests."""
        self._shapes |= dict.fromkeys(plurals, shape)
        manifests = [self.manifest(plural, "v1") for plural in plurals]
        for manifest in manifests:
            await self.bed.apply_crd(manifest, settled=False)
        await self.bed.settle(manifests[-1])
        await self.until_idle()
        return manifests

    def manifest(self, plural: str, storage: str) -> dict[str, Any]:
        return scenes.crd(GROUP, storage, "v1", "v2", plural=plural, **self._shapes[plural])

    def write(self, requests: Iterable[Sent]) -> None:
        """What the scene is set with, from a process of its own: quicker than from this one."""
        side("bare", self.kubeconfig(), write_requests(self.folder / "writes", list(requests)))

    async def move_storage(self, *plurals: str) -> str:
        """Move storage to the other version: every object is stale again; returns the version."""
        storage = ""
        for plural in plurals:
            live = await self.bed.live_crd(f"{plural}.{GROUP}")
            now = next(v["name"] for v in live["spec"]["versions"] if v["storage"])
            storage = "v1" if now == "v2" else "v2"
            await self.bed.apply_crd(self.manifest(plural, storage), settled=False)
        await anyio.sleep(_TAKEN_UP)
        for plural in plurals:
            # The server fills its cache of a resource anew at the first request after its CRD has changed.
            (await self.bed.http.get(f"/apis/{GROUP}/{storage}/{plural}?limit=1")).raise_for_status()
        await self.until_idle()
        return storage

    async def until_idle(self) -> None:
        """Wait until the servers have nothing left to do."""
        with anyio.fail_after(120):
            busy = True
            while busy:
                before = self.server_cpu
                await anyio.sleep(_LOOK_AGAIN)
                busy = self.server_cpu - before > _IDLE * _LOOK_AGAIN

    def touch(self, plural: str, numbers: Iterable[int]) -> None:
        """Change some objects, as a controller that updates status does."""
        body = json.dumps({"status": {"seen": time.time_ns()}})
        query = "?fieldManager=bench-status"
        self.write(Sent("PATCH", f"{path_of(plural)}/w-{n:06d}{query}", ONE, body) for n in numbers)

    def check(self, plural: str, storage: str) -> None:
        """Every object's bytes in etcd are in the version that they were migrated to."""
        found = self.bed.stored_api_versions(f"{plural}.{GROUP}")
        if found != {storage}:
            raise RuntimeError(f"{plural} are stored in {found}, not in {storage}")

    def patches(self, plural: str, objects: int) -> Path:
        """What a bare loop sends to rewrite a CRD's objects."""
        target = path_of(plural)
        requests = [Sent("PATCH", f"{target}/w-{n:06d}", ONE, "{}") for n in range(objects)]
        return write_requests(self.folder / f"patches-{plural}", requests)


def path_of(plural: str, version: str = "v1") -> str:
    return f"/apis/{GROUP}/{version}/namespaces/default/{plural}"


def whole_migration(plural: str, objects: int) -> list[Sent]:
    """Every request that the migration of one small CRD needs: a list, the patches, a look, a trim."""
    crd = f"{CRDS}/{plural}.{GROUP}"
    return [
        Sent("GET", f"/apis/{GROUP}/v1/{plural}?limit=500", MANY),
        *(Sent("PATCH", f"{path_of(plural)}/w-{n:06d}", ONE, "{}") for n in range(objects)),
        Sent("GET", crd),
        Sent("PATCH", f"{crd}/status", body='{"status":{"storedVersions":["v1","v2"]}}'),
    ]


@asynccontextmanager
async def real(folder: Path, *, flags: tuple[str, ...] = ()) -> AsyncIterator[RealScene]:
    """Start a server; it ends with the block."""
    with start(folder, apiserver_flags=flags) as server:
        async with open_real(server, folder) as bed:
            bed.made.clear()
            yield RealScene(bed, folder)
            bed.made.clear()  # the server ends here: nothing needs to be deleted first
