"""The HTTP front of the embedded server: paths, users, faults, and the bytes of requests and answers."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import msgspec
from aiohttp import web

from asyncmigrate.testing import _access, _crds
from asyncmigrate.testing._access import EVERYTHING, Rule, User
from asyncmigrate.testing._api import Api, Call, Collection
from asyncmigrate.testing._faults import Fault, Faults, Target
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._status import StatusError

ADMIN_TOKEN = "admin-token"  # noqa: S105 -- of a server for tests, on loopback
_MERGE_PATCH = "application/merge-patch+json"
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Seen(msgspec.Struct, frozen=True):
    """One request that the server got: `path` with its query; `code` 0 where the connection was dropped."""

    method: str
    path: str
    code: int
    user: str


class ApiServer:
    """An API server on a free loopback port, for as long as the `async with` block lasts. It starts empty.

    Attributes:
        faults: what is to go wrong; see Faults.
        requests: every request it got, in the order of the answers; clear it as you like.
        url: its base URL.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._api = Api()
        self._tls = tls
        self._users = {ADMIN_TOKEN: User("admin", EVERYTHING)}
        self._runner: web.ServerRunner | None = None
        self.faults: Faults = self._api.faults
        self.requests: list[Seen] = []
        self.url = ""
        self._answered = anyio.Event()

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)
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
        return self._api.apply_crd(dict(manifest))

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """Store an object of a CRD in the apiVersion that it is given in, whatever the storage version is now.

        The namespace is `default` unless it says otherwise. Returns the object with its metadata filled in.
        """
        group, _, version = str(manifest["apiVersion"]).partition("/")
        for crd in self.crds():
            spec = crd["spec"]
            if (spec["group"], spec["names"]["kind"]) == (group, manifest["kind"]):
                found = self._api.collection(group, version, spec["names"]["plural"])
                if found is not None:
                    return self._api.add(found, dict(manifest))
        raise ValueError(f"no CRD serves {manifest['apiVersion']} {manifest['kind']}")

    def create_namespace(self, name: str) -> None:
        """Make a namespace; `default` is there from the start."""
        self._api.add(self._api.namespaces(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def crds(self) -> list[Object]:
        """All live CRDs, by name."""
        found, _ = self._api.store.scan(_crds.key(""))
        return [crd for key, _ in found if (crd := self._api.crd(key.rpartition("/")[2]))]

    def crd(self, name: str) -> Object | None:
        """One live CRD; None where there is none of that name."""
        return self._api.crd(name)

    def stored(self, crd: str) -> dict[tuple[str, str], bytes]:
        """The stored bytes of every object of a CRD, by namespace (empty if cluster-scoped) and name."""
        plural, _, group = crd.partition(".")
        prefix = f"/registry/{group}/{plural}/"
        stored = {}
        for key, entry in self._api.store.scan(prefix)[0]:
            namespace, _, name = key.removeprefix(prefix).rpartition("/")
            stored[namespace, name] = entry.data or b""
        return stored

    @property
    def resource_version(self) -> int:
        """The newest resource version; it stays where nothing was written."""
        return self._api.store.revision

    def advance(self, seconds: float) -> None:
        """Let time pass: the clock that `Date` headers and managedFields show moves on."""
        self._api.clock.ahead += seconds

    def expire_continue_tokens(self) -> None:
        """Let all continue tokens given out so far expire (410), as they do after some five minutes."""
        self._api.store.revision += 1
        self._api.store.compact()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` holds; it is asked again after each request that was answered."""
        while not condition():
            self._answered = anyio.Event()
            await self._answered.wait()

    # Users

    def add_user(self, name: str, rules: Iterable[Rule] = ()) -> str:
        """Let a user in, with rights by RBAC rules; returns the bearer token `<name>-token`."""
        token = f"{name}-token"
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

    # Serving

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        user = "?"
        code = 0
        try:
            user, response = await self._answer(request)
            code = response.status if response else 0
        except StatusError as error:
            response = _json(error.code, error.body, _headers(error))
            code = error.code
        except _NoSuchPathError:
            code = 404
            response = web.Response(status=code, text="404 page not found\n")
        finally:
            self.requests.append(Seen(request.method, request.path_qs, code, user))
            self._answered.set()
        if response is None:
            if request.transport:
                request.transport.abort()
            raise ConnectionResetError("dropped as ordered")
        response.headers["Date"] = format_datetime(self._api.clock.now(), usegmt=True)
        return response

    async def _answer(self, request: web.BaseRequest) -> tuple[str, web.Response | None]:
        user = _access.authenticate(request.headers.get("Authorization", ""), self._users)
        if request.path == _REVIEWS and request.method == "POST":
            return user.name, _json(201, _access.review(user, await _body(request)))
        if request.path in {"/healthz", "/livez", "/readyz"}:
            return user.name, web.Response(text="ok")
        if request.path == "/version":
            return user.name, _json(200, {"major": "1", "minor": "37", "gitVersion": "v1.37.2+embedded"})
        call = self._parse(request)
        verb = "list" if request.method == "GET" and not call.name else _VERBS.get(request.method, "")
        target = Target(
            verb=verb,
            resource=call.collection.resource,
            namespace=call.namespace,
            name=call.name,
            subresource=call.subresource,
        )
        _access.authorize(user, target)
        faults = self.faults.met_by(target)
        early = await _meet(faults)
        if early is not None or any(f.drop == "before" for f in faults):
            return user.name, early
        result = await self._dispatch(verb, call, request)
        if any(f.drop == "after" for f in faults):
            return user.name, None
        return user.name, _json(201 if verb == "create" else 200, result)

    async def _dispatch(self, verb: str, call: Call, request: web.BaseRequest) -> Object:
        match verb:
            case "get":
                return await self._api.get(call)
            case "list":
                return await self._api.list(call)
            case "create":
                return await self._api.create(call, await _body(request))
            case "update":
                return await self._api.replace(call, await _body(request))
            case "patch":
                if request.content_type != _MERGE_PATCH:
                    raise StatusError(
                        "UnsupportedMediaType",
                        "the body of the request was in an unknown format - accepted media types include: "
                        f"{_MERGE_PATCH}",
                    )
                return await self._api.patch(call, await _body(request))
            case "delete":
                return await self._api.delete(call)
        raise StatusError("MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _parse(self, request: web.BaseRequest) -> Call:
        parts = [p for p in request.path.split("/") if p]
        namespace = ""
        found: Collection | None = None
        rest: list[str] = []
        if parts[:3] == ["api", "v1", "namespaces"]:
            found, rest = self._api.namespaces(), parts[3:]
        elif parts[:1] == ["apis"] and len(parts) > 3:  # noqa: PLR2004 -- group, version, and something in them
            group, version, *rest = parts[1:]
            if rest[0] == "namespaces" and len(rest) > 2:  # noqa: PLR2004 -- its name, and something in it
                namespace, rest = rest[1], rest[2:]
            found = self._api.collection(group, version, rest[0])
            rest = rest[1:]
        if found is None or len(rest) > 2 or (rest[1:] and rest[1] != "status"):  # noqa: PLR2004 -- name, subresource
            raise _NoSuchPathError
        if found.namespaced and rest and not namespace:
            raise _NoSuchPathError
        manager = request.query.get("fieldManager") or request.headers.get("User-Agent", "unknown").partition("/")[0]
        name, subresource = [*rest, "", ""][:2]
        accept = request.headers.get("Accept", "")
        return Call(found, namespace, name, subresource, dict(request.query), accept, manager)


class _NoSuchPathError(Exception):
    """What no API serves: a 404 in plain text, for it is about no object."""


async def _meet(faults: list[Fault]) -> web.Response | None:
    for fault in faults:
        if fault.seconds:
            await anyio.sleep(fault.seconds)
    for fault in faults:
        if isinstance(fault.status, StatusError):
            headers = _headers(fault.status)
            if fault.plain:
                return web.Response(status=fault.status.code, text=str(fault.status), headers=headers)
            return _json(fault.status.code, fault.status.body, headers)
    return None


def _headers(error: StatusError) -> dict[str, str]:
    return {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}


async def _body(request: web.BaseRequest) -> Any:  # noqa: ANN401 -- any JSON
    try:
        return msgspec.json.decode(await request.read())
    except msgspec.DecodeError as error:
        raise StatusError("BadRequest", f"the body is not JSON: {error}") from error


def _json(code: int, body: Object, headers: dict[str, str] | None = None) -> web.Response:
    data = msgspec.json.encode(body)
    return web.Response(status=code, body=data, content_type="application/json", headers=headers)
