"""Walks a document of a manifest: which objects of a kind it holds, and where else it names a version of the kind."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import msgspec

# What kubectl or the server put there; what they name is history.
_HISTORY = frozenset({"managedFields", "kubectl.kubernetes.io/last-applied-configuration"})
_CRD = "CustomResourceDefinition"  # its versions are what is asked about; the rest are schemas and examples
_DEEP = 200  # levels that a place is told for


class Use(msgspec.Struct, frozen=True):
    """An object of the kind."""

    version: str
    name: str


class Mention(msgspec.Struct, frozen=True):
    """A place that names a version; see ManifestMention."""

    version: str
    at: str
    as_api_version: bool


class _Node(msgspec.Struct, frozen=True):
    """A part of a document. `typed` is the apiVersion and kind that a List gives to an item; None inside an object."""

    value: object
    at: tuple[str, ...] = ()
    typed: tuple[str, str] | None = None


class Kind:
    """What to look for: a group and a kind."""

    def __init__(self, group: str, kind: str) -> None:
        self._group = group
        self._kind = kind
        # Not in the middle of another name, nor as the host of a URL.
        named = rf"{re.escape(group)}/([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)"
        self._api_version = re.compile(rf"(?<![\w.-])(?<!//){named}(?![\w.])")

    def may_be_in(self, text: str) -> bool:
        """Tell whether a text may name a version of the kind, in plain letters."""
        return self._group in text and (self._kind.lower() in text.lower() or f"{self._group}/" in text)

    def is_named_in(self, text: str) -> bool:
        return self._group in text and self._kind in text

    def versions_in(self, text: str) -> list[str]:
        """The versions of the group that a text names; none where it is about another kind."""
        if "kind" in text and self._kind not in text:
            return []
        return list(dict.fromkeys(self._api_version.findall(text)))

    def found_in(self, document: object) -> Iterator[Use | Mention]:
        """Each part once, however often aliases name it."""
        seen: dict[tuple[int, bool], object] = {}  # kept, so that no id comes again
        stack = [_Node(document, typed=("", ""))]
        while stack:
            node = stack.pop()
            value = node.value
            if isinstance(value, str):
                yield from (Mention(v, _place(node.at), as_api_version=True) for v in self.versions_in(value))
                continue
            part = (id(value), node.typed is None)
            if not isinstance(value, dict | list) or part in seen:
                continue
            seen[part] = value
            if isinstance(value, list):
                children = [_Node(v, _below(node, str(i)), node.typed) for i, v in enumerate(value)]
            else:
                children = yield from self._look(node, value)
            stack += reversed(children)

    def _look(self, node: _Node, fields: dict[object, object]) -> Generator[Use | Mention, None, list[_Node]]:
        typed = node.typed or ("", "")
        api_version, kind = (fields.get(f) or t for f, t in zip(("apiVersion", "kind"), typed, strict=True))
        if kind == _CRD:
            return []
        group, _, version = api_version.rpartition("/") if isinstance(api_version, str) else ("", "", "")
        items = fields.get("items")
        if node.typed is not None and isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
            # The items of a typed list need not repeat what the list says.
            gives = (api_version if isinstance(api_version, str) else "", kind.removesuffix("List"))
            return [_Node(v, _below(node, f"items.{i}"), gives) for i, v in enumerate(items)]
        if group == self._group and kind == self._kind and node.typed is not None:
            yield Use(version, _name(fields.get("metadata")))
        elif group == self._group and kind in (self._kind, None, ""):
            yield Mention(version, _place(node.at), as_api_version=True)
        yield from self._apart(node, fields, kind)
        return [_Node(v, _below(node, str(k))) for k, v in fields.items() if k != "apiVersion" and k not in _HISTORY]

    def _apart(self, node: _Node, fields: dict[object, object], kind: object) -> Iterator[Mention]:
        """A target of kustomize, and a rule for webhooks that names one version."""
        group, version = fields.get("group"), fields.get("version")
        if group == self._group and isinstance(version, str) and kind in (self._kind, None, ""):
            yield Mention(version, _place(node.at), as_api_version=False)
        groups, versions = fields.get("apiGroups"), fields.get("apiVersions")
        if isinstance(groups, list) and self._group in groups and isinstance(versions, list) and len(versions) == 1:
            yield Mention(str(versions[0]), _place(node.at), as_api_version=False)


def _below(node: _Node, key: str) -> tuple[str, ...]:
    return (*node.at, key) if len(node.at) < _DEEP else node.at


def _place(at: tuple[str, ...]) -> str:
    return ".".join(at) or "its top"


def _name(metadata: object) -> str:
    """`namespace/name`, as far as the manifest says it."""
    if not isinstance(metadata, dict):
        return "an object without a name"
    name = metadata.get("name") or f"{metadata.get('generateName') or ''}..."
    return f"{metadata['namespace']}/{name}" if metadata.get("namespace") else str(name)
