"""When a record of an earlier run holds, from its state file or from its report."""

from __future__ import annotations

import msgspec
import pytest

from asyncmigrate import Progress, Unfinished
from asyncmigrate._results.plan import SpecID, spec_id
from asyncmigrate._rules.safety.resume import Record, may_resume, record_left, record_of
from asyncmigrate._rules.safety.stamps import seconds_of
from tests.unit.rules.cases import MOVED, crd

CRD = crd("v2", "v2", generation=2, changed=MOVED, moved=MOVED)
LATER = "2026-11-24T10:00:01Z"
NOW = seconds_of(LATER)


def record(version: str, age: float = 50.0, cluster: str = "here", **change: object) -> Record:
    made = record_of(msgspec.structs.replace(CRD, **change), cluster, version, age, server_now=NOW)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (record("150"), True),
        (record("100"), True),
        (record("99"), False),  # the store has been put back to an older state
        (record("150", age=0.0), True),  # how old the move is now is another matter
        (record("150", cluster="elsewhere"), False),
        (record("150", uid="other"), False),
        (record("150", generation=3), False),
        (record("150", changed=LATER), False),
        (record("150", versions=crd("v3", "v3").versions), False),
    ],
)
def test_a_record_holds_only_for_the_crd_as_it_was(now: Record, *, holds: bool) -> None:
    assert may_resume(record("100"), now, settle=45) is holds


def test_a_record_made_with_a_younger_move_does_not_hold_for_a_run_that_asks_for_more() -> None:
    assert may_resume(record("100", age=5.0), record("150"), settle=5)
    assert not may_resume(record("100", age=5.0), record("150"), settle=45)


@pytest.mark.parametrize("change", [{"changed": ""}, {"changed": "soon"}, {"moved": ""}, {"uid": ""}])
def test_there_is_no_record_of_a_crd_that_does_not_say_when_it_was_changed(change: dict[str, str]) -> None:
    assert record_of(msgspec.structs.replace(CRD, **change), "here", "100", 50.0, server_now=NOW) is None


@pytest.mark.parametrize(("now", "is_kept"), [(None, False), (MOVED, True), ("2026-11-24T09:59:59Z", False)])
def test_there_is_no_record_of_a_crd_with_a_stamp_of_the_future(now: str | None, *, is_kept: bool) -> None:
    server_now = None if now is None else seconds_of(now)
    assert (record_of(CRD, "here", "100", 50.0, server_now=server_now) is not None) is is_kept


PROGRESS = Progress(cluster="here", resource_version="100", move_age=50.0)
LEFT = Unfinished(name=CRD.name, spec=spec_id(CRD), progress=PROGRESS)


@pytest.mark.parametrize(
    ("left", "holds"),
    [
        (LEFT, True),
        (Unfinished(name=CRD.name, spec=spec_id(CRD)), False),
        (Unfinished(name=CRD.name, progress=PROGRESS), False),
        (msgspec.structs.replace(LEFT, spec=SpecID(uid="u", generation=2, changed=LATER)), False),
        (msgspec.structs.replace(LEFT, spec=SpecID(uid="u", generation=3, changed=MOVED)), False),
        (msgspec.structs.replace(LEFT, progress=msgspec.structs.replace(PROGRESS, cluster="elsewhere")), False),
        (msgspec.structs.replace(LEFT, progress=msgspec.structs.replace(PROGRESS, resource_version="151")), False),
        (msgspec.structs.replace(LEFT, progress=msgspec.structs.replace(PROGRESS, move_age=44.0)), False),
    ],
)
def test_a_report_holds_by_the_same_rules(left: Unfinished, *, holds: bool) -> None:
    now = record("150")
    found = record_left(left, now, here={"here", "https://here"})
    assert (found is not None and may_resume(found, now, settle=45)) is holds
