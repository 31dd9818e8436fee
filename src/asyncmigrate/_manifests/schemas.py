"""Reads the schemas of a manifest's CRD: a second read of its source, for the few CRDs whose schemas are needed."""

from __future__ import annotations

import json
import re
from bisect import bisect
from contextlib import suppress
from typing import Any

import msgspec

from asyncmigrate._manifests.crd_fields import Document
from asyncmigrate._manifests.parse import parse_whole
from asyncmigrate._manifests.reader import Found
from asyncmigrate._manifests.sources import Source
from asyncmigrate._manifests.text import decoded
from asyncmigrate._model import CRD
from asyncmigrate._rules.safety.pruning import ANYTHING
from asyncmigrate.errors import ManifestError

Schemas = dict[str, Any]  # version name to its openAPIV3Schema, decoded; None where it has none

# Where a document but the first starts (YAML 1.2, c-directives-end): no scalar may have this at the start of a line.
_MARK = re.compile(r"\n---(?=\s|\Z)")
# What may be a CRD's name, in YAML or JSON; it has dots.
_NAME = re.compile(r"name[\"']?\s*:\s*[\"']?([a-z0-9-]+(?:\.[a-z0-9-]+)+)")

# Fields of a schema that are true or false, when text stands there.
_AS_TEXT = tuple(f'{field}": "' for field in ("unknown-fields", "embedded-resource", "nullable"))


class SchemaReader:
    """Reads the schemas of one CRD after the other; blocking, so call it from a thread, one call at a time.

    It holds on to the text of the source that it read last: ask for the CRDs of one source one after the other.
    """

    def __init__(self) -> None:
        self._origin: Source | None = None
        self._pieces = _Pieces("", "")

    def read(self, found: Found) -> Schemas:
        """The schema of each version of a CRD.

        Where `spec.preserveUnknownFields` is true, as v1beta1 has it by default, each is `ANYTHING`.

        Raises:
            ManifestError: the source has changed since its CRDs were read, or cannot be read any more.
        """
        if found.origin is not self._origin:
            self._origin, self._pieces = None, _Pieces("", "")  # lets go of the last text before the next is read
            self._pieces = _Pieces(decoded(found.origin.read(), found.source), found.source)
            self._origin = found.origin
        schemas = self._pieces.take(found.crd)
        if schemas is None:
            problem = f"it has changed since CRD {found.crd.name} was read from it: try again"
            raise ManifestError(problem, source=found.source)
        return schemas


class _Pieces:
    """A text in pieces, one for each document mark, of which only those are parsed that may hold a CRD asked for."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._marks = [0, *(mark.start() + 1 for mark in _MARK.finditer(text)), len(text)]
        self._named: dict[str, dict[int, None]] = {}  # by a name: the pieces that it is in, in order
        for name in _NAME.finditer(text):
            self._named.setdefault(name[1], {})[bisect(self._marks, name.start()) - 1] = None
        # The schemas of CRDs that came along, in a List for one. They are JSON, which takes a tenth of the memory.
        self._ready: dict[bytes, bytes] = {}

    def take(self, crd: CRD) -> Schemas | None:
        """The schemas of a CRD; None where there is no such CRD."""
        key = msgspec.json.encode(crd)
        for piece in self._named.get(crd.name, ()):
            if key not in self._ready:
                with suppress(ManifestError):  # cut from a text that has tags of its own, say
                    self._parse(self._text[self._marks[piece] : self._marks[piece + 1]])
        if key not in self._ready:
            self._parse(self._text)
        schemas = self._ready.pop(key, None)
        return None if schemas is None else json.loads(schemas)

    def _parse(self, text: str) -> None:
        self._take(text, exact=False) or self._take(text, exact=True)

    def _take(self, text: str, *, exact: bool) -> bool:
        """Keep all schemas of a text, and tell whether they are read as by kubectl."""
        for crd, document in parse_whole(text, self._source, exact=exact):
            schemas = _schemas(document)
            try:
                # Keys that are no text become it, as they do for kubectl.
                as_json = json.dumps(schemas, skipkeys=True, default=str)
            except RecursionError as error:
                raise ManifestError(f"the schemas of CRD {crd.name} are too deep", source=self._source) from error
            if not exact and _has_old_booleans(document, as_json):
                return False
            self._ready.setdefault(msgspec.json.encode(crd), as_json.encode())
        return True


def _has_old_booleans(document: Document, schemas: str) -> bool:
    """Whether `yes` or `off`, say, stands for true or false where that matters: to the quick reader they are text."""
    return isinstance(document["spec"].get("preserveUnknownFields"), str) or any(map(schemas.__contains__, _AS_TEXT))


def _schemas(document: Document) -> Schemas:
    spec, is_old = document["spec"], str(document["apiVersion"]).endswith("/v1beta1")
    keeps_all = spec.get("preserveUnknownFields")
    if keeps_all or (keeps_all is None and is_old):
        return {name: ANYTHING for name, _ in _versions(spec)}
    common = _schema(spec.get("validation")) if is_old else None
    return {name: _schema(schema) or common for name, schema in _versions(spec)}


def _versions(spec: Document) -> list[tuple[str, object]]:
    return [(v["name"], v.get("schema")) for v in spec.get("versions") or ()] or [(spec["version"], None)]


def _schema(holder: object) -> object:
    return holder.get("openAPIV3Schema") if isinstance(holder, dict) else None
