"""The HTTP front of the embedded server: paths, users, faults, time limits, and the bytes of requests and answers."""

from __future__ import annotations

import asyncio
import re
import time
from email.utils import format_datetime
from typing import Any

import anyio
import msgspec
from aiohttp import web

from asyncmigrate.testing import _access, _discovery, _patches
from asyncmigrate.testing._access import User
from asyncmigrate.testing._api import Api
from asyncmigrate.testing._call import Call
from asyncmigrate.testing._faults import Fault, Target
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._state import Collection, State
from asyncmigrate.testing._status import StatusError, timeout

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_SELF_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_MAX_BODY = 3 * 1024 * 1024  # MaxRequestBodyBytes in k8s.io/apiserver's pkg/server/config.go
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


class Seen(msgspec.Struct, frozen=True):
    """One request that the server got: `path` with its query; `code` 0 where the connection was dropped.

    `user` is who it was done as, and `by` who asked for that: the same without impersonation.
    """

    method: str
    path: str
    code: int
    user: str
    by: str = ""


def request_of(
    message: Any,  # noqa: ANN401 -- aiohttp's own
    payload: Any,  # noqa: ANN401
    protocol: Any,  # noqa: ANN401
    writer: Any,  # noqa: ANN401
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """A request of aiohttp's, that may be as large as one to an API server."""
    return web.BaseRequest(message, payload, protocol, writer, task, task.get_loop(), client_max_size=_MAX_BODY)


class Front:
    """Serves requests; `limit` is the seconds that a write may take."""

    def __init__(self, state: State, users: dict[str, User]) -> None:
        self.requests: list[Seen] = []
        self.answered = anyio.Event()
        self.limit = 34.0  # requestTimeoutUpperBound in k8s.io/apiserver's pkg/endpoints/handlers/rest.go
        self._state = state
        self._users = users
        self._api = Api(state)
        self._running: set[asyncio.Task[Any]] = set()
        self._away_until = 0.0

    def abandon(self, seconds: float) -> None:
        """End all requests in flight and answer none for so long: what they have not stored yet they never will."""
        self._away_until = time.monotonic() + seconds
        for task in self._running:
            task.cancel()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if time.monotonic() < self._away_until:
            return _hang_up(request)
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        user = by = User("?", ())
        code = 0
        try:
            by = user = _access.authenticate(request.headers.get("Authorization", ""), self._users)
            user = _access.impersonate(by, request.headers.items(), self._users.values())
            response = await self._answer(request, user)
            code = response.status if response else 0
        except StatusError as error:
            response = _json(error.code, error.body, _headers(error))
            code = error.code
        except web.HTTPRequestEntityTooLarge:
            why = f"Request entity too large: limit is {_MAX_BODY}"
            response = _json(413, StatusError("RequestEntityTooLarge", why).body)
            code = response.status
        except _NoSuchPathError:
            code = 404
            response = web.Response(status=code, text="404 page not found\n")
        finally:
            self.requests.append(Seen(request.method, request.path_qs, code, user.name, by.name))
            self.answered.set()
        if response is None:
            return _hang_up(request)
        response.headers["Date"] = format_datetime(self._state.clock.date(), usegmt=True)
        return response

    async def _answer(self, request: web.BaseRequest, user: User) -> web.Response | None:
        began = time.monotonic()
        if request.path == _SELF_REVIEWS and request.method == "POST":
            return _json(201, _access.self_review(user))
        if request.path == _REVIEWS and request.method == "POST":
            return _json(201, _access.review(user, _json_of(await request.read())))
        if request.path in {"/healthz", "/livez", "/readyz"}:
            return web.Response(text="ok")
        if request.method == "GET" and (found := _discovery.at(request.path, self._state)):
            return _json(200, found)
        call = self._parse(request, user)
        verb = "list" if request.method == "GET" and not call.name else _VERBS.get(request.method, "")
        target = Target(
            verb=verb,
            resource=call.collection.resource,
            namespace=call.namespace,
            name=call.name,
            subresource=call.subresource,
        )
        _access.authorize(user, target)
        faults = self._state.faults.met_by(target)
        early = await _meet(faults)
        if early is not None or any(f.drop == "before" for f in faults):
            return early
        code = 200
        if verb in {"get", "list"}:
            result = await (self._api.get(call) if verb == "get" else self._api.list(call))
        else:
            code, result = await self._write_in_time(verb, call, request, began)
        if any(f.drop == "after" for f in faults):
            return None
        return _json(code, result)

    async def _write_in_time(self, verb: str, call: Call, request: web.BaseRequest, began: float) -> tuple[int, Object]:
        """Serve a write, or let it end with 504 and nothing stored.

        The body is read to its end, however long it takes, and the time for that counts: FinishRequest in
        pkg/endpoints/handlers/finisher/finisher.go. A client's own `timeout` is kept by a filter further out, whose
        Status says neither kind nor apiVersion (pkg/server/filters/timeout.go).
        """
        asked = _seconds(call.query.get("timeout", ""))
        limit = min(self.limit, asked or self.limit)
        body = b"" if verb == "delete" else await request.read()
        left = began + limit - time.monotonic()
        if left > 0:
            with anyio.move_on_after(left):
                return await self._dispatch(verb, call, request, body)
        if limit == asked:
            error = timeout("request did not complete within the allotted timeout")
            error.body = {k: v for k, v in error.body.items() if k not in {"kind", "apiVersion"}}
            raise error
        raise timeout("request did not complete within requested timeout - context deadline exceeded")

    async def _dispatch(self, verb: str, call: Call, request: web.BaseRequest, body: bytes) -> tuple[int, Object]:
        match verb:
            case "create":
                return 201, await self._api.create(call, _json_of(body))
            case "update":
                made, result = await self._api.replace(call, _json_of(body))
                return 201 if made else 200, result
            case "patch":
                return await self._patch(call, request.content_type, body)
            case "delete":
                return 200, await self._api.delete(call)
        raise StatusError("MethodNotAllowed", "the server does not allow this method on the requested resource")

    async def _patch(self, call: Call, content_type: str, body: bytes) -> tuple[int, Object]:
        _patches.check_type(content_type, call.query)
        if content_type != _patches.APPLY:
            return 200, await self._api.patch(call, _patches.change_by(content_type, body))
        config = _patches.configuration(call, body)
        made, result = await self._api.apply(call, config, force=call.query.get("force") in {"true", "1"})
        return 201 if made else 200, result

    def _parse(self, request: web.BaseRequest, user: User) -> Call:
        parts = [p for p in request.path.split("/") if p]
        namespace = ""
        found: Collection | None = None
        rest: list[str] = []
        if parts[:1] == ["api"]:
            parts = ["apis", "", *parts[1:]]
        if parts[:1] == ["apis"] and len(parts) > 3:  # noqa: PLR2004 -- group, version, and something in them
            group, version, *rest = parts[1:]
            own = () if group else ("status", "finalize")  # subresources of namespaces
            if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in own:  # noqa: PLR2004 -- its name, and more
                namespace, rest = rest[1], rest[2:]
            found = self._state.collection(group, version, rest[0])
            rest = rest[1:]
        if found is None or len(rest) > 2 or not found.has(*rest[1:]):  # noqa: PLR2004 -- name, subresource
            raise _NoSuchPathError
        if found.namespaced and rest and not namespace:
            raise _NoSuchPathError
        name, subresource = [*rest, "", ""][:2]
        return Call(
            collection=found,
            namespace=namespace,
            name=name,
            subresource=subresource,
            query=dict(request.query),
            accept=request.headers.get("Accept", ""),
            manager=request.query.get("fieldManager") or request.headers.get("User-Agent", "unknown").partition("/")[0],
            user=user.name,
        )


class _NoSuchPathError(Exception):
    """What no API serves: a 404 in plain text, for it is about no object."""


def _hang_up(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    raise ConnectionResetError("dropped as ordered")


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


def _seconds(duration: str) -> float:
    """Seconds of a duration as Go writes it, as in 1m30s; 0 where none is given."""
    if duration and not _DURATION.fullmatch(duration):
        why = f'time: invalid duration "{duration}"'
        raise StatusError("BadRequest", f"invalid timeout specified in the request URL - {why}")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", duration))


def _json_of(body: bytes) -> Any:  # noqa: ANN401 -- any JSON
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise StatusError("BadRequest", f"the body is not JSON: {error}") from error


def _json(code: int, body: Object, headers: dict[str, str] | None = None) -> web.Response:
    data = msgspec.json.encode(body)
    return web.Response(status=code, body=data, content_type="application/json", headers=headers)
