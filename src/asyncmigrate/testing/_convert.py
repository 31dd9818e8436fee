"""Objects from one version of their CRD to another: by changing apiVersion, or by asking the CRD's webhook."""

from __future__ import annotations

from uuid import uuid4

from asyncmigrate.testing import _crds
from asyncmigrate.testing._faults import Fault, Target
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._prune import pruned
from asyncmigrate.testing._status import StatusError
from asyncmigrate.testing._webhooks import WebhookCallError, ask

_WEBHOOK_SECONDS = 30


class UnconvertibleError(StatusError):
    """An object that cannot be brought to a version: an error that the API server gives no reason for."""

    def __init__(self, message: str) -> None:
        super().__init__("", message, code=500)


def _failed(kind: str, api_version: str, why: str) -> UnconvertibleError:
    group, _, version = api_version.partition("/")
    return UnconvertibleError(f"conversion webhook for {group}/{version}, Kind={kind} failed: {why}")


async def read(objects: list[Object], crd: Object, version: str, unconvertible: list[Fault]) -> list[Object]:
    """What a reader in `version` gets of stored objects: pruned by both schemas, the stored one's and his.

    As the codec of crdConversionRESTOptionsGetter in apiextensions-apiserver's pkg/apiserver/customresource_handler.go.
    """
    return await write(
        [pruned(o, crd, o["apiVersion"].rpartition("/")[2]) for o in objects], crd, version, unconvertible
    )


async def write(objects: list[Object], crd: Object, version: str, unconvertible: list[Fault]) -> list[Object]:
    """What is stored of objects in `version`: converted, and then pruned by its schema."""
    converted = await convert(objects, crd, version, unconvertible)
    return [
        after if after["apiVersion"] == before["apiVersion"] else pruned(after, crd, version)
        for before, after in zip(objects, converted, strict=True)
    ]


async def convert(objects: list[Object], crd: Object, version: str, unconvertible: list[Fault]) -> list[Object]:
    """Bring objects to `version`, unpruned.

    Raises:
        UnconvertibleError: one of them cannot be, which ends it for all.
    """
    wanted = f"{crd['spec']['group']}/{version}"
    known = {f"{crd['spec']['group']}/{v}" for v in _crds.version_names(crd)}
    for obj in objects:
        if obj["apiVersion"] not in known:
            raise UnconvertibleError(f"request to convert CR from an invalid group/version: {obj['apiVersion']}")
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
    kind, old = objects[0]["kind"], objects[0]["apiVersion"]
    try:
        response = await ask(config, review, seconds=_WEBHOOK_SECONDS)
    except WebhookCallError as error:
        raise _failed(kind, old, str(error)) from error
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
