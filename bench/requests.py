"""Requests of a bare loop, and what it makes of a list: empty patches, or patches that move managedFields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

ONE = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
MANY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"

_CONTENT = {"POST": "application/json", "PATCH": "application/merge-patch+json"}


class Sent(msgspec.Struct, frozen=True):
    """A request; files of them are made by `write_requests`.

    `content` is the type of its body where the method does not tell.
    """

    method: str
    target: str
    accept: str = "application/json"
    body: str = ""
    content: str = ""

    @property
    def content_type(self) -> str:
        return self.content or _CONTENT[self.method]


def write_requests(path: Path, requests: list[Sent]) -> Path:
    path.write_bytes(msgspec.json.encode(requests))
    return path


class _Seen(msgspec.Struct, rename="camel"):
    """Of an entry what tells which version to send an empty patch through, and how old the object is."""

    api_version: str = ""
    time: str = ""


class _Entry(_Seen, rename="camel", omit_defaults=True):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields_type: str = ""
    fields_v1: msgspec.Raw = msgspec.field(name="fieldsV1", default_factory=msgspec.Raw)


class _Meta(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str
    managed_fields: list[_Seen] = []


class _WholeMeta(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str
    uid: str
    managed_fields: list[_Entry] = []


class _Object(msgspec.Struct):
    metadata: _Meta


class _WholeObject(msgspec.Struct):
    metadata: _WholeMeta


class _List(msgspec.Struct):
    items: list[_Object]


class _WholeList(msgspec.Struct):
    items: list[_WholeObject]


def empty_patches(listed: bytes, path: str) -> Iterator[Sent]:
    for item in msgspec.json.decode(listed, type=_List).items:
        yield Sent("PATCH", f"{path}/{item.metadata.name}", ONE, "{}")


def moves(listed: bytes, path: str, to: str) -> Iterator[Sent]:
    """Patches that move the managedFields of objects to another apiVersion."""
    for item in msgspec.json.decode(listed, type=_WholeList).items:
        meta = item.metadata
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": meta.uid},
            {"op": "replace", "path": "/metadata/managedFields", "value": moved(meta.managed_fields, to)},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": meta.resource_version},
        ]
        yield Sent("PATCH", f"{path}/{meta.name}", ONE, msgspec.json.encode(patch).decode(), JSON_PATCH)


def moved(entries: list[_Entry], to: str) -> list[_Entry]:
    """Entries in another apiVersion, those of one manager and operation united."""
    after: dict[tuple[str, str, str], _Entry] = {}
    for entry in entries:
        entry.api_version = to
        first = after.setdefault((entry.manager, entry.operation, entry.subresource), entry)
        if first is not entry:
            fields = union(msgspec.json.decode(first.fields_v1), msgspec.json.decode(entry.fields_v1))
            first.fields_v1 = msgspec.Raw(msgspec.json.encode(fields))
            first.time = max(first.time, entry.time)
    return list(after.values())


def union(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    return a | {key: union(a.get(key, {}), fields) for key, fields in b.items()}
