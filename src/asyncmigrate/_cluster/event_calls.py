"""Calls that record Events about CRDs, in the form of core/v1 that kubectl and client-go have in common.

Each is one request, over the `Calls` of a session. They need the verbs create and patch, as client-go's recorder does.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from asyncmigrate._cluster.calls import Calls
from asyncmigrate._cluster.decode.answer import decoded
from asyncmigrate._cluster.transport import Request
from asyncmigrate._model import CRD_GROUP
from asyncmigrate._rules.decisions.crd_events import CRDEvent

# The API server wants Events about what has no namespace here: legacyValidateEvent in kubernetes' pkg/apis/core.
NAMESPACE = "default"
_EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
_CREATE = {"Accept": "application/json", "Content-Type": "application/json"}
_PATCH = {"Accept": "application/json", "Content-Type": "application/merge-patch+json"}
_WHO = "asyncmigrate"


class _Counted(msgspec.Struct):
    count: int = 0


_decode = msgspec.json.Decoder(_Counted).decode


async def create(calls: Calls, event: CRDEvent, at: str, *, within: float) -> None:
    """Record an Event for the first time; ConflictError if it is there already, from an earlier run."""
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event.name, "namespace": NAMESPACE},
        "involvedObject": {
            "apiVersion": f"{CRD_GROUP}/v1",
            "kind": "CustomResourceDefinition",
            "name": event.crd,
            "uid": event.uid,
            "resourceVersion": event.resource_version,
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "source": {"component": _WHO},
        "reportingComponent": _WHO,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
    request = Request("POST", _EVENTS, _CREATE, msgspec.json.encode(body))
    await calls.send(request, f"record an Event about {event.crd}", within=within, crd=event.crd)


async def say_again(calls: Calls, event: CRDEvent, at: str, *, within: float) -> int:
    """Renew what an earlier run recorded; returns how often that was said so far. NotFoundError if it has expired."""
    patch = {
        "involvedObject": {"resourceVersion": event.resource_version},
        "message": event.message,
        "lastTimestamp": at,
    }
    return decoded(_decode, await _patch(calls, event, patch, within), "Event").count


async def set_count(calls: Calls, event: CRDEvent, count: int, *, within: float) -> None:
    await _patch(calls, event, {"count": count}, within)


async def _patch(calls: Calls, event: CRDEvent, patch: object, within: float) -> bytes:
    request = Request("PATCH", f"{_EVENTS}/{quote(event.name, safe='')}", _PATCH, msgspec.json.encode(patch))
    return await calls.send(request, f"record an Event about {event.crd}", within=within, crd=event.crd)
