"""Who has written the objects of a CRD: the writers that the pages of a list show, added up."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from asyncmigrate._model import Writer

# Managers are few, but a client may call itself anything, even something else for each object.
MOST_WRITERS = 1000


class WriterTally:
    """The writers of one list; beyond a thousand they are counted without their names."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Writer] = {}

    def add(self, writers: Iterable[Writer]) -> None:
        for writer in writers:
            who = (writer.manager, writer.api_version)
            if who not in self._found and len(self._found) >= MOST_WRITERS:
                who = ("", writer.api_version)
            before = self._found.get(who)
            named = msgspec.structs.replace(writer, manager=who[0])
            self._found[who] = named if before is None else _sum(before, named)

    @property
    def writers(self) -> tuple[Writer, ...]:
        """By apiVersion, those with the most objects first."""
        return tuple(sorted(self._found.values(), key=lambda w: (w.api_version, -w.objects, w.manager)))


def _sum(one: Writer, other: Writer) -> Writer:
    return msgspec.structs.replace(one, objects=one.objects + other.objects, newest=max(one.newest, other.newest))
