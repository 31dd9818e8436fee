"""Objects of some KB that one manager owns, or several: each write is as a controller or a person would send it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import msgspec

from bench.real import GROUP, RealScene, path_of
from bench.requests import APPLY, JSON_PATCH, MANY, ONE, Sent

Json = dict[str, Any]

_NOT_YET = 429


class Write(msgspec.Struct, frozen=True):
    """What one manager writes into each object; POST creates it."""

    manager: str
    body: Json
    method: str = "PATCH"
    content: str = ""
    subresource: str = ""


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def _map_of(item: Json) -> Json:
    return {"type": "object", "additionalProperties": item}


def _list_by(key: str, item: Json) -> Json:
    how = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return {"type": "array", "items": item | {"required": [key]}, **how}


_TEXT, _WHOLE, _FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_PART = _object(name=_TEXT, config=_object(key=_TEXT, on=_FLAG))
_CONDITION = _object(type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT, lastTransitionTime=_TEXT)
SCHEMA = _object(
    spec=_object(
        replicas=_WHOLE,
        template=_object(metadata=_object(labels=_map_of(_TEXT)), parts=_list_by("name", _PART)),
        settings=_map_of(_object(value=_TEXT)),
    ),
    status=_object(phase=_TEXT, observedGeneration=_WHOLE, conditions=_list_by("type", _CONDITION)),
)


def _template(first: int, end: int) -> Json:
    parts = [{"name": f"part-{n}", "config": {"key": "v" * 30, "on": True}} for n in range(first, end)]
    return {"replicas": 3, "template": {"metadata": {"labels": {"app": "bench", "tier": "backend"}}, "parts": parts}}


def _settings(first: int, end: int) -> Json:
    return {"settings": {f"setting{n}": {"value": f"{'s' * 12}{n}"} for n in range(first, end)}}


def _annotated(**annotations: str) -> Json:
    return {"metadata": {"annotations": annotations}}


def _conditions(*types: str) -> Json:
    rest = {"status": "True", "reason": "AsExpected", "message": "all is well"}
    since = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    return {"conditions": [{"type": t, **rest, **since} for t in types]}


_SEEN = {"phase": "Ready", "observedGeneration": 1}
_SUM = _annotated(checksum="0123456789abcdef")
# By how many managedFields entries come of it.
WRITES = {
    1: (Write("operator", {"spec": _template(0, 6) | _settings(0, 8)}, "POST"),),
    3: (
        Write("kubectl", {"spec": _template(0, 6)}, content=APPLY),
        Write("operator", {"spec": _settings(0, 8)} | _SUM),
        Write("operator", {"status": _SEEN | _conditions("Ready", "Available")}, subresource="status"),
    ),
    8: (
        Write("argocd", {"spec": _template(0, 3)}, content=APPLY),
        Write("kubectl", {"spec": {"template": {"parts": _template(3, 6)["template"]["parts"]}}}, content=APPLY),
        Write("flux", {"spec": _template(0, 3)}, content=APPLY),  # the same fields as argocd
        Write("helm", _annotated(release="bench", chart="bench-1.2.3")),
        Write("operator", {"spec": _settings(0, 5)} | _SUM),
        Write("injector", {"spec": _settings(5, 8), "metadata": {"labels": {"injected": "yes"}}}),
        Write("operator", {"status": _SEEN | _conditions("Ready")}, subresource="status"),
        Write("prober", {"status": _conditions("Available")}, content=APPLY, subresource="status"),
    ),
}


class Owned:
    """A CRD whose objects have managedFields entries of several managers, which can all be put back.

    Attributes:
        entries: of each object.
        storage: the version that new writes are stored in.
    """

    def __init__(self, scene: RealScene, plural: str, objects: int, entries: list[Json]) -> None:
        self.scene = scene
        self.plural = plural
        self.objects = objects
        self.entries = entries
        self.storage = "v1"

    @property
    def size(self) -> int:
        """The bytes of an object in etcd."""
        return len(next(iter(self._stored().values())))

    async def make_stale(self, *, moved: bool = False) -> str:
        """Have the objects stored in one version, with their entries, and then storage moved to the other.

        `moved`: their entries are in that one already. Returns the version that storage moved from.
        """
        old, new = self.storage, "v1" if self.storage == "v2" else "v2"
        entries = [entry | {"apiVersion": f"{GROUP}/{new if moved else old}"} for entry in self.entries]
        body = json.dumps([{"op": "replace", "path": "/metadata/managedFields", "value": entries}])
        path = path_of(self.plural, old)
        self.scene.write(Sent("PATCH", f"{path}/{name}", ONE, body, JSON_PATCH) for name in names(self.objects))
        self.check(old, new if moved else old)
        self.storage = await self.scene.move_storage(self.plural)
        return old

    async def listed(self) -> Path:
        """A list of the objects' metadata, in a file."""
        path = f"/apis/{GROUP}/{self.storage}/{self.plural}"
        with anyio.fail_after(60):
            # 429 as long as the server's cache of the resource is being filled.
            while (answer := await self.scene.bed.http.get(path, headers={"Accept": MANY})).status_code == _NOT_YET:
                await self.scene.until_idle()
        file = self.scene.folder / f"listed-{self.plural}"
        file.write_bytes(answer.raise_for_status().content)
        return file

    def check(self, storage: str, entries: str) -> None:
        """The objects are stored in one version and their entries in another, and no owner has lost a field."""
        self.scene.check(self.plural, storage)
        wanted = [_plain(entry) | {"apiVersion": f"{GROUP}/{entries}"} for entry in self.entries]
        for data in self._stored().values():
            found = [_plain(entry) for entry in json.loads(data)["metadata"]["managedFields"]]
            if found != wanted:
                raise RuntimeError(f"managedFields are {found}, not {wanted}")

    def _stored(self) -> dict[tuple[str, str], bytes]:
        return self.scene.bed.stored(f"{self.plural}.{GROUP}")


def _plain(entry: Json) -> Json:
    """Without the time, which the server keeps where nothing but times would change."""
    return {key: value for key, value in entry.items() if key != "time"}


async def owned(scene: RealScene, plural: str, objects: int, entries: int) -> Owned:
    """A new CRD with such objects, stored in v1."""
    [manifest] = await scene.define([plural], status=True, schemas={"v1": SCHEMA, "v2": SCHEMA})
    for write in WRITES[entries]:
        scene.write(_requests(write, manifest, objects))
    stored = scene.bed.stored(f"{plural}.{GROUP}")
    found = json.loads(stored["default", "w-000000"])["metadata"]["managedFields"]
    if len(found) != entries or len(stored) != objects:
        raise RuntimeError(
            f"{len(stored)} objects with {len(found)} managedFields entries, not {objects} with {entries}"
        )
    return Owned(scene, plural, objects, found)


def _requests(write: Write, manifest: Json, objects: int) -> Iterator[Sent]:
    kind = {"apiVersion": f"{GROUP}/v1", "kind": manifest["spec"]["names"]["kind"]}
    path, query = path_of(manifest["spec"]["names"]["plural"]), f"?fieldManager={write.manager}"
    for name in names(objects):
        body = kind | write.body | {"metadata": write.body.get("metadata", {}) | {"name": name}}
        target = path if write.method == "POST" else "/".join(filter(None, (path, name, write.subresource)))
        yield Sent(write.method, target + query, ONE, json.dumps(body), write.content)


def names(objects: int) -> Iterator[str]:
    return (f"w-{number:06d}" for number in range(objects))
