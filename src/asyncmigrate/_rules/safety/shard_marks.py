"""What the shards of one CRD agree on: whether it is cut up, and who is done. Nothing of it allows a trim.

Marks only decide who goes on. Whoever trims does so after a fresh list of all objects, as a run without shards does.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._rules.decisions.shard import Shard, hash_of


class Marks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The marks of one CRD's shards, of one number of shards.

    Attributes:
        spec: stands for the CRD's uid, generation, storage version and last change.
        cut: its objects are divided among the shards; else all are one shard's. As long as there are marks that stays
            so, whatever becomes of the spec and of the objects: of the shards that have ended none would hear of it.
        owner: that one shard; chosen by the CRD's uid when the first shard came, and kept if the CRD is replaced.
        done: the indexes of the shards that have settled all of their objects.
        left: those that were done when the CRD had another spec, and have not come since: nobody waits for them.
    """

    spec: str
    cut: bool = False
    owner: int = 0
    done: tuple[int, ...] = ()
    left: tuple[int, ...] = ()


class Part(Enum):
    """What of a CRD is a shard's to do."""

    ALL = auto()
    RANGE = auto()  # the objects in its range
    NONE = auto()  # all is another shard's
    DONE = auto()  # its objects are done, and others' are not


def spec_of(crd: CRD) -> str:
    """What marks are kept under: short, for a state may have thousands of them."""
    return f"{hash_of(f'{crd.uid} {crd.generation} {crd.storage_version} {crd.changed} {crd.moved}'):016x}"


def marks_key(crd_key: str, shard: Shard) -> str:
    """Another number of shards has marks of its own: neither disturbs the other."""
    return f"{crd_key}/{shard.count}"


def agreed(marks: Marks | None, spec: str, shard: Shard, *, cut: bool, owner: int) -> Marks:
    """What holds once a shard has come, and has said whether it would cut the CRD: who came first has decided."""
    if marks is None:
        return Marks(spec=spec, cut=cut, owner=0 if cut else owner)
    if marks.spec != spec:
        marks = msgspec.structs.replace(marks, spec=spec, done=(), left=tuple(sorted({*marks.done, *marks.left})))
    return msgspec.structs.replace(marks, left=tuple(i for i in marks.left if i != shard.index))


def part_of(marks: Marks, shard: Shard) -> Part:
    """What is this shard's to do. Once all are done it is everything: that of the one that comes last."""
    if not marks.cut:
        return Part.ALL if shard.index == marks.owner else Part.NONE
    if shard.index not in marks.done:
        return Part.RANGE
    return Part.ALL if _is_complete(marks, shard) else Part.DONE


def marked(marks: Marks | None, spec: str, shard: Shard) -> Marks | None:
    """Mark a shard done; marks that are gone, or another spec's, stay as they are."""
    if marks is None or marks.spec != spec:
        return marks
    return msgspec.structs.replace(marks, done=tuple(sorted({*marks.done, shard.index})))


def finishes(marks: Marks | None, spec: str, shard: Shard) -> bool:
    """Tell whether a shard that is done has to go on with the rest.

    It has to if all are done, and also if its marks are gone: the CRD is trimmed then, or the state was lost.
    """
    return marks is None or marks.spec != spec or _is_complete(marks, shard)


def _is_complete(marks: Marks, shard: Shard) -> bool:
    return {*marks.done, *marks.left} >= set(range(shard.count))
