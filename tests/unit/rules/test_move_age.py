"""How old the move of a storage version is, by stamps and by what this process has seen."""

from __future__ import annotations

import msgspec
import pytest

from asyncmigrate._rules.safety.move_age import Sightings, move_age
from tests.unit.rules.cases import AT, MOVED, crd


@pytest.mark.parametrize(
    ("moved", "server_now", "seen_for", "age"),
    [
        (MOVED, AT, 0, 0.0),
        (MOVED, AT + 7, 0, 0.0),  # within the margin for clocks that differ
        (MOVED, AT + 56, 0, 45.0),
        (MOVED, AT + 56, 50, 50.0),  # known to be so for longer than the stamp tells
        (MOVED, AT + 3600, 0, 3589.0),
        (MOVED, AT - 3600, 2, 2.0),  # stamped in the future
        ("2099-01-01T00:00:00Z", AT, 3, 3.0),
        (MOVED, None, 4, 4.0),
        ("", AT + 3600, 4, 4.0),  # nobody says when it moved
        ("soon", AT + 3600, 0, 0.0),
        ("2026-11-24T10:00:00+02:00", AT + 3600, 0, 0.0),  # none that an API server writes
    ],
)
def test_age_is_what_was_seen_or_what_stamps_say_beyond_the_margin(
    moved: str, server_now: float | None, seen_for: float, age: float
) -> None:
    assert max(0.0, move_age(moved, server_now=server_now, seen_for=seen_for)) == pytest.approx(age)


SEEN = crd("v2", "v1", "v2", moved=MOVED)


@pytest.mark.parametrize(
    ("again", "seen_for"),
    [
        ({}, 8.0),
        ({"resource_version": "11"}, 8.0),  # its status was written
        ({"generation": 2}, 0.0),
        ({"uid": "other"}, 0.0),
        ({"moved": ""}, 0.0),
        ({"resource_version": "9"}, 0.0),  # the cluster was put back to an older state
    ],
)
def test_a_crd_is_known_since_it_was_first_seen_as_it_is(again: dict[str, object], seen_for: float) -> None:
    sightings = Sightings()
    assert sightings.last_seen(SEEN, 100.0) is None
    sightings.note(SEEN, 100.0)
    fresh = msgspec.structs.replace(SEEN, **again)
    sightings.note(fresh, 108.0)
    assert sightings.seen_for(fresh, 108.0) == seen_for
    assert sightings.last_seen(fresh, 109.5) == 1.5


def test_a_glance_confirms_what_was_seen_last() -> None:
    sightings = Sightings()
    sightings.note(SEEN, 100.0)
    sightings.confirm(SEEN.name, 103.0)
    assert (sightings.seen_for(SEEN, 104.0), sightings.last_seen(SEEN, 104.0)) == (4.0, 1.0)
    assert sightings.last_seen(msgspec.structs.replace(SEEN, generation=9), 104.0) is None
