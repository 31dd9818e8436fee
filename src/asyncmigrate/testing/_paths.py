"""Paths of fields, as fieldsV1 of managedFields writes them: `f:spec`, `k:{"name":"a"}` and `v:"x"`.

As structured-merge-diff does in fieldpath/serialize.go and serialize-pe.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

Object = dict[str, Any]
Path = tuple[str, ...]

_MANY = 2  # what tells a path's end from what lies below it
_compact = msgspec.json.Encoder(order="sorted")


class UndecodableError(Exception):
    """A fieldsV1 that cannot be read."""


def key_element(keys: Object) -> str:
    """The element of a list's item that is told apart by fields of its own."""
    return f"k:{_compact.encode(keys).decode()}"


def value_element(value: Any) -> str:  # noqa: ANN401 -- any JSON
    """The element of a set's item."""
    return f"v:{_compact.encode(value).decode()}"


def paths_of(tree: Any) -> set[Path]:  # noqa: ANN401 -- a request's value
    """The paths that a fieldsV1 holds, written as Go writes them; kinds of elements that are unknown are left out.

    Raises:
        UndecodableError: it is none.
    """
    return set(_paths(tree, ()))


def _paths(tree: Any, at: Path) -> Iterator[Path]:  # noqa: ANN401
    if tree is None:
        return
    if not isinstance(tree, dict):
        raise UndecodableError(f"no object at {at}")
    for key, below in tree.items():
        if key == ".":
            yield at
        elif (element := _element(key)) is not None:
            found = set(_paths(below, (*at, element)))
            yield from found or {(*at, element)}


def _element(text: str) -> str | None:
    kind, colon, rest = text.partition(":")
    if len(kind) != 1 or not colon:
        raise UndecodableError(f"no path element: {text}")
    if kind not in {"k", "v"}:
        return text if kind in {"f", "i"} else None
    try:
        value = msgspec.json.decode(rest)
    except msgspec.DecodeError as error:
        raise UndecodableError(str(error)) from error
    if kind == "v":
        return value_element(value)
    if not isinstance(value, dict):
        raise UndecodableError(f"no keys: {text}")
    return key_element(value)


def tree_of(paths: Iterable[Path]) -> Object:
    """The fieldsV1 of paths: what is held and has something below it is marked with a dot."""
    paths = set(paths)
    tree: Object = {}
    for path in paths:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in paths:
        node = tree
        for element in path:
            node = node[element]
        if node:
            node["."] = {}
    return tree


def without(paths: set[Path], tops: Iterable[Path]) -> set[Path]:
    """The paths that are neither among `tops` nor below one of them."""
    tops = set(tops)
    return {p for p in paths if not any(p[: len(top)] == top for top in tops)} if tops else paths


def split(paths: Iterable[Path]) -> tuple[set[str], dict[str, set[Path]]]:
    """The first elements of the paths that end there, and what lies below each of the others."""
    members: set[str] = set()
    below: dict[str, set[Path]] = {}
    for path in paths:
        if len(path) >= _MANY:
            below.setdefault(path[0], set()).add(path[1:])
        elif path:
            members.add(path[0])
    return members, below


def in_words(path: Path) -> str:
    """A path as messages show it: `.spec.items[name="a"].value`."""
    return "".join(_word(element) for element in path)


def _word(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        keys = msgspec.json.decode(rest)
        return f"[{','.join(f'{name}={_compact.encode(value).decode()}' for name, value in keys.items())}]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"
