"""The scale subresource of custom resources: what it shows of an object, and whose the replicas are after a write.

As apiextensions-apiserver in pkg/registry/customresource/etcd.go and k8s.io/apimachinery in
pkg/util/managedfields/scalehandler.go. To apply a Scale fails, as it does there for custom resources; that it may meet
conflicts before it fails is not there.
"""

from __future__ import annotations

from typing import Any

from asyncmigrate.testing import _crds, _managed
from asyncmigrate.testing._call import Call
from asyncmigrate.testing._managed import Entry, identity
from asyncmigrate.testing._objects import Object
from asyncmigrate.testing._paths import Path, paths_of, tree_of
from asyncmigrate.testing._status import StatusError, internal_error, invalid

API_VERSION = "autoscaling/v1"
_REPLICAS: Path = ("f:spec", "f:replicas")
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _at(obj: Object, path: str) -> Any:  # noqa: ANN401 -- any JSON
    value: Any = obj
    for part in filter(None, path.split(".")):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def replicas_of(obj: Object, where: Object) -> Any:  # noqa: ANN401 -- any JSON
    return _at(obj, where["specReplicasPath"])


def shown(obj: Object, where: Object, *, reading: bool = False) -> Object:
    """The Scale of an object."""
    replicas = replicas_of(obj, where)
    if replicas is None and reading:
        raise internal_error(f'the spec replicas field "{where["specReplicasPath"]}" does not exist')
    selector = _at(obj, where.get("labelSelectorPath") or "") if where.get("labelSelectorPath") else None
    return {
        "kind": "Scale",
        "apiVersion": API_VERSION,
        "metadata": {f: obj["metadata"][f] for f in _SHOWN if f in obj["metadata"]},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {"replicas": _at(obj, where["statusReplicasPath"]) or 0}
        | ({"selector": selector} if selector else {}),
    }


def scaled(call: Call, obj: Object, where: Object, scale: Any) -> Object:  # noqa: ANN401 -- a request body
    """The object with the replicas that a Scale asks for, and with the resourceVersion that it says."""
    spec = scale.get("spec") if isinstance(scale, dict) else None
    replicas = (spec.get("replicas") if isinstance(spec, dict) else None) or 0
    kind = call.collection.kind
    if not isinstance(replicas, int):
        what = "json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32"
        raise StatusError("Invalid", f' "" is invalid: patch: Invalid value: {what}')
    if replicas < 0:
        why = f"Invalid value: {replicas}: should be a non-negative integer"
        raise invalid(kind.group, kind.kind, call.name, [(where["specReplicasPath"], why)])
    wanted = (scale.get("metadata") or {}).get("resourceVersion")
    meta = obj["metadata"] | ({"resourceVersion": wanted} if wanted else {})
    return _with(obj, [p for p in where["specReplicasPath"].split(".") if p], replicas) | {"metadata": meta}


def _with(obj: Object, path: list[str], value: int) -> Object:
    below = value if len(path) == 1 else _with(obj.get(path[0]) or {}, path[1:], value)
    return obj | {path[0]: below}


def owners(call: Call, crd: Object, live: list[Entry], *, replicas: int | None, at: str) -> list[Entry]:
    """The entries after a write that has changed the replicas to so many, or has not (None).

    Entries of versions that the CRD lacks are gone (ToParent).
    """
    mapped: dict[str, Path | None] = {
        f"{crd['spec']['group']}/{v['name']}": _field_path(_crds.scale_of(v)) for v in crd["spec"]["versions"]
    }
    parents = {identity(e): e for e in live}
    scale: dict[tuple[str, ...], Entry] = {
        identity(seen): seen
        for e in parents.values()
        if (path := mapped.get(e["apiVersion"])) and path in paths_of(e["fieldsV1"])
        for seen in [e | {"apiVersion": API_VERSION, "fieldsV1": tree_of({_REPLICAS})}]
    }
    if replicas is not None and scale:  # where nobody is tracked, nobody is from then on
        mine = call.writer(at).entry("Update") | {"apiVersion": API_VERSION}
        # None at all are left out of a Scale, and so belong to nobody.
        scale = {identity(mine): mine} if replicas else {}
    after: list[Entry] = []
    for who, entry in parents.items():
        path = mapped.get(entry["apiVersion"])
        held = paths_of(entry["fieldsV1"])
        if entry["apiVersion"] not in mapped:
            continue
        # An Update entry is another one in the Scale, for its version: it is always taken out here, and put in below.
        if path is None or path not in held or who in scale:
            scale.pop(who, {})
            after.append(entry)
        elif held - {path}:
            after.append(entry | {"fieldsV1": tree_of(held - {path})})
    own = call.collection.api_version
    for who, entry in scale.items():
        stays = {k: v for k, v in entry.items() if k != "time"}
        # An applier is the same in whatever version, and so keeps its time.
        time = parents[who].get("time") if who in parents else None
        path = mapped[own]
        if path is not None:
            held_entry = stays | {"apiVersion": own, "fieldsV1": tree_of({path})}
            after.append(held_entry | ({"time": time} if time else {}))
    return _managed.in_order(after)


def _field_path(where: Object | None) -> Path | None:
    return tuple(f"f:{p}" for p in where["specReplicasPath"].split(".") if p) if where else None


def no_apply(call: Call) -> StatusError:
    why = (
        f"failed to convert new object (/{call.name}; {API_VERSION}, Kind=Scale) to proper version: "
        f"request to convert CR to an invalid group/version: {API_VERSION}"
    )
    return StatusError("", why, code=500)
