"""Manifests that a caller hands over: paths, URLs, texts, open files, dicts, and objects of Kubernetes clients.

Objects are told by their shape, and their libraries are not imported: `attribute_map` is what the generated models of
kubernetes and kubernetes_asyncio have, `raw` kr8s and its like, `to_dict` the dynamic client and lightkube. All of them
become JSON, which is read as a file's would be.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import date
from typing import Any, TypeAlias

import msgspec

from asyncmigrate._model import CRD_GROUP
from asyncmigrate._rules.errors.secrets import Discreet
from asyncmigrate.errors import ManifestError, UsageError

Manifest: TypeAlias = str | bytes | os.PathLike[str] | Mapping[str, Any] | object
Manifests: TypeAlias = Manifest | Iterable[Manifest | None]

_TAKES = "paths, URLs, texts, open files, dicts, and objects of Kubernetes clients"
# The models of the generated clients, whose items of lists have neither kind nor apiVersion.
_CRD_MODELS = {"V1CustomResourceDefinition", "V1CustomResourceDefinitionList"}


class Text(msgspec.Struct, frozen=True):
    """A manifest that is no file: its text, and a name for messages."""

    name: str
    text: bytes


class Place(Discreet, frozen=True):
    """A path or a URL, however it looks: a file's name may have line ends, and braces."""

    path: str

    def __fspath__(self) -> str:
        return self.path


Source: TypeAlias = Place | Text


def sources_of(manifests: Manifests) -> list[Source]:
    """What to read, one after the other: a str is a path or a URL, a Text is what it holds.

    A str is a text where it has several lines or begins with a brace. None, an empty document of YAML, is left out.

    Raises:
        UsageError: something in it is neither.
        ManifestError: an object cannot be told as JSON.
    """
    is_text = isinstance(manifests, str | bytes | os.PathLike) or _reads(manifests)
    if is_text or as_mapping(manifests) is not None:
        return [_source(manifests, "manifests")]
    if isinstance(manifests, AsyncIterable):
        raise UsageError("manifests is an async iterable: give a list, [m async for m in ...]")
    if not isinstance(manifests, Iterable):
        raise UsageError(f"manifests is {type(manifests).__name__}: give {_TAKES}")
    return [_source(m, f"manifests[{n}]") for n, m in enumerate(manifests) if m is not None]


def _source(manifest: object, name: str) -> Source:
    match manifest:
        case Text() | Place():
            return manifest
        case bytes():
            return Text(name, manifest)
        case _ if _reads(manifest):
            return _source(manifest.read(), name)  # type: ignore[attr-defined]  # it has one
        case str() if "\n" in manifest or manifest.lstrip().startswith("{"):
            return Text(name, manifest.encode("utf-8", "surrogatepass"))
        case str() | os.PathLike():
            path = os.fsdecode(manifest)
            if not path:
                raise UsageError(f"{name} is an empty text: give {_TAKES}")
            return Place(path)
    found = as_mapping(manifest)
    if found is None:
        raise UsageError(f"{name} is {type(manifest).__name__}: give {_TAKES}")
    try:
        return Text(name, json.dumps(found, default=_plain).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ManifestError(f"cannot be told as JSON: {error}", source=name) from error


def _reads(thing: object) -> bool:
    """An open file, which is no iterable of manifests: it would give lines."""
    return callable(getattr(thing, "read", None)) and not isinstance(thing, type)


def as_mapping(thing: object) -> Mapping[str, Any] | None:
    """A dict, or an object of a Kubernetes client as one; None where it is neither."""
    if isinstance(thing, Mapping):
        return thing
    if isinstance(thing, type):
        return None
    fields = getattr(thing, "attribute_map", None)
    if isinstance(fields, Mapping):
        return _of_model(thing, fields)
    raw = getattr(thing, "raw", None)
    if isinstance(raw, Mapping):
        return raw
    to_dict = getattr(thing, "to_dict", None)
    if callable(to_dict):
        found = to_dict()
        return found if isinstance(found, Mapping) else None
    return None


def _of_model(model: object, fields: Mapping[str, str]) -> Mapping[str, Any]:
    """A generated client's model as the API has it: names in camel case, and nothing that is None."""
    found = {name: value for field, name in fields.items() if (value := getattr(model, field, None)) is not None}
    kind = type(model).__name__
    return {"apiVersion": f"{CRD_GROUP}/v1", "kind": kind.removeprefix("V1")} | found if kind in _CRD_MODELS else found


def _plain(value: object) -> object:
    """What json does not know: parts of objects, and times."""
    found = as_mapping(value)
    if found is not None:
        return dict(found)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return list(value)
    raise TypeError(f"a {type(value).__name__} in it is nothing that JSON has")
