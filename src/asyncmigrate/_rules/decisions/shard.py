"""Which objects, and which CRDs, are one shard's: ranges of a hash over their uid, as Kubernetes cuts its lists."""

from __future__ import annotations

import re
from typing import Self

import msgspec

from asyncmigrate._rules.decisions.page_cursor import PAGE_LIMIT
from asyncmigrate.errors import UsageError

_OFFSET, _PRIME, _BITS = 0xCBF29CE484222325, 0x100000001B3, 64
_MASK = (1 << _BITS) - 1
_FIELD = "object.metadata.uid"
_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
MOST_SHARDS = 1000  # a guess: far fewer keep any API server busy


class Shard(msgspec.Struct, frozen=True):
    """One of `count` shards; `index` counts from 0.

    Its hashes are one range of the 64-bit space, from `start` up to but without `end`. That is the form in which an API
    server (KEP-5866, the feature gate ShardedListAndWatch) filters a list: `selector` asks it to.
    """

    index: int
    count: int

    @classmethod
    def of(cls, given: object) -> Self:
        """Check an index and a count.

        Raises:
            UsageError: they are no such pair.
        """
        if not (isinstance(given, tuple) and len(given) == 2 and all(type(n) is int for n in given)):  # noqa: PLR2004
            raise UsageError(f"shard is {given!r}: give the index and the number of shards, such as (0, 4)")
        index, count = given
        if not 1 <= count <= MOST_SHARDS:
            raise UsageError(f"shard {index}/{count}: there may be 1 to {MOST_SHARDS:,} shards")
        if not 0 <= index < count:
            raise UsageError(f"there is no shard {index}/{count}: the first is 0/{count}, the last {count - 1}/{count}")
        return cls(index, count)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `i/n`.

        Raises:
            UsageError: it is something else.
        """
        if not (found := _FORM.fullmatch(text)):
            raise UsageError(f"shard {text!r} cannot be read: write INDEX/COUNT, counted from 0, such as 0/4")
        return cls.of((int(found[1]), int(found[2])))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def start(self) -> int:
        return (self.index << _BITS) // self.count

    @property
    def end(self) -> int:
        return ((self.index + 1) << _BITS) // self.count

    @property
    def selector(self) -> str:
        """The `shardSelector` of a list; a server that does not know it, or has it switched off, lists everything."""
        return f"shardRange({_FIELD}, '0x{self.start:016x}', '0x{self.end:016x}')"

    def owns(self, uid: str) -> bool:
        """Tell whether what has this uid belongs to this shard."""
        return self.start <= hash_of(uid) < self.end

    def owner_of(self, uid: str) -> int:
        """The index of the shard, of as many as there are of this one, that has this uid."""
        return ((hash_of(uid) + 1) * self.count - 1) >> _BITS


def hash_of(text: str) -> int:
    """FNV-1a, 64 bits."""
    found = _OFFSET
    for byte in text.encode():
        found = ((found ^ byte) * _PRIME) & _MASK
    return found


def is_cut(objects: int | None) -> bool:
    """Tell whether a CRD with so many objects (None for many) is cut up: from two pages on."""
    return objects is None or objects > PAGE_LIMIT
