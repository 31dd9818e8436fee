"""CRDs out of the text of one manifest file: YAML or JSON, several documents, Lists; other kinds are ignored."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, TypeAlias

import msgspec
import yaml12

from asyncmigrate._manifests.skip_schemas import without_schemas
from asyncmigrate._model import CRD, CRD_GROUP, Name, Version
from asyncmigrate.errors import ManifestError

Document: TypeAlias = dict[Any, Any]

# What may be an anchor or an alias; that it may stand in some text does no harm, but for time.
_ANCHOR = re.compile(r"(?:[:,\[{-]|^)\s*&[^\s,\]}]+", re.MULTILINE)
_ALIAS = re.compile(r"(?:[:,\[{-]|^)\s*\*[^\s,\]}]+", re.MULTILINE)


def parse(text: bytes, source: str) -> Iterator[CRD]:
    """Find the CRDs in one file's text, inside Lists too; other kinds are left aside.

    Raises:
        ManifestError: it is no YAML, or a document in it is no Kubernetes object, or a CRD in it is malformed.
    """
    return (crd for crd, _ in _found(_documents(decoded(text, source), source), source))


def parse_whole(text: bytes, source: str) -> Iterator[tuple[CRD, Document]]:
    """The same with the schemas, which are in the document that comes with each CRD.

    Where the text has aliases, parts of a document may stand in several places of it, or inside themselves.
    """
    words = decoded(text, source)
    return _found(_json(words) or _whole_yaml(words, source), source)


def documents(text: bytes, source: str) -> list[object]:
    """Every document of one file's text, Kubernetes' or not, without the schemas of CRDs.

    Raises:
        ManifestError: it is no YAML.
    """
    return _documents(decoded(text, source), source)


def _found(found: list[object], source: str) -> Iterator[tuple[CRD, Document]]:
    for number, document in enumerate(found, start=1):
        try:
            yield from _crds(document, source, number, {})
        except RecursionError as error:
            raise ManifestError("a List that is nested without end", source=source, document=number) from error


def decoded(text: bytes, source: str) -> str:
    """The text: UTF-8, or UTF-16 that says so by its first bytes, as PowerShell writes it.

    Raises:
        ManifestError: it is neither.
    """
    encoding = "utf-16" if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return text.decode(encoding)
    except UnicodeDecodeError as error:
        raise ManifestError(f"not UTF-8 text: {error.reason} at byte {error.start}", source=source) from error


def _documents(text: str, source: str) -> list[object]:
    if found := _json(text):
        return found
    with suppress(ValueError, RecursionError):
        return _yaml(without_schemas(text))
    # The whole text: for the line that an error is in, and for an alias to what is anchored in a schema.
    return _whole_yaml(text, source)


def _json(text: str) -> list[object] | None:
    try:
        if text.lstrip()[:1] == "{":
            return [json.loads(text)]
    except (ValueError, RecursionError):
        pass  # flow-style YAML, or several JSON documents: for the YAML reader to say
    return None


def _whole_yaml(text: str, source: str) -> list[object]:
    try:
        return _yaml(text)
    except (ValueError, RecursionError) as error:
        problem = str(error).removeprefix("YAML parse error: ")
        raise ManifestError(f"not valid YAML: {' '.join(problem.split())}", source=source) from error


def _yaml(text: str) -> list[object]:
    return _with_aliases(text) if _has_aliases(text) else list(yaml12.parse_yaml(text, multi=True))


def _has_aliases(text: str) -> bool:
    return "&" in text and "*" in text and bool(_ANCHOR.search(text) and _ALIAS.search(text))


def _with_aliases(text: str) -> list[object]:
    """Read YAML with PyYAML, which keeps what an alias stands for once; the quick reader copies it each time.

    A few hundred bytes of aliases to aliases would be gigabytes then.
    """
    import yaml  # noqa: PLC0415 -- rarely needed

    try:
        # Not the C loader: deep nesting overflows its stack, and ours raises RecursionError.
        return list(yaml.load_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _crds(document: object, source: str, number: int, seen: dict[int, object]) -> Iterator[tuple[CRD, Document]]:
    """`seen` are items of Lists: with aliases some hundred bytes can hold one of them a billion times."""
    if document is None:
        return  # an empty document, as templates leave them behind
    if not isinstance(document, dict) or not all(isinstance(document.get(k), str) for k in ("apiVersion", "kind")):
        raise ManifestError("not a Kubernetes object: it has no apiVersion and kind", source=source, document=number)
    kind, items = document["kind"], document.get("items")
    if kind.endswith("List") and isinstance(items, list):
        item_kind = kind.removesuffix("List")
        for item in items:
            if id(item) in seen:
                continue
            seen[id(item)] = item  # kept, so that no id comes again
            # The items of a typed list need not repeat what the list says.
            full = {"apiVersion": document["apiVersion"], "kind": item_kind} | item if isinstance(item, dict) else item
            yield from _crds(full, source, number, seen)
    elif kind == "CustomResourceDefinition" and document["apiVersion"].startswith(f"{CRD_GROUP}/"):
        yield _crd(document, source, number), document


class _Names(msgspec.Struct):
    plural: Name
    kind: Name


class _Metadata(msgspec.Struct):
    name: Name
    labels: dict[str, str] | None = None


class _Version(msgspec.Struct):
    name: Name
    served: bool = False
    storage: bool = False


class _Conversion(msgspec.Struct):
    strategy: str | None = None


class _Spec(msgspec.Struct):
    group: Name
    names: _Names
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"  # v1 requires it, v1beta1 had this default
    version: str | None = None  # v1beta1 only
    versions: list[_Version] | None = None
    conversion: _Conversion | None = None


class _Manifest(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec


def _crd(document: Document, source: str, number: int) -> CRD:
    version = str(document["apiVersion"]).partition("/")[2]
    if version not in {"v1", "v1beta1"}:
        raise ManifestError(
            f"CustomResourceDefinition of unknown version {version}: v1 and v1beta1 are known",
            source=source,
            document=number,
        )
    try:
        manifest = msgspec.convert(document, _Manifest)
    except msgspec.ValidationError as error:
        raise ManifestError(f"malformed CustomResourceDefinition: {error}", source=source, document=number) from error
    meta, spec = manifest.metadata, manifest.spec
    versions = tuple(Version(v.name, served=v.served, storage=v.storage) for v in spec.versions or ())
    if not versions and version == "v1beta1" and spec.version:
        versions = (Version(spec.version, served=True, storage=True),)
    problem = None
    if not versions:
        problem = "spec.versions is empty"
    elif meta.name != f"{spec.names.plural}.{spec.group}":
        problem = f"metadata.name is {meta.name!r} but must be <plural>.<group>: {spec.names.plural}.{spec.group}"
    elif not meta.name.isascii():  # nor can half a surrogate pair, out of JSON, go into a path
        problem = f"metadata.name is {meta.name!a}, which is no DNS name"
    if problem:
        raise ManifestError(f"malformed CustomResourceDefinition: {problem}", source=source, document=number)
    return CRD(
        name=meta.name,
        group=spec.group,
        plural=spec.names.plural,
        kind=spec.names.kind,
        scope=spec.scope,
        versions=versions,
        labels=meta.labels or {},
        webhook=((spec.conversion and spec.conversion.strategy) or "None") != "None",
    )
