"""Objects from one version of their CRD to another: by changing apiVersion, or by asking the CRD's webhook."""

from __future__ import annotations

import base64
import ssl
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec

from asyncmigrate.testing import _crds
from asyncmigrate.testing._faults import Fault, Target
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._status import StatusError

_WEBHOOK_SECONDS = 30


def _failed(kind: str, api_version: str, why: str) -> StatusError:
    group, _, version = api_version.partition("/")
    return StatusError(
        "InternalError",
        f"conversion webhook for {group}/{version}, Kind={kind} failed: {why}",
    )


async def convert(objects: list[Object], crd: Object, version: str, unconvertible: list[Fault]) -> list[Object]:
    """Bring objects to `version`; raises 500 where one of them cannot be, for all of them."""
    wanted = f"{crd['spec']['group']}/{version}"
    known = {f"{crd['spec']['group']}/{v}" for v in _crds.version_names(crd)}
    for obj in objects:
        if obj["apiVersion"] not in known:
            raise StatusError(
                "InternalError",
                f"request to convert CR from an invalid group/version: {obj['apiVersion']}",
            )
        _check_fault(obj, crd, wanted, unconvertible)
    others = [o for o in objects if o["apiVersion"] != wanted]
    if not others:
        return objects
    if crd["spec"]["conversion"]["strategy"] == "None":
        return [o | {"apiVersion": wanted} for o in objects]
    converted = {o["metadata"]["uid"]: o for o in await _ask_webhook(others, crd, wanted)}
    return [converted.get(o["metadata"]["uid"], o) for o in objects]


def _check_fault(obj: Object, crd: Object, wanted: str, unconvertible: list[Fault]) -> None:
    if obj["apiVersion"] == wanted or not unconvertible:
        return
    meta = obj["metadata"]
    target = Target(verb="", resource=crd["metadata"]["name"], namespace=meta.get("namespace", ""), name=meta["name"])
    for fault in unconvertible:
        if fault.meets(target):
            fault.hits += 1
            raise _failed(obj["kind"], obj["apiVersion"], f"object {meta['name']} cannot be converted to {wanted}")


async def _ask_webhook(objects: list[Object], crd: Object, wanted: str) -> list[Object]:
    config = crd["spec"]["conversion"]["webhook"]["clientConfig"]
    review = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": {"uid": str(uuid4()), "desiredAPIVersion": wanted, "objects": objects},
    }
    kind, old, url = objects[0]["kind"], objects[0]["apiVersion"], config.get("url", "")
    trust = ssl.create_default_context(cadata=base64.b64decode(config.get("caBundle", "")).decode() or None)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_WEBHOOK_SECONDS)) as session,
            session.post(
                url, data=msgspec.json.encode(review), ssl=trust, headers={"Content-Type": "application/json"}
            ) as answer,
        ):
            response: dict[str, Any] = msgspec.json.decode(await answer.read()).get("response", {})
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
        raise _failed(kind, old, f'Post "{url}?timeout={_WEBHOOK_SECONDS}s": {error}') from error
    result = response.get("result") or {}
    if result.get("status") != "Success":
        raise _failed(kind, old, result.get("message") or "no message")
    converted: list[Object] = response.get("convertedObjects") or []
    if len(converted) != len(objects):
        raise _failed(kind, old, f"expected {len(objects)} converted objects, got {len(converted)}")
    for before, after in zip(objects, converted, strict=True):
        # Of metadata a webhook may change labels and annotations only.
        after["metadata"] = before["metadata"] | {
            k: v for k, v in after.get("metadata", {}).items() if k in {"labels", "annotations"}
        }
    return converted
