"""Objects put together and taken apart by their types: what an apply adds to an object, and what it removes of it.

As structured-merge-diff does in typed/merge.go and remove.go.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from asyncmigrate.testing._paths import Path, split
from asyncmigrate.testing._typed import children
from asyncmigrate.testing._types import Type

_ABSENT: Any = object()


def merge(live: Any, wanted: Any, kind: Type) -> Any:  # noqa: ANN401 -- any JSON
    """The live value with what is wanted: nothing is removed, and `wanted` decides about each leaf."""
    if wanted is _ABSENT or live is _ABSENT:
        return live if wanted is _ABSENT else wanted
    mine = None if live is None else children(live, kind)
    theirs = None if wanted is None else children(wanted, kind)
    if (wanted is not None and theirs is None) or not (mine or theirs):
        return wanted
    merged = {
        key: merge(_value(mine, key), _value(theirs, key), _kind(mine, theirs, key))
        for key in _order(list(mine or ()), list(theirs or ()), is_map=isinstance(live if mine else wanted, dict))
    }
    if isinstance(live if theirs is None else wanted, list):
        return list(merged.values())
    return {key[2:]: value for key, value in merged.items()}


def _value(items: dict[str, tuple[Any, Type]] | None, key: str) -> Any:  # noqa: ANN401
    return items[key][0] if items and key in items else _ABSENT


def _kind(mine: dict[str, tuple[Any, Type]] | None, theirs: dict[str, tuple[Any, Type]] | None, key: str) -> Type:
    return ((theirs or {}).get(key) or (mine or {})[key])[1]


def _order(mine: list[str], theirs: list[str], *, is_map: bool) -> list[str]:
    """The order of merged items: theirs, and what only the live list has where it stood between them."""
    if is_map:
        return list(dict.fromkeys([*mine, *theirs]))
    shared = deque(key for key in theirs if key in mine)
    merged: list[str] = []
    left, right = deque(mine), deque(theirs)
    while left or right:
        if left and left[0] not in theirs:
            merged.append(left.popleft())
        elif left and right and left[0] != right[0] and shared and left[0] != shared[0]:
            left.popleft()  # it comes where they have it
        else:
            if left and ((right and left[0] == right[0]) or left[0] in merged):
                left.popleft()
            if right:
                merged.append(right.popleft())
                if shared and shared[0] == merged[-1]:
                    shared.popleft()
    return merged


def remove(value: Any, paths: set[Path], kind: Type) -> Any:  # noqa: ANN401
    """The value without the items and fields at these paths; None where nothing is left, or it is one value."""
    if kind.shape(value) == "scalar":
        return value
    items = children(value, kind)
    if not items:
        return None
    members, below = split(paths)
    kept = {
        key: remove(item, below[key], item_kind) if key in below else item
        for key, (item, item_kind) in items.items()
        if key not in members
    }
    if not kept:
        return None
    return list(kept.values()) if isinstance(value, list) else {key[2:]: item for key, item in kept.items()}
