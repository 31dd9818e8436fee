"""The embedded server as tests use it: the scene, what happens to it, and what is left in the end."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import msgspec
from aiohttp import web

from asyncmigrate.testing._access import EVERYTHING, Rule, User
from asyncmigrate.testing._faults import Faults
from asyncmigrate.testing._front import Front, Seen, request_of
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._state import NAMESPACES, State
from asyncmigrate.testing._store import Store

ADMIN_TOKEN = "admin-token"  # noqa: S105 -- of a server for tests, on loopback


class Backup(msgspec.Struct, frozen=True):
    """The store of a server as it was once."""

    _store: Store


class ApiServer:
    """An API server on a free loopback port, for as long as the `async with` block lasts. It starts empty.

    It serves CRDs, the custom resources that they define, ValidatingWebhookConfigurations, whose webhooks it asks, and
    ValidatingAdmissionPolicies, ConfigMaps, Events and Leases, which it just keeps.
    A request is served to its end by the CRD as it was when the request began: a write that takes its time is stored
    in the old storage version, though that has moved meanwhile. Objects are pruned by the schemas of the versions that
    they are stored, read and written in. managedFields have an entry for each manager, with the fields that it set;
    configurations can be applied. Impersonate headers are obeyed, with the rights of the user of that name. `minor`
    makes it Kubernetes 1.<minor> where versions differ.

    Attributes:
        faults: what is to go wrong; see Faults.
        requests: every request it got, in the order of the answers; clear it as you like.
        url: its base URL.
        minor: which Kubernetes it is: 37 for 1.37.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, minor: int = 37) -> None:
        self._state = State(minor)
        self.minor = minor
        self._tls = tls
        self._users = {ADMIN_TOKEN: User("admin", EVERYTHING, ("system:masters", "system:authenticated"))}
        self._front = Front(self._state, self._users)
        # A request whose client has gone ends where it is, as one whose context is cancelled does in Go.
        self._server = web.Server(
            self._front.serve, request_factory=request_of, handler_cancellation=True, access_log=None
        )
        self._runner: web.ServerRunner | None = None
        self.faults: Faults = self._state.faults
        self.requests: list[Seen] = self._front.requests
        self.url = ""

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    # Setting the scene and judging the end

    def apply_crd(self, manifest: Mapping[str, Any]) -> Object:
        """Create a CRD or change its spec; storedVersions grows when storage moves. Returns the live CRD."""
        return self._state.apply_crd(dict(manifest))

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """Store an object of a CRD in the apiVersion that it is given in, whatever the storage version is now.

        The namespace is `default` unless it says otherwise. Returns the object with its metadata filled in.
        """
        group, _, version = str(manifest["apiVersion"]).partition("/")
        for crd in self.crds():
            spec = crd["spec"]
            if (spec["group"], spec["names"]["kind"]) == (group, manifest["kind"]):
                found = self._state.collection(group, version, spec["names"]["plural"])
                if found is not None:
                    return self._state.add(found, dict(manifest))
        raise ValueError(f"no CRD serves {manifest['apiVersion']} {manifest['kind']}")

    def create_namespace(self, name: str) -> None:
        """Make a namespace; `default` is there from the start."""
        self._state.add(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def crds(self) -> list[Object]:
        """All live CRDs, by name."""
        return self._state.crds()

    def crd(self, name: str) -> Object | None:
        """One live CRD; None where there is none of that name."""
        return self._state.crd(name)

    def stored(self, crd: str) -> dict[tuple[str, str], bytes]:
        """The stored bytes of every object of a CRD, by namespace (empty if cluster-scoped) and name."""
        plural, _, group = crd.partition(".")
        prefix = f"/registry/{group}/{plural}/"
        stored = {}
        for key, entry in self._state.store.scan(prefix)[0]:
            namespace, _, name = key.removeprefix(prefix).rpartition("/")
            stored[namespace, name] = entry.data or b""
        return stored

    @property
    def resource_version(self) -> int:
        """The newest resource version; it stays where nothing was written."""
        return self._state.store.revision

    def advance(self, seconds: float) -> None:
        """Let time pass: the clock that `Date` headers and managedFields show moves on."""
        self._state.clock.ahead += seconds

    @property
    def date_ahead(self) -> float:
        """Seconds by which the `Date` header is ahead of the clock that stamps managedFields; 0 unless it is set.

        It is as if two API servers with different clocks stood behind one address.
        """
        return self._state.clock.date_ahead

    @date_ahead.setter
    def date_ahead(self, seconds: float) -> None:
        self._state.clock.date_ahead = seconds

    @property
    def write_seconds(self) -> float:
        """How long a write may take, reading its body included; then it ends with 504 and stores nothing. 34."""
        return self._front.limit

    @write_seconds.setter
    def write_seconds(self, seconds: float) -> None:
        self._front.limit = seconds

    def expire_continue_tokens(self) -> None:
        """Let all continue tokens given out so far expire (410), as they do after some five minutes."""
        self._state.store.revision += 1
        self._state.store.compact()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` holds; it is asked again after each request that was answered."""
        while not condition():
            self._front.answered = anyio.Event()
            await self._front.answered.wait()

    def save(self) -> Backup:
        """Back the store up, as etcd is backed up."""
        return Backup(self._state.store.copy())

    def restore(self, saved: Backup, *, seconds: float = 1.5) -> None:
        """Bring the store back to a backup, its revision too: later writes are lost, and revisions are given again.

        All connections are dropped, requests in flight get no answer, and for so many seconds no other does, as when
        the API server is stopped for it and started again.
        """
        self._state.store = saved._store.copy()  # noqa: SLF001 -- a backup is ours, and opaque to others
        self._front.abandon(seconds)
        for connection in self._server.connections:
            if connection.transport:
                connection.transport.abort()

    # Users

    def add_user(self, name: str, rules: Iterable[Rule] = (), *, token: str = "") -> str:
        """Let a user in, with rights by RBAC rules; returns the bearer token, `<name>-token` unless it is given."""
        token = token or f"{name}-token"
        self._users[token] = User(name, tuple(rules))
        return token

    def revoke(self, token: str) -> None:
        """Let a token expire: requests with it are answered 401 from now on."""
        self._users.pop(token, None)

    def kubeconfig(self, token: str = ADMIN_TOKEN) -> dict[str, Any]:
        """A kubeconfig with one context, `embedded`; without TLS settings unless the server was given some."""
        cluster = {"server": self.url} | ({"insecure-skip-tls-verify": True} if self._tls else {})
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "embedded",
            "clusters": [{"name": "embedded", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "user"}}],
        }

    def write_kubeconfig(self, path: Path, token: str = ADMIN_TOKEN) -> Path:
        """Write `kubeconfig()` to a file, and return its path."""
        path.write_text(json.dumps(self.kubeconfig(token)))
        return path
