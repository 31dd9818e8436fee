"""A shard finds out what is its own, whatever other shards do to what they share."""

from __future__ import annotations

from typing import Any, cast

from asyncmigrate import CRD, Version
from asyncmigrate._engine.run_state import RunState
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.shares import Share
from asyncmigrate._rules.decisions.shard import Shard
from asyncmigrate._rules.safety.shard_marks import Marks, Part, spec_of
from asyncmigrate._state.content import Change, State

CRD_ = CRD(
    name="widgets.example.com",
    group="example.com",
    plural="widgets",
    kind="Widget",
    versions=(Version("v1"), Version("v2", storage=True)),
    uid="u",
    generation=2,
)


class TakenAway:
    """A state whose marks others take away right after each change: they have trimmed the CRD."""

    def key(self, name: str) -> str:
        return f"here/{name}"

    def marks(self, _: str) -> Marks:
        return Marks(spec=spec_of(CRD_), cut=True)

    async def agree(self, change: Change) -> State:
        return State(records=change(State()).records)


async def test_marks_that_others_take_away_at_once_end_no_shard() -> None:
    none = cast("Any", None)
    share = Share(cast("Session", none), cast("RunState", TakenAway()), Shard(0, 2))
    assert await share.part(CRD_, none) is Part.RANGE
    assert share.range == Shard(0, 2)
    # By then the CRD is trimmed, or the state was lost: whoever is done looks at all objects.
    assert await share.done(CRD_)
    assert share.range is None
