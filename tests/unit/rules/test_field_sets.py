"""Sets of fields: their union, their parts in two versions, their paths."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._rules.safety.field_sets import Fields, paths, split, union

Path = tuple[str, ...]

ELEMENTS = st.sampled_from(
    ["f:spec", "f:a", "f:b", 'k:{"name":"x"}', 'k:{"name":"y","port":80}', 'v:"x"', "v:1", "i:0", "f:", "f:."]
)
PATHS = st.lists(ELEMENTS, min_size=1, max_size=5).map(tuple)


def members(fields: Fields, at: Path = ()) -> set[Path]:
    """The paths of a set, as structured-merge-diff reads them."""
    found: set[Path] = set()
    for key, below in fields.items():
        if key == ".":
            found.add(at)
            continue
        here = (*at, key)
        if not below:
            found.add(here)
        found |= members(below, here)
    return found


def written(wanted: set[Path]) -> Fields:
    """A set of paths, as structured-merge-diff writes it."""
    tree: Fields = {}
    for path in wanted:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in wanted:
        node = tree
        for element in path:
            node = node[element]
        if node:
            node["."] = {}
    return tree


SETS = st.frozensets(PATHS, max_size=12).map(set)


@given(SETS, SETS)
def test_union_owns_exactly_what_either_owned(one: set[Path], other: set[Path]) -> None:
    first, second = written(one), written(other)
    before = copy.deepcopy((first, second))
    found = union(first, second)
    assert members(found) == one | other
    assert found == written(one | other) or members(written(members(found))) == one | other
    assert (first, second) == before


@given(SETS, SETS, SETS)
def test_union_of_many_changes_none_of_them(one: set[Path], two: set[Path], three: set[Path]) -> None:
    sets = [written(s) for s in (one, two, three)]
    before = copy.deepcopy(sets)
    assert members(union(union(sets[0], sets[1]), sets[2])) == one | two | three
    assert sets == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["spec", "a", "b", "name", "port", "", "."]), below, max_size=4)
    ),
    max_leaves=12,
)


@given(SETS, JSON, JSON)
def test_split_loses_no_path_and_doubles_none(wanted: set[Path], old: Any, new: Any) -> None:  # noqa: ANN401
    parts = split(written(wanted), old, new)
    same, other = members(parts.same or {}), members(parts.other or {})
    assert same | other == wanted
    assert not same & other


@given(SETS, JSON)
def test_all_of_an_object_that_no_conversion_changes_is_the_same(wanted: set[Path], obj: Any) -> None:  # noqa: ANN401
    assert split(written(wanted), obj, obj).other is None


OLD: dict[str, Any] = {
    "spec": {
        "size": 1,
        "ports": [{"port": 80, "name": "web"}, {"port": 81}],
        "tags": ["x", "y"],
        "both": None,
        "limit": 1,
        "address": "host:1",
    }
}
NEW: dict[str, Any] = {
    "spec": {
        "capacity": 1,
        "ports": [{"port": 80, "title": "web"}],
        "tags": ["x"],
        "both": None,
        "list": [1],
        "limit": {"max": 1},
        "address": "host",
        "port": 1,
    }
}


@pytest.mark.parametrize(
    ("path", "same"),
    [
        (("f:spec",), True),
        (("f:spec", "f:both"), True),
        (("f:spec", "f:size"), False),  # renamed
        (("f:spec", "f:capacity"), False),  # made by the conversion: an apply without it would remove it
        (("f:spec", "f:nowhere"), True),  # owns nothing
        (("f:spec", "f:ports", 'k:{"port":80}'), True),
        (("f:spec", "f:ports", 'k:{"port":80}', "f:port"), True),
        (("f:spec", "f:ports", 'k:{"port":80}', "f:name"), False),
        (("f:spec", "f:ports", 'k:{"port":81}'), False),
        (("f:spec", "f:tags", 'v:"x"'), True),
        (("f:spec", "f:tags", 'v:"y"'), False),
        (("f:spec", "f:list", "i:0"), False),
        (("f:spec", "f:tags", "i:0"), True),
        (("f:spec", "f:tags", "i:1"), False),
        (("f:spec", "f:tags", "i:x"), True),
        (("f:spec", "f:ports", "k:[]"), True),
        (("f:spec", "f:address"), False),  # a part of it has become a field of its own
        (("f:spec", "f:limit"), False),  # what is below it would be nobody's
        (("f:spec", "f:limit", "f:max"), False),
    ],
)
def test_a_path_is_the_same_if_it_exists_in_both(path: Path, *, same: bool) -> None:
    parts = split(written({path}), OLD, NEW)
    assert (parts.same is None, parts.other is None) == (not same, same)


def test_what_is_below_a_path_may_be_renamed_while_it_stays() -> None:
    fields: Fields = {"f:spec": {".": {}, "f:size": {}, "f:both": {}}}
    parts = split(fields, OLD, NEW)
    assert parts.same == {"f:spec": {".": {}, "f:both": {}}}
    assert parts.other == {"f:spec": {"f:size": {}}}


def test_nothing_is_the_same_at_or_below_a_place_where_versions_stand_apart() -> None:
    fields: Fields = {"f:spec": {"f:a": {}, "f:items": {".": {}, 'k:{"name":"x"}': {".": {}, "f:name": {}}}}}
    parts = split(fields, apart={"spec": {"items": {"": True}}})
    assert (parts.same, parts.other) == ({"f:spec": {"f:a": {}}}, {"f:spec": {"f:items": fields["f:spec"]["f:items"]}})
    below = {"spec": {"items": {"[]": {"name": {"": True}}}}}
    parts = split(fields, apart=below)
    assert parts.same == {"f:spec": {"f:a": {}, "f:items": {".": {}, 'k:{"name":"x"}': {}}}}
    assert parts.other == {"f:spec": {"f:items": {'k:{"name":"x"}': {"f:name": {}}}}}
    assert split(fields, apart={"spec": {"*": {"": True}}}).same is None
    assert split(fields) == split(fields, apart={"status": {"": True}})
    assert split(fields).same == fields


def test_paths_are_written_as_kubectl_does() -> None:
    fields = {
        "f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}},
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:name": {}}}, "f:tags": {'v:"x"': {}}},
    }
    assert paths(fields, 10) == (
        "metadata.labels",
        "metadata.labels.a.b/c",
        "spec.ports[port=80,protocol=TCP].name",
        'spec.tags["x"]',
    )
    assert len(paths(fields, 2)) == 2
