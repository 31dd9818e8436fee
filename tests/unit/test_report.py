"""What is shown: other people's words stay words, and failures of one cause are one line."""

from __future__ import annotations

import io

import pytest

from asyncmigrate import CRD, Changes, CRDPlan, CRDReport, Decision, Failure, Objects, Outcome, Plan, Report, Version
from asyncmigrate._cli import exits
from asyncmigrate._cli.exits import Exit
from asyncmigrate._cluster.error_status import read_status
from asyncmigrate._observers.lines import Lines
from asyncmigrate._observers.live import Live
from asyncmigrate._output import words
from asyncmigrate._output.consoles import console_for
from asyncmigrate._output.grid import grid
from asyncmigrate._output.sheet import Sheet
from asyncmigrate._output.tables import plan_sheet, report_sheet, without_routine
from asyncmigrate.events import CRDFinished, CRDStarted, ObjectFailed, ObjectSettled, PageListed, RunStarted, Settled

LIVE = CRD(
    name="widgets.example.com",
    group="example.com",
    plural="widgets",
    kind="Widget",
    versions=(Version("v1"), Version("v2", storage=True)),
    stored_versions=("v1", "v2"),
)


def planned(decision: Decision, name: str = "widgets.example.com", **more: object) -> CRDPlan:
    base = {"name": name, "decision": decision, "reason": "Reason", "message": "because [/of] [red]this"}
    return CRDPlan(**base | {"live": LIVE} | more)  # type: ignore[arg-type]


def plan_of(*crds: CRDPlan) -> Plan:
    return Plan(context="c", server="s", seconds=1, crds=crds, requests=1, retries=0)


def failure_of(name: str) -> Failure:
    return Failure(namespace="", name=name, code=0, reason="R", message="m", attempts=1)


def reported(outcome: Outcome, plan: CRDPlan, *failures: Failure, refused: bool = False) -> CRDReport:
    objects = Objects(listed=9, rewritten=9 - len(failures), failed=len(failures))
    return CRDReport(
        plan=plan, outcome=outcome, reason="R", message="[/m]", objects=objects, failures=failures, refused=refused
    )


def report_of(*crds: CRDReport, interrupted: bool = False) -> Report:
    return Report(context="c", server="s", seconds=75, crds=crds, requests=1234, retries=2, interrupted=interrupted)


def shown(sheet: Sheet) -> str:
    short = without_routine(sheet)
    return "\n".join(line.plain for line in (*grid(short, 200), *short.problems, *short.counts))


def test_brackets_in_messages_are_just_brackets() -> None:
    assert "because [/of] [red]this" in shown(plan_sheet(plan_of(planned(Decision.STALE))))
    assert "[/m]" in shown(report_sheet(report_of(reported(Outcome.FAILED, planned(Decision.STALE)))))


def test_no_answer_can_upset_a_terminal() -> None:
    body = b'{"kind":"Status","message":"a\\u001b[2J\\nb","reason":"Invalid"}'
    assert read_status(422, {}, body, now=0).message == "a?[2J b"
    assert read_status(500, {}, b"\x1b[2J<html>", now=0).message == "?[2J<html>"


def test_many_crds_are_counted_and_only_what_matters_is_a_row() -> None:
    new = [planned(Decision.NEW, f"n{n}.example.com", live=None) for n in range(30)]
    changed = planned(Decision.CURRENT, "a.example.com", changes=Changes(added=("v3",), unserved=("v1",)))
    text = shown(plan_sheet(plan_of(*new, changed, planned(Decision.BLOCKED))))
    assert "n7.example.com" not in text
    assert "+v3, v1 unserved" in text
    assert "not shown: 30 new" in text
    assert "32 CRDs: 30 new, 1 current, 1 blocked" in text
    assert "the manifests bring 30 new CRDs and change 1" in text


