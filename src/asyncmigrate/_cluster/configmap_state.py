"""A state in a ConfigMap of the cluster, for pods: they share no file, and it outlives them."""

from __future__ import annotations

import random
import re
from typing import NoReturn

import anyio
import msgspec

from asyncmigrate._cluster.calls import Calls
from asyncmigrate._cluster.decode.answer import decoded as answer_of
from asyncmigrate._cluster.decode.objects import encode
from asyncmigrate._cluster.transport import Request
from asyncmigrate._rules.decisions.rights import needed_for_state, rules_for
from asyncmigrate._state.content import Change, NotAState, State, decoded, encoded, fitting
from asyncmigrate.errors import APIError, ConflictError, ForbiddenError, NotFoundError, StateError

PREFIX = "configmap:"
MOST_BYTES = 800_000  # of the 1,048,576 that a ConfigMap may have: on the way its quotes are escaped
_LABEL, _OURS = "app.kubernetes.io/managed-by", "asyncmigrate"
_DATA = "state.json"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Against others who write it too, in seconds: each of them that is in our way has got on, and hundreds of shards may
# end at once. The first wait is short, the later ones spread out whoever is left.
_PATIENCE = 45.0
_FIRST_WAIT, _MOST_WAIT = 0.05, 0.5
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_PATCH = {"Accept": "application/json", "Content-Type": "application/merge-patch+json"}


class _Meta(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None


class _ConfigMap(msgspec.Struct):
    metadata: _Meta
    data: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_ConfigMap).decode


class _Kept(msgspec.Struct, frozen=True):
    """The ConfigMap as it was last seen."""

    uid: str
    resource_version: str
    state: State


def place_of(text: str) -> tuple[str, str]:
    """The namespace and the name in `configmap:NS/NAME`.

    Raises:
        StateError: there are none.
    """
    namespace, _, name = text.removeprefix(PREFIX).partition("/")
    if not (_NAMESPACE.fullmatch(namespace) and _NAME.fullmatch(name)):
        raise StateError(f"the state {text!r} names no ConfigMap: write configmap:NAMESPACE/NAME")
    return namespace, name


class ConfigMapState:
    """The state that `configmap:NS/NAME` names. The ConfigMap is made if it is missing, the namespace is not.

    It belongs to the cluster that is migrated, so keys need not say which that is. All writes carry the resource
    version that they go by; after a 409 the newest is read and changed.
    """

    scope = "local"
    seconds = 60.0
    last_seconds = 2.0

    def __init__(self, calls: Calls, place: str) -> None:
        self._calls = calls
        self._namespace, self._named = place_of(place)
        self.name = f"the ConfigMap {self._namespace}/{self._named}"
        self._all = f"/api/v1/namespaces/{self._namespace}/configmaps"
        self._kept: _Kept | None = None

    async def update(self, change: Change) -> State:
        """See Store."""
        is_fresh = self._kept is None
        until, wait = anyio.current_time() + _PATIENCE, _FIRST_WAIT
        while anyio.current_time() < until:
            try:
                kept = self._kept or await self._read()
                after = fitting(change(kept.state), MOST_BYTES)
                if after == kept.state and is_fresh:
                    self._kept = kept
                    return after
                if after != kept.state:
                    self._kept = await self._write(kept, after)
                    return after
            except (ConflictError, NotFoundError):  # others made it, wrote it, or took it away
                await anyio.sleep(random.uniform(0, wait))  # noqa: S311 -- no secret
                wait = min(2 * wait, _MOST_WAIT)
            self._kept, is_fresh = None, True
        raise StateError(
            f"{self.name} was written by others each time, for {_PATIENCE:g} s: run again, with fewer shards"
        )

    async def _read(self) -> _Kept:
        try:
            body = await self._ask("GET", f"{self._all}/{self._named}")
        except NotFoundError:
            return await self._make()
        return self._of(body)

    async def _make(self) -> _Kept:
        meta = {"name": self._named, "namespace": self._namespace, "labels": {_LABEL: _OURS}}
        text = encoded(State()).decode()
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {_DATA: text}}
        try:
            return self._of(await self._ask("POST", self._all, encode(body)))
        except NotFoundError as error:
            message = f"{self.name} cannot be made: there is no namespace {self._namespace}; create it, or name another"
            raise StateError(message) from error

    async def _write(self, kept: _Kept, state: State) -> _Kept:
        patch = {
            "metadata": {"uid": kept.uid, "resourceVersion": kept.resource_version},
            "data": {_DATA: encoded(state).decode()},
        }
        return self._of(await self._ask("PATCH", f"{self._all}/{self._named}", encode(patch)))

    async def _ask(self, method: str, target: str, body: bytes = b"") -> bytes:
        request = Request(method, target, _PATCH if method == "PATCH" else _JSON, body)
        try:
            return await self._calls.send(request, f"{method.lower()} {self.name.removeprefix('the ')}")
        except ForbiddenError as error:
            self._forbidden(method, error)
        except APIError as error:
            if error.status.code in {400, 422}:  # it is immutable, or admission says no
                raise StateError(f"{self.name} cannot be written: {error.status.message}") from error
            raise

    def _forbidden(self, method: str, error: ForbiddenError) -> NoReturn:
        needed = needed_for_state(self._namespace, self._named)
        [rule] = rules_for(right for right in needed if (right.verb == "create") is (method == "POST"))
        message = f"{self.name} may not be used ({error.status.message}): add this rule to a Role in {self._namespace}"
        raise StateError(f"{message}: {rule}") from error

    def _of(self, body: bytes) -> _Kept:
        found = answer_of(_decode, body, "ConfigMap")
        meta, text = found.metadata, (found.data or {}).get(_DATA)
        if (meta.labels or {}).get(_LABEL) != _OURS:
            why = f"it has no label {_LABEL}={_OURS}"
            raise StateError(f"{self.name} is no asyncmigrate state ({why}), and is left as it is: name another")
        try:
            state = State() if text is None else decoded(text)
        except NotAState as error:
            message = f"{self.name} is no asyncmigrate state (its {_DATA}), and is left as it is: name another"
            raise StateError(message) from error
        return _Kept(meta.uid, meta.resource_version, state)
