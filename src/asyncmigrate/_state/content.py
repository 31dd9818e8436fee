"""What a state holds: a record of each CRD whose migration has begun, and what shards agreed on.

A state is changed by functions of it, so that a change can be made again on what others wrote meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from asyncmigrate._rules.safety.resource_versions import number_of
from asyncmigrate._rules.safety.resume import Record, better
from asyncmigrate._rules.safety.shard_marks import Marks

API_VERSION = "asyncmigrate/v1"
KIND = "State"


class State(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Records and shards' marks; the keys begin with the cluster and the CRD."""

    api_version: str = ""
    kind: str = ""
    records: dict[str, Record] = {}
    shards: dict[str, Marks] = {}

    @property
    def crds(self) -> frozenset[str]:
        """The keys of the CRDs that something is known of."""
        return frozenset({*self.records, *(k.rpartition("/")[0] for k in self.shards)})


Change = Callable[[State], State]
_decode = msgspec.json.Decoder(State).decode


class NotAState(ValueError):  # noqa: N818 -- whoever reads it says what is wrong, and where
    """Something else than a state."""


def decoded(data: bytes | str) -> State:
    """Read a state.

    Raises:
        NotAState: it is something else.
    """
    try:
        state = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAState from error
    if (state.api_version, state.kind) != (API_VERSION, KIND):
        raise NotAState
    return msgspec.structs.replace(state, api_version="", kind="")


def encoded(state: State) -> bytes:
    kept = {"apiVersion": API_VERSION, "kind": KIND, "records": state.records}
    return msgspec.json.encode(kept | ({"shards": state.shards} if state.shards else {}))


def fitting(state: State, most: int) -> State:
    """The state in at most so many bytes: without the newest records, which spare a later run the least."""
    over = len(encoded(state)) - most
    records = dict(state.records)
    for key in sorted(records, key=lambda k: number_of(records[k].resource_version), reverse=True):
        if over <= 0:
            break
        over -= len(msgspec.json.encode({key: records.pop(key)})) - 1  # the braces are not its own, a comma is
    return msgspec.structs.replace(state, records=records)


def put_record(record: Record, *, settle: float) -> Change:
    """Keep a record, or the one that is there if it says more to runs that ask for `settle`."""

    def change(state: State) -> State:
        best = better(state.records.get(record.key), record, settle=settle)
        return msgspec.structs.replace(state, records=state.records | {record.key: best})

    return change


def put_marks(key: str, change_marks: Callable[[Marks | None], Marks | None]) -> Change:
    """Change what shards agreed on; None means that there is nothing."""

    def change(state: State) -> State:
        marks = change_marks(state.shards.get(key))
        shards = {k: m for k, m in state.shards.items() if k != key}
        return msgspec.structs.replace(state, shards=shards if marks is None else shards | {key: marks})

    return change


def drop(keys: Iterable[str]) -> Change:
    """Forget CRDs, with the marks of all their shards."""
    gone = frozenset(keys)

    def change(state: State) -> State:
        records = {k: r for k, r in state.records.items() if k not in gone}
        shards = {k: m for k, m in state.shards.items() if k.rpartition("/")[0] not in gone}
        return msgspec.structs.replace(state, records=records, shards=shards)

    return change
