"""One face for both servers, the embedded and the real one: HTTP as the admin, kubeconfigs, and the stored bytes."""

from __future__ import annotations

import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import httpx

from asyncmigrate import Cluster
from asyncmigrate.testing import ApiServer, Rule
from tests.bed.real import USERS, RealServer, minor
from tests.bed.scenes import Manifest

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = {"Content-Type": "application/merge-patch+json"}
_groups = count(1)
# Seconds that pass on the embedded server after each change of a CRD: more than the settle time and the margin for
# clocks, so that nothing has to be waited for, and less than the proof margin, so that nothing is proven by them alone.
PASSED = 57
AWAY = 1.5  # seconds that the embedded server is away while a backup is put back


class Bed(ABC):
    """A server to test on. Each test has a group of its own, and leaves no CRD behind."""

    url: str

    def __init__(self, http: httpx.AsyncClient, folder: Path) -> None:
        self.http = http
        self.folder = folder
        self.group = f"t{next(_groups)}.example.com"
        self.made: set[str] = set()
        self.leftovers: list[str] = []  # paths of other things to delete in the end, before the CRDs

    @abstractmethod
    def stored(self, crd: str) -> dict[tuple[str, str], bytes]:
        """The bytes that the server keeps of every object of a CRD."""

    @abstractmethod
    def kubeconfig(self, user: str = "admin") -> Path:
        """A kubeconfig file for `admin`, `upgrader` (no rights at first) or `nobody`."""

    @abstractmethod
    async def grant(self, user: str, verbs: tuple[str, ...], group: str, resources: tuple[str, ...]) -> None:
        """Give rights to a user."""

    @abstractmethod
    def client(self, **kwargs: Any) -> httpx.AsyncClient:  # noqa: ANN401 -- httpx's own options
        """A client for the admin that is the caller's to close."""

    @abstractmethod
    def forget_old_revisions(self) -> None:
        """Let the store compact, so that old resource versions are gone."""

    @abstractmethod
    async def pass_time(self, seconds: float) -> None:
        """Let the server's clock move on."""

    @abstractmethod
    async def save(self) -> Any:  # noqa: ANN401 -- each server's own
        """Back the store up."""

    @abstractmethod
    async def restore(self, saved: Any) -> None:  # noqa: ANN401
        """Bring the store back to what `save` returned: later writes are lost, and so are all connections."""

    @property
    @abstractmethod
    def minor(self) -> int:
        """The minor version of Kubernetes that the server is: 37 for v1.37.2."""

    def cluster(self, user: str = "admin") -> Cluster:
        return Cluster.from_kubeconfig(self.kubeconfig(user))

    # Writing, as anyone would

    async def apply_crd(self, manifest: Manifest, *, settled: bool = True) -> Manifest:
        """Create a CRD or change its spec, and unless told otherwise wait until objects are stored as it says."""
        name = manifest["metadata"]["name"]
        self.made.add(name)
        while True:
            live = await self.http.get(f"{CRDS}/{name}")
            if live.status_code == 404:
                answer = await self.http.post(CRDS, json=manifest)
            else:
                body = live.json() | {"spec": manifest["spec"]}
                answer = await self.http.put(f"{CRDS}/{name}", json=body)
            if answer.status_code != 409:
                break
        if answer.is_success and settled:
            await self.settle(manifest)
        answer.raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    async def settle(self, manifest: Manifest) -> None:
        """Wait until the server encodes in the storage version: it takes CRD changes up through its own watch."""
        spec = manifest["spec"]
        storage = next(v["name"] for v in spec["versions"] if v["storage"])
        served = [v["name"] for v in spec["versions"] if v["served"]]
        if not served:
            return
        namespace = "default" if spec["scope"] == "Namespaced" else ""
        base = self.path(manifest, served[0], namespace)
        name = "canary"
        body = {
            "apiVersion": f"{spec['group']}/{served[0]}",
            "kind": spec["names"]["kind"],
            "metadata": {"name": name},
        }
        with anyio.fail_after(30):
            while True:
                await self.http.post(base, json=body)
                stored = self.stored(manifest["metadata"]["name"]).get((namespace, name))
                await self.http.delete(f"{base}/{name}")
                if stored and json.loads(stored)["apiVersion"] == f"{spec['group']}/{storage}":
                    return
                await anyio.sleep(0.02)

    def path(self, manifest: Manifest, version: str, namespace: str = "default", name: str = "") -> str:
        spec = manifest["spec"]
        where = f"/namespaces/{namespace}" if namespace and spec["scope"] == "Namespaced" else ""
        return f"/apis/{spec['group']}/{version}{where}/{spec['names']['plural']}" + (f"/{name}" if name else "")

    async def create(self, manifest: Manifest, *objects: Manifest) -> None:
        async def one(body: Manifest) -> None:
            version = body["apiVersion"].rpartition("/")[2]
            target = self.path(manifest, version, body["metadata"].get("namespace", ""))
            answer = await self.http.post(target, json=body)
            assert answer.status_code == 201, answer.text

        for start in range(0, len(objects), 16):
            async with anyio.create_task_group() as tasks:
                for body in objects[start : start + 16]:
                    tasks.start_soon(one, body)

    async def live_crd(self, name: str) -> Manifest:
        answer = await self.http.get(f"{CRDS}/{name}")
        answer.raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    async def stored_versions(self, name: str) -> list[str]:
        return (await self.live_crd(name))["status"]["storedVersions"]  # type: ignore[no-any-return]

    def stored_api_versions(self, name: str) -> set[str]:
        """The versions that the stored bytes of a CRD's objects are in."""
        return {json.loads(data)["apiVersion"].rpartition("/")[2] for data in self.stored(name).values()}

    def resource_versions(self, listed: Manifest) -> dict[str, str]:
        return {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in listed["items"]}

    async def clean_up(self) -> None:
        for path in (*self.leftovers, *(f"{CRDS}/{name}" for name in self.made)):
            await self.http.delete(path)
        # The server takes a CRD away once its objects are gone, and tries that again ever more slowly where it fails.
        with anyio.fail_after(60):
            for name in self.made:
                while (await self.http.get(f"{CRDS}/{name}")).status_code != 404:
                    await anyio.sleep(0.05)
                    await self.http.delete(f"{CRDS}/{name}")


