"""Resource versions compared."""

from __future__ import annotations

import pytest

from asyncmigrate._rules.safety.resource_versions import is_newer, number_of


@pytest.mark.parametrize(
    ("one", "than", "newer"),
    [
        ("11", "9", True),
        ("9", "11", False),
        ("9", "9", False),
        ("", "9", False),
        ("11", "", False),
        ("0x9", "1", False),
        (str(2**64 - 1), "9", True),
        ("9" * 5000, "9", False),  # which Python refuses to read
        ("9", "1" * 5000, False),
    ],
)
def test_resource_versions_are_compared_as_integers(one: str, than: str, *, newer: bool) -> None:
    assert is_newer(one, than) is newer


@pytest.mark.parametrize(("text", "number"), [("11", 11), ("", -1), ("0x9", -1), ("9" * 5000, -1)])
def test_what_is_no_resource_version_is_older_than_any(text: str, number: int) -> None:
    assert number_of(text) == number
