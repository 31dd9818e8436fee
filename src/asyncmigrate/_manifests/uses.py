"""Finds the objects of one kind in manifests: documents whose apiVersion has a given group, by version."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from asyncmigrate._manifests.parse import documents
from asyncmigrate._manifests.sources import texts
from asyncmigrate._results.droppable import ManifestUse
from asyncmigrate.errors import ManifestError

_NAMES = 10  # kept of each file

Uses = dict[str, tuple[ManifestUse, ...]]  # by version


def find_uses(sources: Sequence[str | os.PathLike[str]], group: str, kind: str, *, recursive: bool) -> Uses:
    """Look for objects of a group and kind, inside Lists too; blocking, so call it from a thread.

    Only files whose text has the group and the kind somewhere are parsed. Documents that are no Kubernetes objects are
    ignored: in a folder of manifests there may be values and settings of other tools.

    Raises:
        ManifestError: a source cannot be read, or one with the group and the kind in its text is no YAML.
    """
    found: dict[str, list[ManifestUse]] = {}
    for source in sources:
        for name, text in texts(os.fspath(source), recursive=recursive):
            if group.encode() in text and kind.encode() in text:
                for version, use in _uses(text, name, group, kind).items():
                    found.setdefault(version, []).append(use)
    return {version: tuple(uses) for version, uses in found.items()}


def _uses(text: bytes, source: str, group: str, kind: str) -> dict[str, ManifestUse]:
    counts: dict[str, int] = {}
    names: dict[str, list[str]] = {}
    for number, document in enumerate(documents(text, source), start=1):
        try:
            for version, name in _objects(document, group, kind):
                counts[version] = counts.get(version, 0) + 1
                if len(names.setdefault(version, [])) < _NAMES:
                    names[version].append(name)
        except RecursionError as error:
            raise ManifestError("a List that is nested without end", source=source, document=number) from error
    return {v: ManifestUse(source=source, objects=count, names=tuple(names[v])) for v, count in counts.items()}


def _objects(document: object, group: str, kind: str) -> Iterator[tuple[str, str]]:
    """The versions and names of the objects in one document."""
    if not isinstance(document, dict):
        return
    api_version, found, items = document.get("apiVersion"), document.get("kind"), document.get("items")
    if not isinstance(api_version, str) or not isinstance(found, str):
        return
    if found.endswith("List") and isinstance(items, list):
        # The items of a typed list need not repeat what the list says.
        typed = {"apiVersion": api_version, "kind": found.removesuffix("List")}
        for item in items:
            yield from _objects(typed | item if isinstance(item, dict) else item, group, kind)
    elif (found, api_version.rpartition("/")[0]) == (kind, group):
        yield api_version.rpartition("/")[2], _name(document.get("metadata"))


def _name(metadata: object) -> str:
    """`namespace/name`, as far as the manifest says it."""
    if not isinstance(metadata, dict):
        return "an object without a name"
    name = metadata.get("name") or f"{metadata.get('generateName') or ''}..."
    return f"{metadata['namespace']}/{name}" if metadata.get("namespace") else str(name)
