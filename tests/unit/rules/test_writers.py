"""Who has written a CRD's objects, added up over the pages of a list."""

from __future__ import annotations

from asyncmigrate._model import Writer
from asyncmigrate._rules.decisions.writers import MOST_WRITERS, WriterTally


def test_pages_are_added_up_by_manager_and_version() -> None:
    tally = WriterTally()
    tally.add([Writer(manager="b", api_version="g/v1", objects=2, newest="2026-01-02T00:00:00Z")])
    tally.add(
        [
            Writer(manager="b", api_version="g/v1", objects=3, newest="2026-01-01T00:00:00Z"),
            Writer(manager="a", api_version="g/v1", objects=1),
            Writer(manager="b", api_version="g/v2", objects=1),
        ]
    )
    assert tally.writers == (
        Writer(manager="b", api_version="g/v1", objects=5, newest="2026-01-02T00:00:00Z"),
        Writer(manager="a", api_version="g/v1", objects=1),
        Writer(manager="b", api_version="g/v2", objects=1),
    )


def test_very_many_managers_take_no_more_memory() -> None:
    tally = WriterTally()
    for number in range(MOST_WRITERS * 3):
        tally.add([Writer(manager=f"m{number}", api_version="g/v1", objects=1)])
    assert len(tally.writers) == MOST_WRITERS + 1
    assert sum(w.objects for w in tally.writers) == MOST_WRITERS * 3
    assert tally.writers[0] == Writer(manager="", api_version="g/v1", objects=MOST_WRITERS * 2)
