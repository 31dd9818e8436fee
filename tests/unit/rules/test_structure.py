"""Where two schemas divide an object into owned fields in different ways."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmigrate._rules.safety.structure import Apart, below, differences

Schema = dict[str, Any]
STRING: Schema = {"type": "string"}
ANY: Schema = {"x-kubernetes-preserve-unknown-fields": True}
ITEM: Schema = {"type": "object", "properties": {"name": STRING, "value": STRING}}
WHOLE: Schema = {"type": "array", "items": ITEM}
BY_NAME: Schema = WHOLE | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
BY_BOTH: Schema = WHOLE | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "value"]}
SET: Schema = {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"}
MAP: Schema = {"type": "object", "additionalProperties": STRING}
ONE: Schema = MAP | {"x-kubernetes-map-type": "atomic"}
HERE: Apart = {"": True}


def thing(**fields: Schema) -> Schema:
    return {"type": "object", "properties": fields}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (STRING, {"type": "integer"}, {}),  # scalars are one field each
        (STRING, {"x-kubernetes-int-or-string": True}, {}),
        (STRING, thing(a=STRING), HERE),
        (WHOLE, WHOLE | {"description": "x"}, {}),
        (WHOLE, BY_NAME, HERE),
        (BY_NAME, WHOLE, HERE),
        (BY_NAME, BY_BOTH, HERE),
        (BY_NAME, BY_NAME | {"description": "x"}, {}),
        (SET, SET | {"x-kubernetes-list-type": "atomic"}, HERE),
        (MAP, ONE, HERE),
        (ONE, MAP, HERE),
        (MAP, thing(a=STRING), {}),
        (thing(a=STRING), thing(b=STRING), {}),  # what one lacks is pruned
        (None, MAP, {}),
        (ANY, MAP, {}),
        (ANY, WHOLE, {}),
        (ANY, STRING, {}),
        (ANY, ONE, HERE),
        (ANY, BY_NAME, HERE),
        (SET, ANY, HERE),
    ],
)
def test_a_place_is_divided_in_the_same_way_or_not(old: Schema | None, new: Schema | None, found: Apart) -> None:
    assert differences(old, new) == found
    assert differences(thing(spec=old or {}), thing(spec=new or {})) == ({"spec": found} if found else {})


def test_differences_are_found_wherever_they_are() -> None:
    in_list = BY_NAME | {"items": thing(name=STRING, labels=MAP)}
    in_other = BY_NAME | {"items": thing(name=STRING, labels=ONE)}
    in_map: Schema = {"type": "object", "additionalProperties": WHOLE}
    old = thing(spec=thing(items=in_list, lists=in_map, same=WHOLE), metadata=MAP)
    new = thing(spec=thing(items=in_other, lists=in_map | {"additionalProperties": SET}, same=WHOLE), metadata=ONE)
    found = differences(old, new)
    assert found == {"spec": {"items": {"[]": {"labels": HERE}}, "lists": {"*": HERE}}}
    spec = below(found, "f:spec")
    assert below(below(below(spec, "f:items"), 'k:{"name":"x"}'), "f:labels") == HERE
    assert below(below(spec, "f:lists"), "f:any:key") == HERE
    assert below(spec, "f:same") == {}


def test_what_is_owned_as_a_whole_is_not_looked_into() -> None:
    assert differences(ONE, ONE | {"additionalProperties": WHOLE}) == {}
    assert differences(WHOLE, WHOLE | {"items": ONE}) == {}


def test_what_is_unspecified_but_kept_counts_as_the_server_takes_it() -> None:
    old = {"type": "object", **ANY}
    assert differences(thing(spec=old), thing(spec=thing(a=BY_NAME, b=WHOLE, c=MAP))) == {"spec": {"a": HERE}}


def test_endless_schemas_end() -> None:
    old: Schema = thing()
    new: Schema = thing()
    old["properties"]["a"], new["properties"]["a"] = old, thing(a=new)
    found = differences(old, new)
    for _ in range(101):
        found = found["a"]
    assert found == HERE
