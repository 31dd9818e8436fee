"""Shards agree on what is whose, and there is always one that finishes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate import CRD, Version
from asyncmigrate._rules.decisions.shard import Shard
from asyncmigrate._rules.safety.shard_marks import Marks, Part, agreed, finishes, marked, marks_key, part_of, spec_of

WIDGETS = CRD(
    name="widgets.example.com",
    group="example.com",
    plural="widgets",
    kind="Widget",
    versions=(Version("v1"), Version("v2", storage=True)),
    uid="u",
    generation=2,
    changed="2026-01-01T00:00:00Z",
    moved="2026-01-01T00:00:00Z",
)
SPEC = spec_of(WIDGETS)


@pytest.mark.parametrize(
    "change",
    [{"uid": "x"}, {"generation": 3}, {"changed": ""}, {"moved": ""}, {"versions": (Version("v1", storage=True),)}],
)
def test_a_spec_is_told_from_others_by_what_records_go_by(change: dict[str, object]) -> None:
    assert spec_of(msgspec.structs.replace(WIDGETS, **change)) != SPEC
    assert spec_of(msgspec.structs.replace(WIDGETS, resource_version="99", stored_versions=("v2",))) == SPEC


def test_another_number_of_shards_has_marks_of_its_own() -> None:
    assert (
        marks_key("c/widgets", Shard(0, 4))
        == marks_key("c/widgets", Shard(3, 4))
        != marks_key("c/widgets", Shard(0, 8))
    )


@pytest.mark.parametrize(
    ("marks", "cut", "after"),
    [
        (None, True, Marks(spec="s", cut=True)),
        (None, False, Marks(spec="s", owner=2)),
        # Who came first has decided.
        (Marks(spec="s", cut=True, done=(0,)), False, Marks(spec="s", cut=True, done=(0,))),
        (Marks(spec="s"), True, Marks(spec="s")),
        # What was done under another spec is not; nobody waits for those until they come.
        (Marks(spec="old", cut=True, done=(0, 2), left=(1, 3)), True, Marks(spec="s", cut=True, left=(0, 2, 3))),
        # Those that have ended hear of no other decision.
        (Marks(spec="old", cut=True, done=(0,)), False, Marks(spec="s", cut=True, left=(0,))),
        (Marks(spec="old", owner=3), True, Marks(spec="s", owner=3)),
        (Marks(spec="old", owner=3), False, Marks(spec="s", owner=3)),
        (Marks(spec="s", cut=True, left=(1, 3)), True, Marks(spec="s", cut=True, left=(3,))),
    ],
)
def test_agreed(marks: Marks | None, cut: bool, after: Marks) -> None:  # noqa: FBT001 -- a table
    assert agreed(marks, "s", Shard(1, 4), cut=cut, owner=2) == after


@pytest.mark.parametrize(
    ("marks", "index", "part"),
    [
        (Marks(spec=SPEC, owner=2), 2, Part.ALL),
        (Marks(spec=SPEC, owner=2), 3, Part.NONE),
        (Marks(spec=SPEC, cut=True), 1, Part.RANGE),
        (Marks(spec=SPEC, cut=True, done=(0, 2, 3)), 1, Part.RANGE),
        (Marks(spec=SPEC, cut=True, done=(1, 2)), 1, Part.DONE),
        (Marks(spec=SPEC, cut=True, done=(0, 1, 2, 3)), 1, Part.ALL),
        (Marks(spec=SPEC, cut=True, done=(1,), left=(0, 2, 3)), 1, Part.ALL),
    ],
)
def test_part(marks: Marks, index: int, part: Part) -> None:
    assert part_of(marks, Shard(index, 4)) is part


def test_marks_that_are_gone_are_not_made_anew_and_whoever_finds_that_finishes() -> None:
    for marks in (None, Marks(spec="other", cut=True)):
        assert marked(marks, "s", Shard(1, 4)) == marks
        assert finishes(marked(marks, "s", Shard(1, 4)), "s", Shard(1, 4))


STEPS = ["run", "killed", "spec changed", "replaced", "more", "fewer", "lost"]
Steps = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(STEPS)), max_size=30)


@given(Steps, st.permutations(range(4)), st.booleans())
def test_however_shards_come_and_die_one_finishes_at_last(
    steps: list[tuple[int, str]],
    order: list[int],
    cut: bool,  # noqa: FBT001 -- drawn
) -> None:
    """Each shard runs until it has ended well once, as an Indexed Job has it; then somebody has finished all.

    A spec that changes under a shard has it start anew, and marks may be lost before any shard has ended. The CRD may
    be deleted and made again, which gives its objects to another shard; and it may have many objects now, few then.
    """
    spec, uid, marks = 0, 0, None
    ended: set[int] = set()
    finished = False

    def run(index: int, *, dies: bool) -> None:
        nonlocal marks, finished
        shard = Shard(index, 4)
        marks = agreed(marks, str(spec), shard, cut=cut, owner=uid % 4)
        part = part_of(marks, shard)
        if dies:
            return
        if part is Part.RANGE:
            marks = marked(marks, str(spec), shard)
            finished = finished or finishes(marks, str(spec), shard)
        finished = finished or part is Part.ALL
        ended.add(index)

    for index, step in steps:
        if step in {"spec changed", "replaced"} and not finished:
            spec, uid = spec + 1, uid + (step == "replaced")
        cut = {"more": True, "fewer": False}.get(step, cut)
        if step == "lost" and not ended:
            marks = None
        if step in {"run", "killed"} and index not in ended:
            run(index, dies=step == "killed")
    for index in order:
        if index not in ended:
            run(index, dies=False)
    assert finished
