"""Plans and reports for pipelines: workflow commands of GitHub Actions, and JUnit XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from asyncmigrate import Decision, Outcome
from asyncmigrate._output.github import error_command, result_commands
from asyncmigrate._output.junit import error_xml, result_xml
from asyncmigrate._results.droppable import Droppable, DropReason, VersionUse
from tests.unit.test_report import failure_of, plan_of, planned, report_of, reported

COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")
EVIL = "50%: a,b\r\n::error::forged \x1b[31m \x00 \ufffe \ud800 \u202e <&'\">"
ALL = plan_of(*(planned(d, f"{d}.example.com") for d in Decision))


def commands(text: str) -> list[tuple[str, str, str]]:
    """The commands, unescaped as GitHub does (runner, src/Runner.Common/ActionCommand.cs)."""
    found = [COMMAND.fullmatch(line) for line in text.split("\n")]
    assert all(found), text
    return [(m[1], _plain(m[2]), _plain(m[3])) for m in found if m]


def _plain(text: str) -> str:
    for escaped, plain in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escaped, plain)
    return text


def test_of_a_plan_what_is_to_be_done_is_annotated_the_worst_first() -> None:
    found = commands(result_commands(ALL, check=False))
    assert [(level, title) for level, title, _ in found] == [
        ("error", "blocked: blocked.example.com"),
        ("error", "failed: failed.example.com"),
        ("warning", "stale: stale.example.com"),
        ("notice", "asyncmigrate plan"),
    ]
    assert found[-1][2] == "5 CRDs: 1 new, 1 current, 1 stale, 1 blocked, 1 failed"


def test_with_check_what_it_fails_is_an_error() -> None:
    levels = [level for level, _, _ in commands(result_commands(ALL, check=True))]
    assert levels == ["error", "error", "error", "notice"]


def test_of_a_run_the_objects_that_failed_are_in_the_annotation() -> None:
    crd = reported(Outcome.INCOMPLETE, planned(Decision.STALE), failure_of("w-1"), failure_of("w-2"))
    [(level, title, message), (_, what, _)] = commands(result_commands(report_of(crd), check=False))
    assert (level, title, what) == ("error", "incomplete: widgets.example.com", "asyncmigrate run")
    assert message == "[/m]\nw-1: no answer R: m\nw-2: no answer R: m"


def test_no_message_forges_a_command() -> None:
    found = commands(result_commands(plan_of(planned(Decision.BLOCKED, EVIL, message=EVIL)), check=False))
    assert [level for level, _, _ in found] == ["error", "notice"]
    assert "50%: a,b\\r\\n::error::forged \\x1b[31m" in found[0][2]
    assert commands(error_command(EVIL, reason="Usage"))[0][:2] == ("error", "asyncmigrate: Usage")


def cases(text: str) -> dict[str | None, list[str]]:
    root = ET.fromstring(text)  # noqa: S314 -- our own
    for suite in root.iter("testsuite"):
        of = [child.tag for case in suite.iter("testcase") for child in case]
        counted = {k: int(suite.get(k) or 0) for k in ("failures", "errors", "skipped")}
        assert counted == {"failures": of.count("failure"), "errors": of.count("error"), "skipped": of.count("skipped")}
        assert int(suite.get("tests") or 0) == len(list(suite.iter("testcase")))
    return {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}


def test_each_crd_of_a_plan_is_a_case() -> None:
    assert cases(result_xml(ALL)) == {
        "new.example.com": ["skipped"],
        "current.example.com": [],
        "stale.example.com": ["failure"],
        "blocked.example.com": ["failure"],
        "failed.example.com": ["error"],
    }


def test_each_crd_of_a_run_is_a_case() -> None:
    crds = [reported(o, planned(Decision.STALE, f"{o}.example.com")) for o in Outcome]
    current = reported(Outcome.SKIPPED, planned(Decision.CURRENT, "current.example.com"))
    assert cases(result_xml(report_of(*crds, current))) == {
        "skipped.example.com": ["skipped"],
        "migrated.example.com": [],
        "incomplete.example.com": ["failure"],
        "blocked.example.com": ["failure"],
        "failed.example.com": ["error"],
        "current.example.com": [],
    }


def test_a_version_that_cannot_be_dropped_fails_its_case() -> None:
    use = VersionUse(
        version="v1",
        served=True,
        in_crd=True,
        in_stored_versions=True,
        reasons=(DropReason(reason="ObjectsStored", message="3 objects"),),
    )
    asked = Droppable(
        name="widgets.example.com",
        storage_version="v2",
        stored_versions=("v1", "v2"),
        context="c",
        server="s",
        versions=(use,),
        seconds=0.0,
        requests=1,
    )
    plan = plan_of(planned(Decision.CURRENT, droppable=asked))
    assert cases(result_xml(plan)) == {"widgets.example.com": ["failure"]}
    assert commands(result_commands(plan, check=True))[0][0] == "error"
    assert commands(result_commands(plan, check=False))[0][0] == "warning"


@pytest.mark.parametrize("evil", [EVIL, *(chr(n) for n in range(1, 32)), "\uffff", "\U0001f600"])
def test_no_message_breaks_the_xml(evil: str) -> None:
    plan = plan_of(planned(Decision.BLOCKED, message=evil, reason=evil))
    text = result_xml(plan)
    assert text.isascii()
    assert cases(text) == {"widgets.example.com": ["failure"]}
    assert cases(error_xml(evil, reason="Usage")) == {"asyncmigrate": ["error"]}


def test_more_failures_than_anybody_reads_are_counted() -> None:
    crd = reported(Outcome.INCOMPLETE, planned(Decision.STALE), *(failure_of(f"w-{n}") for n in range(9)))
    many = reported(Outcome.INCOMPLETE, planned(Decision.STALE), *(failure_of(f"w-{n}") for n in range(30)))
    assert "and " not in result_xml(report_of(crd)).partition("<failure")[2].partition("</failure>")[0]
    assert "and 10 more" in result_xml(report_of(many))