class EmbeddedBed(Bed):
    """asyncmigrate.testing's."""

    def __init__(self, server: ApiServer, http: httpx.AsyncClient, folder: Path) -> None:
        super().__init__(http, folder)
        self.server = server
        self.url = server.url
        self._rules: dict[str, list[Rule]] = {user: [] for user in USERS if user != "admin"}
        for user in self._rules:
            server.add_user(user)

    @property
    def minor(self) -> int:
        return self.server.minor

    async def settle(self, manifest: Manifest) -> None:
        await super().settle(manifest)
        self.server.advance(PASSED)

    async def pass_time(self, seconds: float) -> None:
        self.server.advance(seconds)

    async def save(self) -> Any:  # noqa: ANN401
        return self.server.save()

    async def restore(self, saved: Any) -> None:  # noqa: ANN401
        self.server.restore(saved, seconds=AWAY)
        await anyio.sleep(AWAY)  # as the real one, it is there again afterwards

    def stored(self, crd: str) -> dict[tuple[str, str], bytes]:
        return self.server.stored(crd)

    def kubeconfig(self, user: str = "admin") -> Path:
        return self.server.write_kubeconfig(self.folder / f"kubeconfig-{user}", USERS[user][0])

    async def grant(self, user: str, verbs: tuple[str, ...], group: str, resources: tuple[str, ...]) -> None:
        self._rules[user].append(Rule(verbs=verbs, groups=(group,), resources=resources))
        self.server.add_user(user, self._rules[user])

    def client(self, **kwargs: Any) -> httpx.AsyncClient:  # noqa: ANN401
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": "Bearer admin-token"}, **kwargs)

    def forget_old_revisions(self) -> None:
        self.server.expire_continue_tokens()


class RealBed(Bed):
    """A kube-apiserver and its etcd."""

    def __init__(self, server: RealServer, http: httpx.AsyncClient, folder: Path) -> None:
        super().__init__(http, folder)
        self.server = server
        self.url = server.url
        self._granted: list[str] = []

    @property
    def minor(self) -> int:
        return minor()

    async def pass_time(self, seconds: float) -> None:
        await anyio.sleep(seconds)  # its clock is this machine's

    async def save(self) -> Path:
        folder = self.folder / f"backup-{len([*self.folder.glob('backup-*')])}"
        self.server.save(folder)  # in this thread: a process ends with the one that started it
        return folder

    async def restore(self, saved: Path) -> None:
        self.server.restore(saved)  # the same

    def stored(self, crd: str) -> dict[tuple[str, str], bytes]:
        return self.server.stored(crd)

    def kubeconfig(self, user: str = "admin") -> Path:
        path = self.folder / f"kubeconfig-{user}"
        path.write_text(json.dumps(real_kubeconfig(self.server, USERS[user][0])))
        return path

    async def grant(self, user: str, verbs: tuple[str, ...], group: str, resources: tuple[str, ...]) -> None:
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        name = f"{self.group}-{user}-{len(self._granted)}-{'-'.join(verbs)}-{resources[0].replace('/', '-')}"
        role = {"metadata": {"name": name}, "rules": [{"verbs": verbs, "apiGroups": [group], "resources": resources}]}
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        }
        (await self.http.post(f"{rbac}/clusterroles", json=role)).raise_for_status()
        (await self.http.post(f"{rbac}/clusterrolebindings", json=binding)).raise_for_status()
        self._granted.append(name)

    def client(self, **kwargs: Any) -> httpx.AsyncClient:  # noqa: ANN401
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": "Bearer admin-token"}, verify=trust(self.server), **kwargs
        )

    def forget_old_revisions(self) -> None:
        self.server.compact()

    async def clean_up(self) -> None:
        await super().clean_up()
        for name in self._granted:
            for kind in ("clusterrolebindings", "clusterroles"):
                await self.http.delete(f"/apis/rbac.authorization.k8s.io/v1/{kind}/{name}")


def trust(server: RealServer) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=server.ca)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def real_kubeconfig(server: RealServer, token: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "real",
        "clusters": [{"name": "real", "cluster": {"server": server.url, "certificate-authority": str(server.ca)}}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "real", "context": {"cluster": "real", "user": "user"}}],
    }


@asynccontextmanager
async def open_embedded(folder: Path, **options: Any) -> AsyncIterator[EmbeddedBed]:  # noqa: ANN401
    async with (
        ApiServer(**options) as server,
        httpx.AsyncClient(base_url=server.url, headers={"Authorization": "Bearer admin-token"}) as http,
    ):
        yield EmbeddedBed(server, http, folder)


@asynccontextmanager
async def open_real(server: RealServer, folder: Path) -> AsyncIterator[RealBed]:
    async with httpx.AsyncClient(
        base_url=server.url,
        headers={"Authorization": "Bearer admin-token"},
        verify=trust(server),
        timeout=30,
    ) as http:
        bed = RealBed(server, http, folder)
        try:
            yield bed
        finally:
            await bed.clean_up()
