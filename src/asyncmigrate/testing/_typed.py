"""Objects by their types: what is wrong with them, what differs, which fields they have.

As structured-merge-diff does in typed/validate.go, compare.go, tofieldset.go and reconcile_schema.go. Items of a list
that cannot be told apart are not counted one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from asyncmigrate.testing._paths import Path, in_words, key_element, value_element, without
from asyncmigrate.testing._types import Type

_ABSENT: Any = object()


class Changes(msgspec.Struct):
    """The paths of what a write sets and of what it removes."""

    taken: set[Path] = msgspec.field(default_factory=set)
    removed: set[Path] = msgspec.field(default_factory=set)

    def outside(self, tops: set[Path]) -> Changes:
        return Changes(without(self.taken, tops), without(self.removed, tops))


class MistypedError(Exception):
    """An object that its schema does not allow; the text says where and why."""


def check(value: Any, kind: Type, *, unique: bool = True) -> None:  # noqa: ANN401 -- any JSON
    """Check an object against its type; unless `unique` is unset, no list may have two items with the same keys.

    Raises:
        MistypedError: it does not fit.
    """
    if faults := list(_faults(value, kind, (), unique=unique)):
        raise MistypedError(faults[0] if len(faults) == 1 else "\n".join(["errors:", *(f"  {f}" for f in faults)]))


def _faults(value: Any, kind: Type, at: Path, *, unique: bool) -> Iterator[str]:  # noqa: ANN401
    where = f"{in_words(at)}: " if at else ""
    if fault := kind.fault(value):
        yield where + fault
    elif isinstance(value, dict):
        for key, item in sorted(value.items()):
            path = (*at, f"f:{key}")
            below = kind.field(key)
            if below is None:
                yield f"{in_words(path)}: field not declared in schema"
                return
            yield from _faults(item, below, path, unique=unique)
    elif isinstance(value, list):
        seen = set()
        for index, item in enumerate(value):
            try:
                element = f"i:{index}" if kind.list_type == "atomic" else element_of(item, kind)
            except MistypedError as error:
                yield f"{where}element {index}: {error}"
                return
            if unique and element in seen:
                yield f"{where}duplicate entries for key {in_words((element,))}"
            seen.add(element)
            yield from _faults(item, kind.item, (*at, element), unique=unique)


def element_of(item: Any, kind: Type) -> str:  # noqa: ANN401
    """The path element of an item of a list that is no one value."""
    if kind.list_type == "set":
        if isinstance(item, dict):
            raise MistypedError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise MistypedError("not supported: associative list with lists as elements")
        if item is None:
            raise MistypedError("associative list without keys has an element that's an explicit null")
        return value_element(item)
    if not isinstance(item, dict):
        what = "a null element" if item is None else "non-map elements"
        raise MistypedError(f"associative list with keys may not have {what}")
    keys = {key: item.get(key, kind.item.default(key)) for key in kind.keys}
    keys = {key: value for key, value in keys.items() if key in item or value is not None}
    if not keys:
        names = " ".join(f'"{key}"' for key in kind.keys)
        raise MistypedError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return key_element(keys)


def children(value: Any, kind: Type) -> dict[str, tuple[Any, Type]] | None:  # noqa: ANN401
    """What is below a value, by path element; None for what counts as one value."""
    shape = kind.shape(value)
    if shape == "map" and isinstance(value, dict) and not kind.is_atomic_map:
        return {f"f:{key}": (item, kind.field(key) or Type({})) for key, item in value.items()}
    if shape == "list" and isinstance(value, list) and kind.list_type != "atomic":
        return {element_of(item, kind): (item, kind.item) for item in value}
    return None


def compare(new: Any, old: Any, kind: Type) -> Changes:  # noqa: ANN401
    """What makes `new` of `old`."""
    changes = Changes()
    _compare(new, old, kind, (), changes)
    return changes


def _compare(new: Any, old: Any, kind: Type, path: Path, changes: Changes) -> None:  # noqa: ANN401
    new_items = None if new is _ABSENT else children(new, kind)
    old_items = None if old is _ABSENT else children(old, kind)
    below_new, below_old = new_items or {}, old_items or {}
    for key, (_, below) in (below_old | below_new).items():
        _compare(below_new.get(key, (_ABSENT,))[0], below_old.get(key, (_ABSENT,))[0], below, (*path, key), changes)
    if old is _ABSENT:
        changes.taken.add(path)
    elif new is _ABSENT:
        changes.removed.add(path)
    elif (new_items is None or old_items is None) and new != old:
        changes.taken.add(path)


def field_set(value: Any, kind: Type, path: Path = ()) -> set[Path]:  # noqa: ANN401
    """The paths of a value: its leaves and items, and every field that its schema does not name."""
    below = children(value, kind)
    if below is None:
        # Null stands for a map or list of no items, and is then its parent's to hold.
        return set() if value is None and kind.shape(value) != "scalar" else {path}
    found: set[Path] = set()
    for key, (item, item_kind) in below.items():
        found |= field_set(item, item_kind, (*path, key))
        if key[:2] != "f:" or item is None or item == {} or not kind.declares(key[2:]):
            found.add((*path, key))
    return found


def with_named(paths: set[Path], kind: Type) -> set[Path]:
    """The paths, and the fields above them that the schema names: EnsureNamedFieldsAreMembers in fieldpath/set.go."""
    named = set(paths)
    for path in paths:
        at: Type | None = kind
        for depth, element in enumerate(path[:-1], start=1):
            if at is None:
                break
            field = element[2:] if element[:2] == "f:" else None
            if field is not None and at.declares(field):
                named.add(path[:depth])
            at = at.item if field is None else at.field(field)
    return named


def reconciled(paths: set[Path], kind: Type) -> set[Path]:
    """The paths as the schema has them now: what became one value is held as a whole.

    What ceased to be one value is left as it is.
    """
    wholes = {path[:depth] for path in paths if (depth := _whole(path, kind)) is not None}
    return without(paths, wholes) | wholes


def _whole(path: Path, kind: Type) -> int | None:
    """How long the path of the one value is that the path leads into; None where it leads into none."""
    at: Type | None = kind
    for depth, element in enumerate(path):
        if at is None or at.is_undescribed:
            return None
        if element[:2] == "f:":
            if at.shapes[0] != "map":
                return None
            if at.is_atomic_map:
                return depth
            at = at.field(element[2:])
        else:
            if at.shapes[0] != "list":
                return None
            if at.list_type == "atomic":
                return depth
            at = at.item
    return None
