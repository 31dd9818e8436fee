"""The other migrators: the Go ones of bench/peers, and Kubernetes' own, in kube-controller-manager."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from tests.bed.processes import Server

from bench.measure import cpu_of, take

BUILT = Path(__file__).parents[1] / ".build" / "peers"
_MIGRATIONS = "/apis/storagemigration.k8s.io/v1/storageversionmigrations"


def peer(name: str, *args: object) -> dict[str, Any]:
    """Run one of the Go sides; its own figures, and the CPU of its whole process."""
    return take([BUILT / "peers", name, *map(str, args)]).json()


class Proxy:
    """What a proxy carried, once it has been stopped."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sent = 0
        self.received = 0

    @property
    def bytes(self) -> int:
        return self.sent + self.received


@contextmanager
def proxy(url: str, *, delay: float = 0.0) -> Iterator[Proxy]:
    """A proxy before a server on loopback: it holds answers back for `delay` seconds, and counts."""
    command = [str(BUILT / "peers"), "proxy", "-to", url.rpartition("/")[2], "-delay", f"{delay * 1000:g}ms"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout  # noqa: S101 -- it is a pipe
            found = Proxy(f"https://{process.stdout.readline().strip()}")
            yield found
            process.terminate()
            counted = msgspec.json.decode(process.stdout.readline())
            found.sent, found.received = counted["sent"], counted["received"]
        finally:
            process.kill()


@contextmanager
def in_tree(kubeconfig: Path, folder: Path) -> Iterator[Server]:
    """kube-controller-manager with the controllers that migrate storage, ready to."""
    command: list[str | Path] = [
        *(BUILT / "kube-controller-manager", "--kubeconfig", kubeconfig, "--leader-elect=false"),
        *("--controllers", "storage-version-migrator-controller,garbage-collector-controller"),
        *("--bind-address", "127.0.0.1", "--secure-port", "0"),
    ]
    manager = Server(command, folder / "controller-manager.log")
    try:
        yield manager
    finally:
        manager.stop()


def migrate_in_tree(manager: Server, http: httpx.Client, group: str, plural: str) -> dict[str, Any]:
    """Have it migrate one resource."""
    pid = manager.process.pid
    began, cpu = time.perf_counter(), cpu_of([pid])
    name = f"bench-{time.time_ns()}"
    body = {
        "apiVersion": "storagemigration.k8s.io/v1",
        "kind": "StorageVersionMigration",
        "metadata": {"name": name},
        "spec": {"resource": {"group": group, "resource": plural}},
    }
    http.post(_MIGRATIONS, json=body).raise_for_status()
    while True:
        live = http.get(f"{_MIGRATIONS}/{name}").raise_for_status().json()
        now = {c["type"] for c in live.get("status", {}).get("conditions", ()) if c["status"] == "True"}
        if "Succeeded" in now:
            return {"seconds": time.perf_counter() - began, "cpu": cpu_of([pid]) - cpu}
        if "Failed" in now or manager.process.poll() is not None:
            raise RuntimeError(f"the in-tree migration failed: {live.get('status')}")
        time.sleep(0.1)
