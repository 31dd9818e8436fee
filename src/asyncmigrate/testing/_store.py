"""etcd's part: keys, bytes, one revision counter, and old revisions for as long as a continue token needs them."""

from __future__ import annotations

import copy
from bisect import bisect_left, insort
from typing import NamedTuple, Self


class Entry(NamedTuple):
    """The bytes under a key, and the revision that wrote them; None marks a deletion."""

    revision: int
    data: bytes | None


class Compacted(Exception):  # noqa: N818 -- etcd's word
    """The revision asked for is not kept any more."""


class Store:
    """A sorted map with revisions."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self._keys: list[str] = []
        self._now: dict[str, Entry] = {}
        self._before: dict[str, list[Entry]] = {}
        self._pinned: int | None = None

    def copy(self) -> Self:
        """A store of its own with the same keys, revision and history: what a backup of etcd is."""
        return copy.deepcopy(self)

    def get(self, key: str) -> Entry | None:
        return self._now.get(key)

    def put(self, key: str, data: bytes) -> int:
        self.revision += 1
        before = self._now.get(key)
        if before is None:
            insort(self._keys, key)
        self._remember(key, before)
        self._now[key] = Entry(self.revision, data)
        return self.revision

    def delete(self, key: str) -> int:
        self.revision += 1
        self._remember(key, self._now.pop(key))
        if self._pinned is None:
            self._keys.pop(bisect_left(self._keys, key))
        else:
            self._before[key].append(Entry(self.revision, None))
        return self.revision

    def _remember(self, key: str, entry: Entry | None) -> None:
        if self._pinned is not None:
            history = self._before.setdefault(key, [])
            # A key that is new since the pin has to be seen as absent then.
            history.append(entry or Entry(0, None))

    def pin(self, revision: int) -> None:
        """Keep what is overwritten from now on, so that a list can be continued at `revision`."""
        if self._pinned is None:
            self._pinned = revision

    def compact(self) -> None:
        """Forget all revisions but the newest, as etcd does every five minutes for an API server."""
        self.compacted = self.revision
        self._pinned = None
        self._before.clear()
        self._keys = sorted(self._now)

    def scan(
        self, prefix: str, *, after: str = "", revision: int = 0, limit: int = 0
    ) -> tuple[list[tuple[str, Entry]], int]:
        """Read a range as of `revision` (0: now): at most `limit` entries after the key `after`, and how many are left.

        Raises:
            Compacted: the revision is not kept any more.
        """
        if revision and revision < self.compacted:
            raise Compacted
        found: list[tuple[str, Entry]] = []
        left = 0
        for index in range(bisect_left(self._keys, after + "\0" if after else prefix), len(self._keys)):
            key = self._keys[index]
            if not key.startswith(prefix):
                break
            entry = self._as_of(key, revision)
            if entry is None or entry.data is None:
                continue
            if limit and len(found) == limit:
                left += 1
            else:
                found.append((key, entry))
        return found, left

    def _as_of(self, key: str, revision: int) -> Entry | None:
        now = self._now.get(key)
        if not revision or (now is not None and now.revision <= revision):
            return now
        for entry in reversed(self._before.get(key, ())):
            if entry.revision <= revision:
                return entry
        return None
