"""What a list alone proves."""

from __future__ import annotations

import msgspec
import pytest

from asyncmigrate._model import ObjectRef
from asyncmigrate._rules.safety.proof import bound_of, is_proven
from tests.unit.rules.cases import AT, MOVED, crd

NOW = "2026-11-24T11:00:00Z"
CRD = crd("v2", "v1", "v2", resource_version="100", moved=MOVED, changed=MOVED, stamped=MOVED)


@pytest.mark.parametrize(
    ("version", "stamped", "proven"),
    [
        ("101", "2026-11-24T10:01:01Z", True),
        ("101", "2026-11-24T10:01:00Z", False),  # stamps are whole seconds: it may have been a moment less
        ("100", "2026-11-24T10:01:01Z", False),  # written before the CRD, by a clock that is ahead
        ("101", "2026-11-24T09:59:00Z", False),
        ("101", NOW, True),
        ("101", "2026-11-24T11:00:01Z", False),  # in the future: a client may send any time
        ("101", "2099-01-01T00:00:00Z", False),
        ("101", "", False),
        ("", "2026-11-24T10:01:01Z", False),
        ("101", "2026-11-24T12:01:01+02:00", False),  # none that an API server writes
        ("101", "tomorrow", False),
    ],
)
def test_what_a_list_proves(version: str, stamped: str, *, proven: bool) -> None:
    ref = ObjectRef("", "w", version, stamped)
    now = AT + 3600
    assert is_proven(ref, bound_of(CRD, margin=60, settle=45, server_now=now), NOW) is proven
    assert is_proven(ref, bound_of(CRD, margin=5, settle=60, server_now=now), NOW) is proven


@pytest.mark.parametrize(
    "change",
    [{"stamped": ""}, {"moved": ""}, {"stamped": "2099-01-01T00:00:00Z"}, {"stamped": "soon"}],
    ids=["no-stamps", "no-entry-owns-the-versions", "stamped-in-the-future", "no-stamp-of-a-server"],
)
def test_a_crd_that_does_not_say_when_it_was_changed_proves_nothing(change: dict[str, str]) -> None:
    ref = ObjectRef("", "w", "101", "2026-11-24T10:30:00Z")
    assert is_proven(ref, bound_of(CRD, margin=60, settle=45, server_now=AT + 3600), NOW)
    other = msgspec.structs.replace(CRD, **change)
    assert not is_proven(ref, bound_of(other, margin=60, settle=45, server_now=AT + 3600), NOW)


def test_nothing_is_proven_where_the_servers_clock_is_not_known() -> None:
    ref = ObjectRef("", "w", "101", "2026-11-24T10:30:00Z")
    assert not is_proven(ref, bound_of(CRD, margin=60, settle=45, server_now=None), NOW)