def test_failures_of_one_cause_share_a_line() -> None:
    def failed(name: str, message: str) -> Failure:
        return Failure(namespace="ns", name=name, code=403, reason="Forbidden", message=message, attempts=1)

    failures = [failed(f"w-{n}", f'denied "w-{n}"') for n in range(7)] + [failed("x", "another")]
    text = shown(report_sheet(report_of(reported(Outcome.INCOMPLETE, planned(Decision.STALE), *failures))))
    assert "7 objects, such as ns/w-0: 403 Forbidden" in text
    assert "ns/x: 403 Forbidden: another" in text
    assert "1 min 15 s, 1,234 requests, 2 retries" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.421, "0.42 s"), (9.96, "10 s"), (75, "1 min 15 s"), (26640, "7 h 24 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize("kind", [Live, Lines])
def test_displays_follow_a_run(kind: type[Live | Lines]) -> None:
    out = io.StringIO()
    plan = planned(Decision.STALE)
    failure = failure_of("w")
    finished = reported(Outcome.INCOMPLETE, plan, failure)
    with kind(console_for(out)) as display:
        display(RunStarted(plan_of(plan), 1, dry_run=False))
        display(CRDStarted(plan.name, "v2"))
        display(PageListed(plan.name, 2, None))
        display(ObjectSettled(plan.name, "", "a", Settled.REWRITTEN))
        display(ObjectFailed(plan.name, failure))
        display(CRDFinished(finished))
    assert "widgets.example.com: incomplete" in out.getvalue()


STALE, NEW = planned(Decision.STALE), planned(Decision.NEW)
BLOCKED, REFUSED = planned(Decision.BLOCKED), planned(Decision.FAILED, refused=True)
FAILED = planned(Decision.FAILED)


@pytest.mark.parametrize(
    ("crds", "plain", "checked"),
    [
        ((), Exit.OK, Exit.OK),
        ((NEW,), Exit.OK, Exit.OK),
        ((STALE, NEW), Exit.OK, Exit.FAILED),
        ((BLOCKED, STALE), Exit.BLOCKED, Exit.FAILED),
        ((BLOCKED, FAILED), Exit.BLOCKED, Exit.FAILED),
        ((FAILED, NEW), Exit.FAILED, Exit.FAILED),
        ((REFUSED, REFUSED), Exit.UNREACHABLE, Exit.UNREACHABLE),
        ((REFUSED, NEW), Exit.FAILED, Exit.FAILED),
    ],
)
def test_exit_codes_of_plans(crds: tuple[CRDPlan, ...], plain: Exit, checked: Exit) -> None:
    assert exits.for_plan(plan_of(*crds), check=False) is plain
    assert exits.for_plan(plan_of(*crds), check=True) is checked


@pytest.mark.parametrize(
    ("report", "skip_blocked", "code"),
    [
        (report_of(), False, Exit.OK),
        (report_of(reported(Outcome.MIGRATED, STALE), reported(Outcome.SKIPPED, NEW)), False, Exit.OK),
        (report_of(reported(Outcome.INCOMPLETE, STALE)), False, Exit.FAILED),
        (report_of(reported(Outcome.BLOCKED, BLOCKED), reported(Outcome.SKIPPED, STALE)), False, Exit.BLOCKED),
        (report_of(reported(Outcome.BLOCKED, BLOCKED), reported(Outcome.MIGRATED, STALE)), True, Exit.FAILED),
        (
            report_of(reported(Outcome.FAILED, STALE, refused=True), reported(Outcome.SKIPPED, NEW)),
            False,
            Exit.UNREACHABLE,
        ),
        (
            report_of(reported(Outcome.FAILED, STALE, refused=True), reported(Outcome.MIGRATED, STALE)),
            False,
            Exit.FAILED,
        ),
        (report_of(reported(Outcome.MIGRATED, STALE), interrupted=True), False, Exit.INTERRUPTED),
    ],
)
def test_exit_codes_of_runs(report: Report, skip_blocked: bool, code: Exit) -> None:  # noqa: FBT001
    assert exits.for_report(report, skip_blocked=skip_blocked) is code
