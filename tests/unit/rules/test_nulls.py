"""Nulls that the schema of another version does not keep."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmigrate._rules.safety.nulls import nulled_paths, nulls_lost

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
MAYBE: Schema = TEXT | {"nullable": True}


def fields(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


CASES: dict[str, tuple[Schema, Schema, dict[str, Any], list[str]]] = {
    "nullable no more": (fields(a=MAYBE), fields(a=TEXT), {"a": None}, ["a"]),
    "replaced by a default": (fields(a=MAYBE), fields(a=TEXT | {"default": "x"}), {"a": None}, ["a"]),
    "still nullable": (fields(a=MAYBE), fields(a=MAYBE), {"a": None}, []),
    "never was": (fields(a=TEXT), fields(a=TEXT), {"a": "x"}, []),
    "not there any more: for the other rule": (fields(a=MAYBE), fields(), {"a": None}, []),
    "an object that may be null": (
        fields(a=fields(b=TEXT) | {"nullable": True}),
        fields(a=fields(b=TEXT)),
        {"a": None},
        ["a"],
    ),
    "below an object": (fields(s=fields(a=MAYBE)), fields(s=fields(a=TEXT)), {"s": {"a": None}}, ["s.a"]),
    "in a list of objects": (
        fields(s={"type": "array", "items": fields(a=MAYBE)}),
        fields(s={"type": "array", "items": fields(a=TEXT)}),
        {"s": [{"a": "x"}, {"a": None}]},
        ["s[].a"],
    ),
    "an item of a list stays": (
        fields(s={"type": "array", "items": MAYBE}),
        fields(s={"type": "array", "items": TEXT}),
        {"s": [None]},
        [],
    ),
    "what no server takes": (fields(a=MAYBE), {"properties": 7, "items": []}, {"a": None}, []),
}


@pytest.mark.parametrize(("old", "new", "obj", "lost"), CASES.values(), ids=CASES)
def test_nulls_that_are_not_kept_are_named(old: Schema, new: Schema, obj: dict[str, Any], lost: list[str]) -> None:
    assert list(nulled_paths(old, new)) == lost
    assert list(nulls_lost(obj, new)) == lost


def test_the_values_of_a_map_are_named_by_a_star_or_by_their_keys() -> None:
    old, new = (fields(m={"type": "object", "additionalProperties": s}) for s in (MAYBE, TEXT))
    assert nulled_paths(old, new) == ("m.*",)
    assert nulls_lost({"m": {"k": None}}, new) == ("m.k",)


def test_a_missing_schema_says_nothing() -> None:
    assert nulled_paths(None, fields(a=TEXT)) == nulled_paths(fields(a=MAYBE), None) == ()
    assert nulls_lost({"a": None}, None) == ()
