"""Resource versions compared."""

from __future__ import annotations

import pytest

from asyncmigrate._rules.safety.resource_versions import is_newer


@pytest.mark.parametrize(
    ("one", "than", "newer"),
    [
        ("11", "9", True),
        ("9", "11", False),
        ("9", "9", False),
        ("", "9", False),
        ("11", "", False),
        ("0x9", "1", False),
    ],
)
def test_resource_versions_are_compared_as_integers(one: str, than: str, *, newer: bool) -> None:
    assert is_newer(one, than) is newer
