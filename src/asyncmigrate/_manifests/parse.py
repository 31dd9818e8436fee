"""CRDs out of the text of one manifest file: YAML or JSON, several documents, Lists; other kinds are ignored.

Two readers: py-yaml12 is quick, but it is YAML 1.2, copies what an alias stands for, and does not know kubectl's ways.
It reads what it reads as kubectl does. Whatever else there is, errors too, `exact_yaml` decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import yaml12

from asyncmigrate._manifests import hints
from asyncmigrate._manifests.crd_fields import Document, crd_of
from asyncmigrate._manifests.limits import MOST_VALUES, TOO_MANY_VALUES
from asyncmigrate._manifests.skip_schemas import without_schemas
from asyncmigrate._manifests.text import decoded
from asyncmigrate._model import CRD, CRD_GROUP
from asyncmigrate.errors import ManifestError

# How a token of YAML begins: an alias, an anchor, a tag. That it may stand in some text does no harm, but for time.
# Each begins with its mark, which is found several times quicker than what may stand before it.
_ALIAS = re.compile("\\*(?<![^\\s\ufeff:,\\[{?>-]\\*)(?=[^ \t\n])")
_ANCHOR = re.compile("&(?<![^\\s\ufeff:,\\[{?>-]&)(?=[^ \t\n])")
_TAG = re.compile("!(?<![^\\s\ufeff:,\\[{?>-]!)")
# One of these stands before each value but the first; a key counts with its value.
_JSON_MARKS = (",", "[", "{")
_YAML_MARKS = (*_JSON_MARKS, "\n", "- ", "-\t", "? ", "?\t")
_BLOCK_MARKS = ("- ", "-\t", "? ", "?\t", ": ", ":\t")
_LONG_LINE = 200  # columns; three levels in each take half of the stack that macOS gives a thread
_DEEP_INDENT = "\n" + " " * _LONG_LINE
_JSON_SPACE = re.compile(r"[ \t\n]*")


class Parsed(msgspec.Struct, frozen=True):
    """What was found in a text: its CRDs, and where there are none, why that may be (else empty)."""

    crds: tuple[CRD, ...]
    hint: str = ""


def parse(raw: bytes, source: str) -> Parsed:
    """Find the CRDs in one file's text, inside Lists too; other kinds are left aside.

    Raises:
        ManifestError: it is no YAML, or a document in it is no Kubernetes object, or a CRD in it is malformed, or it
            exceeds a bound.
    """
    objects = _objects(decoded(raw, source), source, whole=False)
    crds = tuple(found.crd for found in objects if found.crd)
    return Parsed(crds, "" if crds else next(filter(None, (hints.of_holder(o.document) for o in objects)), ""))


def parse_whole(text: str, source: str, *, exact: bool = False) -> list[tuple[CRD, Document]]:
    """The CRDs of a decoded text with their schemas, which are in the document that comes with each CRD.

    Where the text has aliases, parts of a document may stand in several places of it. With `exact` not even YAML 1.1's
    words for true and false are read in another way than by kubectl.
    """
    return [(found.crd, found.document) for found in _objects(text, source, whole=True, exact=exact) if found.crd]


def documents(text: str, source: str) -> list[object]:
    """Every document of a decoded text, Kubernetes' or not, without the schemas of CRDs.

    Raises:
        ManifestError: it is no YAML, or it exceeds a bound.
    """
    with _hinted(text, source):
        found = _json(text, source)
        if found is None:
            found = _quick(text, whole=False)
        return _exact(text, source) if found is None else found


class _Object(msgspec.Struct):
    """A Kubernetes object; `crd` is None if it is of another kind."""

    document: Document
    crd: CRD | None


def _objects(text: str, source: str, *, whole: bool, exact: bool = False) -> list[_Object]:
    with _hinted(text, source):
        if (found := _json(text, source)) is not None:
            return _all_objects(found, source)
        quick = None if exact else _quick_objects(text, source, whole=whole)
        return _all_objects(_exact(text, source), source) if quick is None else quick


def _quick_objects(text: str, source: str, *, whole: bool) -> list[_Object] | None:
    found = _quick(text, whole=whole)
    try:
        return None if found is None else _all_objects(found, source)
    except ManifestError:  # it may say something else to kubectl
        return None


@contextmanager
def _hinted(text: str, source: str) -> Iterator[None]:
    """Have an error say what the text is instead, where that is known."""
    try:
        yield
    except ManifestError as error:
        if hint := hints.of_text(text):
            raise ManifestError(hint, source=source) from error
        raise


def _json(text: str, source: str) -> list[object] | None:
    """The values of a JSON text, which may stand back to back; None if it is something else."""
    at = _JSON_SPACE.match(text).end()  # type: ignore[union-attr]  # it matches everywhere
    if not text.startswith("{", at):
        return None
    if _has_too_many(text, _JSON_MARKS):
        raise ManifestError(TOO_MANY_VALUES, source=source)
    found, decoder = [], json.JSONDecoder()
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            found.append(value)
            at = _JSON_SPACE.match(text, at).end()  # type: ignore[union-attr]
    except (ValueError, RecursionError):
        return None  # flow-style YAML, or with marks between its documents
    return found


def _quick(text: str, *, whole: bool) -> list[object] | None:
    """What the quick reader reads as kubectl does; None if it may not."""
    if not whole:
        text = without_schemas(text)
    if _has_too_many(text, _YAML_MARKS) or is_deep(text) or is_read_otherwise(text):
        return None
    try:
        return list(yaml12.parse_yaml(text, multi=True))
    except (ValueError, RecursionError):
        return None


def is_deep(text: str) -> bool:
    """Whether blocks may be nested so deep that the quick reader overflows its stack, which ends the process.

    It takes 800 bytes for a level. A block needs a column of its own, or shares it with the one around it (a sequence
    in a map); what is nested on one line is marked.
    """
    if _DEEP_INDENT in text:
        return True
    at = 0
    while at + _LONG_LINE < len(text):
        end = text.rfind("\n", at, at + _LONG_LINE)
        if end < 0:
            end = text.find("\n", at + _LONG_LINE)
            end = len(text) if end < 0 else end
            if sum(text.count(mark, at, end) for mark in _BLOCK_MARKS) > _LONG_LINE:
                return True
        at = end + 1
    return False


def is_read_otherwise(text: str) -> bool:
    """Whether a text may have aliases or tags, which the quick reader reads in its own way."""
    return bool((_ALIAS.search(text) and _ANCHOR.search(text)) or _TAG.search(text))


def _has_too_many(text: str, marks: tuple[str, ...]) -> bool:
    return len(text) > MOST_VALUES and sum(map(text.count, marks)) > MOST_VALUES


def _exact(text: str, source: str) -> list[object]:
    from asyncmigrate._manifests import exact_yaml  # noqa: PLC0415 -- PyYAML costs time, and is rarely needed

    try:
        return exact_yaml.read(text)
    except ValueError as error:
        raise ManifestError(str(error), source=source) from error


def _all_objects(found: list[object], source: str) -> list[_Object]:
    objects: list[_Object] = []
    for number, document in enumerate(found, start=1):
        try:
            objects += map(_object, _in_lists(document))
        except ValueError as error:
            problem = " ".join(str(error).split())  # what it quotes may have lines of its own
            raise ManifestError(problem, source=source, document=number) from error
    return objects


def _in_lists(document: object) -> Iterator[Document]:
    """The objects of a document, out of Lists in Lists too, in order."""
    todo: list[tuple[object, dict[str, Any]]] = [(document, {})]
    while todo:
        found, typed = todo.pop()
        if found is None:
            continue  # an empty document, as templates leave them behind
        # The items of a typed list need not repeat what the list says.
        full = typed | found if isinstance(found, dict) else None
        if full is None or not all(isinstance(full.get(k), str) for k in ("apiVersion", "kind")):
            hint = hints.of_document(found) if isinstance(found, dict) else ""
            raise ValueError(hint or "not a Kubernetes object: it has no apiVersion and kind")
        items = full.get("items")
        if full["kind"].endswith("List") and isinstance(items, list):
            typed = {"apiVersion": full["apiVersion"], "kind": full["kind"].removesuffix("List")}
            todo += [(item, typed) for item in reversed(items)]
        else:
            yield full


def _object(document: Document) -> _Object:
    if hint := hints.of_document(document):
        raise ValueError(hint)
    is_crd = document["kind"] == "CustomResourceDefinition" and document["apiVersion"].startswith(f"{CRD_GROUP}/")
    return _Object(document, crd_of(document) if is_crd else None)
