"""What a later run must know of an earlier one to skip what that one had done, and when it may."""

from __future__ import annotations

import msgspec

from asyncmigrate._model import CRD
from asyncmigrate._results.unfinished import Unfinished
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.stamps import seconds_of


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One CRD whose migration has begun.

    Any object whose resource version is above `resource_version`, that of the list that rewriting began with, has been
    written since in the storage version, by that run or by anyone else: the move was `move_age` seconds old by then.
    That holds for a cluster that was put back to an older state too: what the backup brings back is not above it.
    """

    cluster: str
    name: str
    uid: str
    generation: int
    storage_version: str
    changed: str
    resource_version: str
    move_age: float = 0.0  # records of older releases lack it, and hold only for runs that ask for no age

    @property
    def key(self) -> str:
        return key_of(self.cluster, self.name)


def key_of(cluster: str, name: str) -> str:
    return f"{cluster}/{name}"


def record_of(crd: CRD, cluster: str, resource_version: str, age: float, *, server_now: float | None) -> Record | None:
    """The record of a CRD whose rewriting begins at a list's `resource_version`, with a move that is `age` seconds old.

    None where the CRD does not say when it was changed: after a restore of etcd and another move it looks the same. So
    it does where its newest stamp is in the future, as a client may send it: another move would not change that.
    """
    changed = seconds_of(crd.changed)
    if not (crd.uid and crd.moved) or changed is None or server_now is None or changed > server_now:
        return None
    return Record(
        cluster=cluster,
        name=crd.name,
        uid=crd.uid,
        generation=crd.generation,
        storage_version=crd.storage_version or "",
        changed=crd.changed,
        resource_version=resource_version,
        move_age=age,
    )


def record_left(left: Unfinished, now: Record, *, here: set[str]) -> Record | None:
    """What an earlier run's report says of the CRD that `now` is the record of; None where it says nothing that helps.

    `here` are the names of this cluster: a report of another one says nothing of it.
    """
    spec, progress = left.spec, left.progress
    if spec is None or progress is None or progress.cluster not in here:
        return None
    return msgspec.structs.replace(
        now,
        uid=spec.uid,
        generation=spec.generation,
        changed=spec.changed,
        resource_version=progress.resource_version,
        move_age=progress.move_age,
    )


def may_resume(record: Record, now: Record, *, settle: float) -> bool:
    """Tell whether `record` still speaks of the CRD that `now` is the record of, for a run that asks for `settle`."""
    same = msgspec.structs.replace(now, resource_version=record.resource_version, move_age=record.move_age) == record
    return same and record.move_age >= settle and not is_newer(record.resource_version, now.resource_version)


def better(kept: Record | None, new: Record, *, settle: float) -> Record:
    """Of the record that is kept and a new one, that which says more: the older list, if it still holds."""
    return kept if kept is not None and may_resume(kept, new, settle=settle) else new
