"""Label selectors."""

from __future__ import annotations

import pytest

from asyncmigrate._rules.decisions.selector import parse_selector
from asyncmigrate.errors import (
    UsageError,
)

SELECTORS = [
    ("", {}, True),
    ("app=web", {"app": "web"}, True),
    ("app==web", {"app": "db"}, False),
    ("app!=web", {"app": "db"}, True),
    ("app!=web", {}, True),
    ("app in (web, db),tier", {"app": "db", "tier": "1"}, True),
    ("app in (web, db),tier", {"app": "db"}, False),
    ("app notin (web)", {"app": "web"}, False),
    ("app notin (web)", {}, True),
    ("!legacy", {}, True),
    ("!legacy", {"legacy": ""}, False),
    ("example.com/app=web", {"example.com/app": "web"}, True),
    ("app=", {"app": ""}, True),
]


@pytest.mark.parametrize(("text", "labels", "matches"), SELECTORS)
def test_selectors(text: str, labels: dict[str, str], matches: bool) -> None:  # noqa: FBT001
    assert parse_selector(text).matches(labels) is matches


@pytest.mark.parametrize("text", ["a b", "=web", "a in web", "a,,b", "a=b c", "a in (b d)", "-x=1"])
def test_selectors_that_do_not_parse(text: str) -> None:
    with pytest.raises(UsageError, match="label selector: cannot read"):
        parse_selector(text)
