"""Parts of sentences: a number of things, and names one after another."""

from __future__ import annotations

from collections.abc import Sequence

from asyncmigrate._results.report import Objects


def count(number: int, one: str, many: str = "") -> str:
    """`1 object`, `1,200 objects`; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def objects_line(objects: Objects) -> str:
    """`1,200 objects: 20 proven, 1,180 rewritten`."""
    fields = [f for f in Objects.__struct_fields__ if f != "listed"]
    parts = [f"{getattr(objects, f):,} {f}" for f in fields if getattr(objects, f)]
    return f"{count(objects.listed, 'object')}{': ' + ', '.join(parts) if parts else ''}"


def and_words(names: Sequence[str]) -> str:
    """`v1`, `v1 and v2`, `v1, v2 and v3`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
