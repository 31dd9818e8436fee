"""The reader that decides what YAML means to kubectl: its values, keys, aliases and merges, and where it ends."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from yaml12 import parse_yaml

from asyncmigrate._manifests.exact_yaml import read
from asyncmigrate._manifests.parse import is_read_otherwise


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, True) for word in ("y", "Yes", "TRUE", "on", "true", "!!bool yes")],
        *[(word, False) for word in ("n", "No", "OFF", "false", "!!bool n")],
        *[(word, None) for word in ("", "~", "null", "NULL", "!!null ''")],
        *[(word, word) for word in ("=", "<<", "yEs", "1:30", "1.2.3", "2020-01-01", "0x", "08", "1e", "v1")],
        *[(f"'{word}'", word) for word in ("yes", "1", "null", "")],
        *[("!!str 1", "1"), ("!mine 1", "1"), ("! 1", "1"), ('"\\u0041\\x41"', "AA")],
        *[("1", 1), ("-0x1F", -31), ("0b101", 5), ("017", 15), ("0o17", 15), ("1_000", 1000), ("1" * 5000, "1" * 5000)],
        *[("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("-.inf", -math.inf), ("!!float 1", 1)],
        *[("[a, 1]", ["a", 1]), ("{a: yes}", {"a": True}), ("!!set {a: 1}", {"a": 1})],
        *[("{1: a, yes: b, 1.5: c, on: d}", {"1": "a", "true": "d", "1.5": "c"}), ("{a: 1, a: 2}", {"a": 2})],
        *[("[&a 1, *a, &a 2, *a]", [1, 1, 2, 2]), ("{&a k: &b v, *b : *a}", {"k": "v", "v": "k"})],
        *[("{a: 1, <<: {a: 2, b: 3}}", {"a": 2, "b": 3}), ("{<<: [{a: 1}, {a: 2, b: 3}], b: 4}", {"a": 1, "b": 4})],
        *[("{'<<': 1}", {"<<": 1}), ("{<<: {}}", {})],
    ],
)
def test_values_are_what_they_are_to_kubectl(text: str, value: object) -> None:
    assert read(f"v: {text}\n") == [{"v": value}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: *b", "not valid YAML: alias *b stands for nothing that comes before it at line 1"),
        ("a: &b 1\n---\n*b", "not valid YAML: alias *b stands for nothing that comes before it at line 3"),
        ("a: &b\n- *b", "not valid YAML: alias *b stands inside of what it stands for at line 2"),
        ("? [a]\n: b", "not valid YAML: a key that is no text at line 1"),
        ("~: b", "not valid YAML: a key that is no text at line 1"),
        ("<<: 1", "not valid YAML: << wants a map, or a list of maps at line 1"),
        ("a: [1,\nb: }", "not valid YAML: while parsing a flow node, did not find expected node content at line 2"),
        ("a: b: c", "not valid YAML: mapping values are not allowed in this context at line 1"),
        ("a: 1\n# \x1b[0m", "not valid YAML: control characters are not allowed at line 2"),
        ("a: 1\nb: &b x\nc: @", "not valid YAML: while scanning for the next token, found character that cannot start"),
        ("- " * 1001, "nested more than 1,000 levels deep at line 1"),
        ("a: &b 1\nc: " + "[" * 100_000, "nested more than 1,000 levels deep at line 2"),
    ],
)
def test_what_is_no_yaml_is_told_in_a_line_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-z]") as caught:
        read(text)
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)


def test_deep_nesting_within_the_bound_is_read() -> None:
    value: Any = read("- " * 999 + "a")
    for _ in range(1000):
        [value] = value
    assert value == "a"


def test_what_an_alias_stands_for_is_not_copied() -> None:
    [found] = read("a: &a [x]\nb: [*a, *a]\n")
    assert isinstance(found, dict)
    assert found["b"][0] is found["b"][1] is found["a"]


# As kubectl 1.32 does.
@pytest.mark.parametrize(
    ("values", "aliases", "reads"),
    [(1, 200, True), (1000, 90, True), (1000, 120, False), (10_000, 39, True), (10_000, 45, False)],
)
def test_aliases_may_write_out_what_kubectl_lets_them(values: int, aliases: int, reads: bool) -> None:  # noqa: FBT001
    text = f"a: &a [{','.join('x' * values)}]\nb: [{','.join(['*a'] * aliases)}]\n"
    if reads:
        assert len(read(text)) == 1
    else:
        with pytest.raises(
            ValueError, match=r"aliases make [\d,]+ values of it, too many \(for kubectl, too\) at line 2"
        ):
            read(text)


def test_each_document_has_aliases_of_its_own() -> None:
    assert len(read("---\n".join(["a: &a [1,2,3,4,5,6,7,8,9]\nb: [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"] * 100))) == 100


def test_values_are_counted() -> None:
    assert read("a: [b, c]\n---\n- d", most=7) == [{"a": ["b", "c"]}, ["d"]]
    with pytest.raises(ValueError, match=r"^more than 3,000,000 values in one file"):
        read("a: [b, c]\n---\n- d", most=6)


def test_the_clock_is_a_bound() -> None:
    with pytest.raises(ValueError, match=r"^not read within 0 s at line [12]$"):
        read("\n- a" * 10_000, within=0)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab&*!-:#?'\" ", max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(value=values, width=st.sampled_from([20, 4096]), flow=st.sampled_from([True, False]))
def test_the_quick_reader_says_the_same_where_it_is_used(value: object, width: int, flow: bool) -> None:  # noqa: FBT001
    text = yaml.safe_dump({"v": value}, width=width, default_flow_style=flow, allow_unicode=True)
    if not is_read_otherwise(text):
        assert parse_yaml(text, multi=True) == read(text)


# What may stand around a token, where one may begin, and what only looks like it.
TOKENS = ["&a", "*a", "&a ", "*a ", "&\xa0a", "*\xa0a", "!", "!x ", "!!seq ", "!<a> ", "k", "k:", "--- ", "...", "%"]
BETWEEN = [" ", "\t", "\n", "  ", "- ", "? ", ": ", ", ", *",[]{}'>#|", '"', "\ufeff", "\xa0", "\x85", "\u2028"]
PIECES = st.sampled_from(TOKENS + BETWEEN)


@given(before=st.lists(PIECES, max_size=4), between=st.lists(PIECES, max_size=5), after=st.lists(PIECES, max_size=3))
def test_the_quick_reader_never_follows_an_alias(before: list[str], between: list[str], after: list[str]) -> None:
    text = "".join([*before, "&a MARK", *between, "*a", *after])
    for variant in (text, text.replace("&a M", "&a\nM"), text.replace("&a M", "&a [M").replace("RK", "RK]", 1)):
        if is_read_otherwise(variant):
            continue
        try:
            found = repr(parse_yaml(variant, multi=True))
        except (ValueError, RecursionError):
            continue
        assert found.count("MARK") <= 1
