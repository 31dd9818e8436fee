"""FieldsV1, the sets of fields in managedFields: their union, what of one exists in two versions, its paths in words.

A path element is `f:<field>`, `k:<key fields of a list item>`, `v:<value of a list item>` or `i:<index>`. A path is in
the set if it ends in `{}`, or if a `.` stands below it beside what else is below it
(sigs.k8s.io/structured-merge-diff fieldpath/serialize.go and serialize-pe.go).
"""

from __future__ import annotations

from typing import Any

import msgspec

from asyncmigrate._rules.safety.structure import HERE, Apart
from asyncmigrate._rules.safety.structure import below as differences_below

Fields = dict[str, Any]

_ITSELF = "."
_ABSENT: Any = object()
UNREAD: Any = object()

_decode = msgspec.json.Decoder(Fields).decode


class UnreadableFieldsError(ValueError):
    """No set of fields, or nested deeper than any schema is."""


def read(data: msgspec.Raw) -> Fields:
    """Decode a set.

    Raises:
        UnreadableFieldsError: it is none.
    """
    try:
        fields = _decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableFieldsError from error
    todo = [fields]
    while todo:
        for below in todo.pop().values():
            if not isinstance(below, dict):
                raise UnreadableFieldsError
            todo.append(below)
    return fields


def union(first: Fields, second: Fields) -> Fields:
    """The set of all paths that either set has."""
    result = dict(first)
    todo = [(result, second)]
    while todo:
        into, other = todo.pop()
        for key, below in other.items():
            have = into.get(key)
            if have is None:
                into[key] = below
            elif bool(have) != bool(below):
                # One has the path itself, the other something below it.
                into[key] = {_ITSELF: {}} | have | below
            elif have:
                into[key] = dict(have)
                todo.append((into[key], below))
    return result


class Split(msgspec.Struct, frozen=True):
    """A set in two parts: what means the same in another version, and what may not. None is the empty set."""

    same: Fields | None
    other: Fields | None


def split(fields: Fields, old: Any = UNREAD, new: Any = UNREAD, apart: Apart | None = None) -> Split:  # noqa: ANN401
    """Divide a set of fields of one object, which is `old` in the set's version and `new` in another.

    A path means the same if it exists in both, with the same value where that is a scalar. One that exists in neither
    owns nothing and goes along. One that exists in just one of them was renamed, or is made by the conversion; one that
    has another value was converted, perhaps into several fields. Nothing means the same at or below a place where the
    versions stand `apart`. What is not read is as it was.
    """
    same, other = {}, {}
    for key, below in fields.items():
        if key == _ITSELF:
            continue
        part = _split_at(below, _step(old, key), _step(new, key), differences_below(apart or {}, key))
        if part.same is not None:
            same[key] = part.same
        if part.other is not None:
            other[key] = part.other
    return Split(same or None, other or None)


def _split_at(below: Fields, old: Any, new: Any, apart: Apart) -> Split:  # noqa: ANN401
    """The same for the path that has `old` and `new` as its values, with what is below it."""
    if HERE in apart:
        return Split(None, below)
    children = split(below, old, new, apart)
    if below and _ITSELF not in below:
        return children
    itself: Fields = {_ITSELF: {}} if len(below) > 1 else {}
    if _shape(old) == _shape(new) or (len(below) > 1 and old is not _ABSENT and new is not _ABSENT):
        return Split(itself | (children.same or {}) if children.same else {}, children.other)
    return Split(children.same, itself | (children.other or {}) if children.other else {})


def _shape(value: Any) -> Any:  # noqa: ANN401
    """What a value must have in common with another: to be there, and to be a map, a list or the same scalar."""
    if isinstance(value, dict | list):
        return type(value)
    return (isinstance(value, bool), value)  # True is 1 in Python, and not in JSON


def _step(value: Any, key: str) -> Any:  # noqa: ANN401
    """What is at one path element below a value."""
    if value is UNREAD:
        return UNREAD
    kind, _, word = key.partition(":")
    if kind == "f":
        return value.get(word, _ABSENT) if isinstance(value, dict) else _ABSENT
    if not isinstance(value, list):
        return _ABSENT
    try:
        wanted = msgspec.json.decode(word)
    except msgspec.DecodeError:
        return _ABSENT
    if kind == "i":
        return value[wanted] if isinstance(wanted, int) and 0 <= wanted < len(value) else _ABSENT
    if kind == "v":
        return next((item for item in value if _shape(item) == _shape(wanted)), _ABSENT)
    return next((item for item in value if _has(item, wanted)), _ABSENT)


def _has(item: Any, keys: Any) -> bool:  # noqa: ANN401
    if not isinstance(item, dict) or not isinstance(keys, dict):
        return False
    return all(_shape(item.get(key, _ABSENT)) == _shape(value) for key, value in keys.items())


def paths(fields: Fields, most: int) -> tuple[str, ...]:
    """At most so many paths of a set, as kubectl writes them: `spec.ports[port=80].name`."""
    found: list[str] = []
    todo = [("", fields)]
    while todo and len(found) < most:
        at, below = todo.pop()
        if at and (not below or _ITSELF in below):
            found.append(at)
        todo += [(_joined(at, key), more) for key, more in reversed(below.items()) if key != _ITSELF]
    return tuple(found)


def _joined(at: str, key: str) -> str:
    kind, _, word = key.partition(":")
    if kind == "f":
        return f"{at}.{word}" if at else word
    if kind == "k":
        try:
            keys = msgspec.json.decode(word, type=dict[str, Any])
        except msgspec.DecodeError:
            keys = {}
        word = ",".join(f"{k}={v}" for k, v in keys.items()) or word
    return f"{at}[{word}]"
