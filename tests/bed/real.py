"""A real kube-apiserver with a real etcd on free loopback ports."""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bed.processes import Server, free_port

_ROOT = Path(__file__).parents[2]

# token, user, group
USERS = {
    "admin": ("admin-token", "system:masters"),
    "nobody": ("nobody-token", "nobodies"),
    "upgrader": ("upgrader-token", "upgraders"),
}


def chosen() -> str:
    """The folder of testbed/ whose Kubernetes is used: ASYNCMIGRATE_TESTBED names it, else it is the newest."""
    folders = sorted(f.parent.name for f in (_ROOT / "testbed").glob("*/go.mod"))
    name = os.environ.get("ASYNCMIGRATE_TESTBED") or folders[-1]
    if name not in folders:
        raise ValueError(f"ASYNCMIGRATE_TESTBED is {name}, and the test bed has {', '.join(folders)}")
    return name


def binaries() -> tuple[Path, Path] | None:
    """The kube-apiserver and etcd to use: envtest's where KUBEBUILDER_ASSETS is set, else those that make built."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or _ROOT / ".build" / "testbed" / chosen())
    found = folder / "kube-apiserver", folder / "etcd"
    return found if all(f.is_file() for f in found) else None


def version() -> str | None:
    """What the kube-apiserver to use says it is, as in v1.37.2; None where there is none."""
    found = binaries()
    if found is None:
        return None
    said = subprocess.run([found[0], "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return said.stdout.removeprefix("Kubernetes ").strip()


def minor() -> int:
    """The minor version of the kube-apiserver to use: 37 for v1.37.2."""
    return int((version() or "v1.0").split(".")[1])


class Etcd(Server):
    """One etcd on free ports, and its data."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.url, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.data = folder / "etcd"
        super().__init__(
            [
                *(program, "--data-dir", self.data, "--unsafe-no-fsync", "--log-level", "error"),
                *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                *("--initial-cluster", f"default={peer}"),
            ],
            folder / "etcd.log",
        )

    def is_healthy(self) -> bool:
        return _answers(f"{self.url}/health")


class RealServer:
    """Where the real one is, and a reader of the raw bytes in its etcd."""

    def __init__(self, *, url: str, ca: Path, apiserver: Server, store: Etcd) -> None:
        self.url = url
        self.ca = ca
        self.apiserver = apiserver
        self.store = store

    def stored(self, crd: str) -> dict[tuple[str, str], bytes]:
        """The bytes in etcd of every object of a CRD, by namespace (empty if cluster-scoped) and name."""
        plural, _, group = crd.partition(".")
        prefix = f"/registry/{group}/{plural}/"
        stored = {}
        for key, value in self._range(prefix):
            namespace, _, name = key.removeprefix(prefix).rpartition("/")
            stored[namespace, name] = value
        return stored

    def is_ready(self) -> bool:
        return _answers(f"{self.url}/readyz", self.ca)

    def compact(self) -> None:
        """Make etcd forget old revisions, as the API server does every five minutes: continue tokens expire."""
        revision = self._etcd("range", {"key": _b64("/"), "limit": 1})["header"]["revision"]
        self._etcd("compaction", {"revision": revision, "physical": True})

    def save(self, folder: Path) -> None:
        """Back etcd up into a new folder; the API server goes without it meanwhile, some ten seconds."""
        self.store.stop(seconds=30)  # it gives the API server's watches seven seconds to end
        shutil.copytree(self.store.data, folder)
        self.store.start_again()
        self._wait()

    def restore(self, folder: Path) -> None:
        """Put a backup of etcd back, as an operator does, who stops the API server for it (here without a word)."""
        self.apiserver.kill()
        self.store.stop()
        shutil.rmtree(self.store.data)
        shutil.copytree(folder, self.store.data)
        self.store.start_again()
        self.store.wait_until(self.store.is_healthy)
        self.apiserver.start_again()
        self._wait()

    def _wait(self) -> None:
        self.store.wait_until(self.store.is_healthy)
        self.apiserver.wait_until(self.is_ready)

    def _range(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        answer = self._etcd("range", {"key": _b64(prefix), "range_end": _b64(end)})
        for kv in answer.get("kvs", ()):
            yield base64.b64decode(kv["key"]).decode(), base64.b64decode(kv["value"])

    def _etcd(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.store.url}/v3/kv/{verb}", json.dumps(body).encode())  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- our own etcd on loopback
            decoded: dict[str, Any] = json.load(answer)
            return decoded


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def start(folder: Path, *, apiserver_flags: tuple[str, ...] = ()) -> Iterator[RealServer]:
    """Start both; stop both on leaving, whatever happens."""
    built = binaries()
    if built is None:
        raise RuntimeError("no kube-apiserver and etcd: run `make testbed`, or set KUBEBUILDER_ASSETS")
    apiserver, etcd = built
    store = Etcd(etcd, folder)
    try:
        store.wait_until(store.is_healthy)
        with _apiserver(apiserver, folder, store, apiserver_flags) as found:
            yield found
    finally:
        store.stop()


@contextmanager
def beside(first: RealServer, folder: Path) -> Iterator[RealServer]:
    """Start one more API server on the etcd of `first`, as a large control plane has several."""
    with _apiserver(first.apiserver.program, folder, first.store, ()) as found:
        yield found


@contextmanager
def _apiserver(program: Path, folder: Path, store: Etcd, flags: tuple[str, ...]) -> Iterator[RealServer]:
    folder.mkdir(exist_ok=True)
    port = free_port()
    certificates = folder / "certificates"
    server = Server(
        [
            program,
            *("--bind-address", "127.0.0.1", "--secure-port", str(port), "--cert-dir", certificates),
            *("--etcd-servers", store.url, "--endpoint-reconciler-type", "none"),
            *("--authorization-mode", "RBAC", "--token-auth-file", _write_tokens(folder)),
            *("--disable-admission-plugins", "ServiceAccount", "--service-cluster-ip-range", "10.0.0.0/24"),
            *_service_account_flags(folder),
            *flags,
        ],
        folder / "apiserver.log",
    )
    try:
        url, ca = f"https://127.0.0.1:{port}", certificates / "apiserver.crt"
        found = RealServer(url=url, ca=ca, apiserver=server, store=store)
        server.wait_until(found.is_ready)
        yield found
    finally:
        server.stop()


def _answers(url: str, ca: Path | None = None) -> bool:
    request = urllib.request.Request(url, headers={"Authorization": "Bearer admin-token"})  # noqa: S310
    try:
        trust = ssl.create_default_context(cafile=ca) if ca else None  # it may be there and empty yet
        if trust is not None:
            trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with urllib.request.urlopen(request, timeout=5, context=trust) as answer:  # noqa: S310 -- our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _write_tokens(folder: Path) -> Path:
    path = folder / "tokens.csv"
    path.write_text("".join(f'{token},{user},{user},"{group}"\n' for user, (token, group) in USERS.items()))
    return path


def _service_account_flags(folder: Path) -> list[str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = folder / "service-account.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return [
        *("--service-account-key-file", str(path), "--service-account-signing-key-file", str(path)),
        *("--service-account-issuer", "https://kubernetes.default.svc"),
    ]
