"""The termination message: how it ended comes first, and it is never longer than the kubelet reads."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from asyncmigrate import Decision, Outcome, Plan, Report
from asyncmigrate._cli.termination import VARIABLE, leave
from asyncmigrate._output.termination import MOST_BYTES, termination_message
from asyncmigrate._results.plan import CRDPlan
from asyncmigrate._results.report import CRDReport, Failure, Objects

REPORT = Report(context="c", server="https://s", seconds=13.0, crds=(), requests=200, retries=0)


def crd(name: str, outcome: Outcome, message: str = "it went so", *, failed: int = 0, why: str = "no") -> CRDReport:
    decision = Decision.BLOCKED if outcome is Outcome.BLOCKED else Decision.STALE
    planned = CRDPlan(name=name, decision=decision, reason="Stale", message="")
    failure = Failure(namespace="ns", name="w", code=422, reason="Invalid", message=why, attempts=1)
    return CRDReport(
        plan=planned,
        outcome=outcome,
        reason="Because",
        message=message,
        objects=Objects(listed=10, rewritten=10 - failed, failed=failed),
        failures=(failure,) * min(failed, 1),
    )


def report(*crds: CRDReport, **more: object) -> Report:
    return msgspec.structs.replace(REPORT, crds=crds, **more)


def test_success_is_one_line_of_counts() -> None:
    assert termination_message(0, report(crd("a", Outcome.MIGRATED), crd("b", Outcome.SKIPPED))) == (
        "done (exit code 0): 2 CRDs (1 skipped, 1 migrated); 20 objects: 20 rewritten; 13 s, 200 requests\n"
    )


def test_what_is_not_done_follows_the_worst_first() -> None:
    found = termination_message(
        1,
        report(
            crd("a", Outcome.MIGRATED),
            crd("b", Outcome.INCOMPLETE, "3 failed", failed=3, why="spec.size: too big"),
            crd("c", Outcome.FAILED),
        ),
    )
    assert found.splitlines()[1:] == [
        "c: failed: Because: it went so",
        "b: incomplete: Because: 3 failed; such as ns/w: 422 Invalid: spec.size: too big",
    ]
    assert found.startswith("failed, or not all is done (exit code 1): 3 CRDs (1 migrated, 1 incomplete, 1 failed); ")


def test_an_error_is_in_the_first_line() -> None:
    assert termination_message(2, error="No such option: --evnts") == (
        "wrong usage or input (exit code 2): No such option: --evnts\n"
    )
    assert termination_message(130) == "interrupted: run again to do the rest (exit code 130)\n"
    assert termination_message(77) == "ended (exit code 77)\n"
    assert termination_message(130, report(interrupted=True)).startswith(
        "interrupted: run again to do the rest (exit code 130): interrupted: 0 CRDs (none)"
    )


def test_a_plan_names_what_is_stuck() -> None:
    blocked = CRDPlan(name="a", decision=Decision.BLOCKED, reason="RightsMissing", message="give yourself rights")
    made = Plan(context="c", server="https://s", seconds=1.0, crds=(blocked,), requests=1, retries=0)
    assert termination_message(3, made) == (
        "blocked: nothing was written (exit code 3): 1 CRD: 1 blocked\n"
        "a: blocked: RightsMissing: give yourself rights\n"
    )


@pytest.mark.parametrize("character", ["x", "ü", "日", "🙂", "\x1b", "\udcff", "\n"])
@pytest.mark.parametrize("length", [0, 100, 400, 5000])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 22, 23, 200])
def test_it_never_is_too_long_and_says_how_many_there_are_more(character: str, length: int, count: int) -> None:
    crds = [crd(f"n{n}-{character * length}", Outcome.FAILED, character * length) for n in range(count)]
    found = termination_message(1, report(*crds), error=character * length)
    assert len(found.encode()) <= MOST_BYTES
    lines = found.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) <= 24
    named = [line for line in lines if line.startswith("n")]
    left = count - len(named)
    assert lines[1 + len(named) :] == ([f"… and {left:,} more"] if left else [])
    assert named or not count


def test_it_is_written_only_where_the_kubelet_made_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    monkeypatch.setenv(VARIABLE, str(path))
    leave("nothing is there")
    assert not path.exists()
    path.write_text("a longer message of an earlier container")
    leave("ünï\n")
    assert path.read_text() == "ünï\n"
    for other in (tmp_path, Path("/dev/full"), Path("/dev/null")):
        monkeypatch.setenv(VARIABLE, str(other))
        leave("no error")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "pipe"))
    leave("nobody reads, and nobody waits")
