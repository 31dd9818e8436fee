"""Takes out of one CRD's document what is needed of it, and says what is malformed in that."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from asyncmigrate._model import CRD, Name, Version

Document = dict[Any, Any]

_UNQUOTED = re.compile("Expected `str`, got `(?:int|float|bool)`")


class _Names(msgspec.Struct):
    plural: Name
    kind: Name


class _Metadata(msgspec.Struct):
    name: Name
    # The server takes null for an empty text, as it does for whatever is left out.
    labels: dict[str, str | None] | None = None


class _Version(msgspec.Struct):
    name: Name
    served: bool | None = None
    storage: bool | None = None


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


def crd_of(document: Document) -> CRD:
    """The CRD.

    Raises:
        ValueError: it is malformed; one line that says how.
    """
    version = str(document["apiVersion"]).partition("/")[2]
    if version not in {"v1", "v1beta1"}:
        raise ValueError(f"CustomResourceDefinition of unknown version {version}: v1 and v1beta1 are known")
    try:
        manifest = msgspec.convert(document, _Manifest)
    except msgspec.ValidationError as error:
        said = str(error).replace(" | null`", "`")
        quote = ": put it in quotes" if _UNQUOTED.search(said) else ""
        raise ValueError(f"malformed CustomResourceDefinition: {said}{quote}") from error
    meta, spec = manifest.metadata, manifest.spec
    versions = tuple(Version(v.name, served=bool(v.served), storage=bool(v.storage)) for v in spec.versions or ())
    if not versions and version == "v1beta1" and spec.version:
        versions = (Version(spec.version, served=True, storage=True),)
    if problem := _problem(meta, spec, versions):
        raise ValueError(f"malformed CustomResourceDefinition: {problem}")
    return CRD(
        name=meta.name,
        group=spec.group,
        plural=spec.names.plural,
        kind=spec.names.kind,
        scope=spec.scope,
        versions=versions,
        labels={key: value or "" for key, value in (meta.labels or {}).items()},
        webhook=((spec.conversion and spec.conversion.strategy) or "None") != "None",
    )


def _problem(meta: _Metadata, spec: _Spec, versions: tuple[Version, ...]) -> str:
    if not versions:
        return "spec.versions is empty"
    if meta.name != f"{spec.names.plural}.{spec.group}":
        return f"metadata.name is {meta.name!r} but must be <plural>.<group>: {spec.names.plural}.{spec.group}"
    if not meta.name.isascii():  # nor can half a surrogate pair, out of JSON, go into a path
        return f"metadata.name is {meta.name!a}, which is no DNS name"
    return ""
