"""What is not to reach a terminal, in text and in JSON."""

from __future__ import annotations

import json

import pytest

from asyncmigrate._output.clean import as_json, clean


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("plain, ünï, 日本 and 🙂", "plain, ünï, 日本 and 🙂"),
        ("\x1b[2J\x00\x7f\x9b", r"\x1b[2J\x00\x7f\x9b"),
        ("a\r\n\tb\x85", r"a\r\n\tb\x85"),
        ("\u202e\u2066\u2029\u061c\u200f", r"\u202e\u2066\u2029\u061c\u200f"),
        ("\udcff", r"\udcff"),
    ],
)
def test_words_are_one_harmless_line(words: str, shown: str) -> None:
    assert clean(words) == shown
    text = as_json({"a": [words]})
    assert json.loads(text) == {"a": [words]}
    assert all(clean(line) == line for line in text.split("\n"))
