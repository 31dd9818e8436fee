"""Which Event a CRD's report makes: its reason, its one line, and a name that stays the same from run to run."""

from __future__ import annotations

import msgspec
import pytest

from asyncmigrate import Decision, Outcome
from asyncmigrate._results.plan import CRDPlan
from asyncmigrate._results.report import PLAN_BLOCKED, CRDReport, Failure, Objects, TrimmedBy
from asyncmigrate._rules.decisions.crd_events import MESSAGE_BYTES, CRDEvent, EventType, event_for
from asyncmigrate._rules.decisions.safe_text import cut
from tests.unit.rules.cases import crd

LIVE = crd("v2", "v1", "v2", stored=("v1", "v2"))
FAILURE = Failure(namespace="ns", name="w", code=422, reason="Invalid", message="spec: no", attempts=1)


def report(outcome: Outcome, reason: str = "Because", message: str = "it went so", **more: object) -> CRDReport:
    decision = Decision.BLOCKED if outcome is Outcome.BLOCKED else Decision.STALE
    planned = CRDPlan(name=LIVE.name, decision=decision, reason="Stale", message="", live=LIVE)
    made = CRDReport(plan=planned, outcome=outcome, reason=reason, message=message)
    return msgspec.structs.replace(made, **more)


def made(found: CRDReport) -> CRDEvent:
    event = event_for(found)
    assert event is not None
    return event


@pytest.mark.parametrize(
    ("found", "type_", "reason", "message"),
    [
        (
            report(Outcome.MIGRATED, objects=Objects(listed=1200, rewritten=1200), trimmed_by=TrimmedBy.THIS_RUN),
            *(EventType.NORMAL, "StorageMigrated"),
            "it went so (1,200 objects: 1,200 rewritten); status.storedVersions was trimmed to [v2].",
        ),
        (
            report(Outcome.MIGRATED, objects=Objects(listed=1, proven=1), trimmed_by=TrimmedBy.OTHERS),
            *(EventType.NORMAL, "StorageMigrated"),
            "it went so (1 object: 1 proven); others trimmed storedVersions to [v2].",
        ),
        (
            report(Outcome.MIGRATED, "ManagedFieldsMoved", objects=Objects(listed=1, proven=1)),
            *(EventType.NORMAL, "StorageMigrated", "it went so (1 object: 1 proven)."),
        ),
        (
            report(Outcome.INCOMPLETE, objects=Objects(listed=1200, rewritten=1197, failed=3), failures=(FAILURE,)),
            *(EventType.WARNING, "ObjectsFailed"),
            "3 of 1,200 objects could not be rewritten in v2, such as ns/w: 422 Invalid: spec: no. "
            "status.storedVersions was left as it is. Fix the objects. Then run asyncmigrate again.",
        ),
        (
            report(Outcome.INCOMPLETE, "SpecChanged", objects=Objects(listed=2, rewritten=2)),
            *(EventType.WARNING, "StorageMigrationIncomplete"),
            "Not migrated to v2: SpecChanged: it went so (2 objects: 2 rewritten). Put this right. "
            "Then run asyncmigrate again.",
        ),
        (
            report(Outcome.FAILED, "Forbidden", "no."),
            *(EventType.WARNING, "StorageMigrationIncomplete"),
            "Not migrated to v2: Forbidden: no. Put this right. Then run asyncmigrate again.",
        ),
        (
            report(Outcome.BLOCKED, "RightsMissing"),
            *(EventType.WARNING, "StorageMigrationIncomplete"),
            "Not migrated to v2: RightsMissing: it went so. Put this right. Then run asyncmigrate again.",
        ),
        (
            report(Outcome.SKIPPED, PLAN_BLOCKED),
            *(EventType.WARNING, "StorageMigrationIncomplete"),
            "Not migrated to v2: PlanBlocked: it went so. Unblock the other CRD, or skip it. "
            "Then run asyncmigrate again.",
        ),
    ],
    ids=["trimmed", "by others", "cleaned", "failed objects", "incomplete", "failed", "blocked", "held back"],
)
def test_each_outcome(found: CRDReport, type_: EventType, reason: str, message: str) -> None:
    event = made(found)
    assert (event.type, event.reason, event.message) == (type_, reason, message)
    assert (event.crd, event.uid, event.resource_version) == (LIVE.name, LIVE.uid, LIVE.resource_version)


def test_what_needed_nothing_or_is_not_there_makes_none() -> None:
    assert event_for(report(Outcome.SKIPPED, "NotTakenUp")) is None
    gone = CRDPlan(name="a", decision=Decision.FAILED, reason="Absent", message="")
    assert event_for(report(Outcome.FAILED, plan=gone)) is None


@pytest.mark.parametrize("words", ["x" * 5000, "ü" * 5000, "🙂" * 5000, "\x1b[2J\n" * 900, "\udcff" * 900])
@pytest.mark.parametrize("failed", [0, 7])
def test_whatever_it_says_it_is_one_line_in_bounds_and_ends_with_what_to_do(words: str, failed: int) -> None:
    failure = msgspec.structs.replace(FAILURE, message=words, name=words)
    counts = Objects(listed=10, failed=failed)
    event = made(report(Outcome.INCOMPLETE, words, words, objects=counts, failures=(failure,) * failed))
    assert len(event.message.encode()) <= MESSAGE_BYTES
    assert event.message.isprintable()
    assert event.message.endswith("Then run asyncmigrate again.")


def test_the_name_tells_objects_and_reasons_apart_and_nothing_else() -> None:
    one = made(report(Outcome.FAILED))
    assert one.name == made(report(Outcome.BLOCKED, message="other")).name
    assert one.name.startswith(f"{LIVE.name}.")
    others = [made(report(Outcome.MIGRATED)), msgspec.structs.replace(one, uid="another")]
    assert len({one.name, *(o.name for o in others)}) == 3
    long = msgspec.structs.replace(one, crd=("a" * 60 + ".") * 4)
    assert len(long.name) <= 253
    assert ".." not in long.name


@pytest.mark.parametrize(
    ("words", "most", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 4, "abcd"),
        ("abcde", 4, "a…"),
        ("üüü", 5, "ü…"),
        ("🙂🙂", 7, "🙂…"),
        ("ab cd", 4, "a…"),
    ],
)
def test_no_character_is_cut_in_two(words: str, most: int, expected: str) -> None:
    assert cut(words, most) == expected
