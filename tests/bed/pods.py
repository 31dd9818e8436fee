"""What a cluster does around a pod: applies manifests, mounts a token, and starts the container, without a kubelet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from asyncmigrate import Cluster
from asyncmigrate._cluster.kubeconfig import open_in_cluster
from tests.bed.bed import RealBed, trust
from tests.command.runner import command, environment

Manifest = dict[str, Any]

_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_MOUNTED = "/run/secrets/kubernetes.io/serviceaccount"  # /var/run is a link to /run
# A file system that is read-only but for the mounted token, and a user ID that no passwd file has.
_CONTAINER = f"""
set -e
mount -t tmpfs tmpfs /run
mkdir -p {_MOUNTED}
mount --bind "$1" {_MOUNTED}
mount -o remount,bind,ro /
shift
exec setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --bounding-set=-all -- "$@"
"""
_PATHS = {
    "ServiceAccount": "/api/v1",
    "Job": "/apis/batch/v1",
    "CronJob": "/apis/batch/v1",
    "FlowSchema": "/apis/flowcontrol.apiserver.k8s.io/v1",
}


def path_of(manifest: Manifest) -> str:
    """The path of the collection that a manifest goes into."""
    kind, namespace = manifest["kind"], manifest["metadata"].get("namespace")
    base = _PATHS.get(kind, "/apis/rbac.authorization.k8s.io/v1")
    return f"{base}{f'/namespaces/{namespace}' if namespace else ''}/{kind.lower()}s"


async def apply(bed: RealBed, manifests: Iterable[Manifest]) -> None:
    """As `kubectl apply --server-side -f -`."""
    for manifest in manifests:
        target = f"{path_of(manifest)}/{manifest['metadata']['name']}"
        query = "fieldManager=kubectl&fieldValidation=Strict&force=true"
        answer = await bed.http.patch(f"{target}?{query}", headers=_APPLY, json=manifest)
        assert answer.is_success, answer.text
        gone = f"{target}?propagationPolicy=Background"  # else a Job waits for a garbage collector that is not there
        if gone not in bed.leftovers:
            bed.leftovers.append(gone)


class Pod:
    """A pod of a service account: its folder with the token, which a kubelet would keep new."""

    def __init__(self, bed: RealBed, account: str, namespace: str = "default") -> None:
        self._bed = bed
        self._account = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}"
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self.folder = bed.folder / f"pod-{account}"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        (self.folder / "ca.crt").write_bytes(bed.server.ca.read_bytes())
        (self.folder / "namespace").write_text(namespace)
        url = urlsplit(bed.url)
        self.environment = {"KUBERNETES_SERVICE_HOST": str(url.hostname), "KUBERNETES_SERVICE_PORT": str(url.port)}
        self.token = ""

    async def rotate(self, bound_to: str = "") -> None:
        """Put a new token into the file, in one step; one that is bound to a Secret dies with it."""
        spec: Manifest = {"expirationSeconds": 600}
        if bound_to:
            secret = await self._bed.http.post(self._secrets, json={"metadata": {"name": bound_to}})
            secret.raise_for_status()
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": "Secret",
                "name": bound_to,
                "uid": secret.json()["metadata"]["uid"],
            }
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._bed.http.post(f"{self._account}/token", json=body)
        assert answer.status_code == 201, answer.text
        self.token = answer.json()["status"]["token"]
        new = self.folder / "token.new"
        new.write_text(self.token)
        new.chmod(0o644)
        new.rename(self.folder / "token")

    async def revoke(self, bound_to: str) -> None:
        (await self._bed.http.delete(f"{self._secrets}/{bound_to}")).raise_for_status()

    def client(self, token: str = "") -> httpx.AsyncClient:
        """For requests as the service account."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.AsyncClient(base_url=self._bed.url, headers=headers, verify=trust(self._bed.server), timeout=30)

    def cluster(self) -> Cluster:
        """What a program in the pod opens; its environment must be set."""
        return Cluster(partial(open_in_cluster, folder=self.folder))

    def container(self, args: Iterable[str]) -> list[str]:
        """The command in a mount namespace of its own, as a container starts it."""
        return ["unshare", "--mount", "sh", "-c", _CONTAINER, "sh", str(self.folder), *command(*args)]

    def container_environment(self, **more: str) -> dict[str, str]:
        found = environment(self.folder, **self.environment, **more)
        return {k: v for k, v in found.items() if k != "HOME" and not k.startswith("XDG")}


async def can_start_containers() -> bool:
    """Mount namespaces are root's to make."""
    if os.geteuid() != 0:
        return False
    script = (
        'mount -t tmpfs tmpfs /run && mount -o remount,bind,ro / && setpriv --reuid 65532 --clear-groups "$0" -c ""'
    )
    program = Path(command()[0])
    with anyio.fail_after(20):
        tried = await anyio.run_process(["unshare", "--mount", "sh", "-c", script, str(program)], check=False)
    return tried.returncode == 0
