"""Plans and reports as JSON and back, as text, and the errors that carry them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asyncmigrate import (
    CRD,
    Changes,
    CRDPlan,
    CRDReport,
    Decision,
    Droppable,
    Failure,
    Objects,
    Outcome,
    OwnersLeft,
    Plan,
    PolicyRule,
    Progress,
    PrunedObjects,
    Report,
    TrimmedBy,
    Version,
    VersionUse,
    Writer,
)
from asyncmigrate._manifests import exact_yaml
from asyncmigrate._manifests.limits import MOST_BYTES
from asyncmigrate._output.documents import as_yaml
from asyncmigrate._output.read_unfinished import read_unfinished
from asyncmigrate._results.droppable import (
    AdmissionUse,
    DropReason,
    ManifestMention,
    ManifestUse,
    NotChecked,
    OwnedObjects,
)
from asyncmigrate.errors import BlockedError, IncompleteError, UsageError

LIVE = CRD(
    name="widgets.example.com",
    group="example.com",
    plural="widgets",
    kind="Widget",
    scope="Cluster",
    versions=(Version("v1", served=False), Version("v2", storage=True)),
    stored_versions=("v1", "v2"),
    uid="u",
    resource_version="7",
    generation=3,
    terminating=True,
    labels={"a.b/c_d": "x"},
    webhook=True,
    migrating=True,
    changed="2026-11-25T00:00:00Z",
    moved="2026-11-24T00:00:00Z",
    stamped="2026-11-25T00:00:01Z",
    alike=("v1",),
    same_schemas=False,
    pruned=(".spec.x",),
)
USE = VersionUse(
    version="v1",
    droppable=True,
    in_crd=False,
    served=True,
    in_stored_versions=True,
    objects=3,
    example="ns/w",
    writers=(Writer(manager="m", api_version="example.com/v1", objects=3, newest="2026-11-25T00:00:00Z"),),
    owners=(OwnedObjects(resource="pods", objects=1, example="ns/p"),),
    admission=(AdmissionUse(kind="K", name="n", webhook="w", match_policy="Exact", excludes=True, param=True),),
    manifests=(ManifestUse(source="a", objects=1, names=("ns/w",)),),
    mentions=(ManifestMention(source="a", at="spec", as_api_version=True),),
    not_checked=(NotChecked(what="w", reason="Forbidden", message="no"),),
    reasons=(DropReason(reason="R", message="m", advice="a"),),
    notes=(DropReason(reason="N", message="m"),),
)
FOUND = Droppable(
    name=LIVE.name, storage_version="v2", stored_versions=("v1",), versions=(USE,), objects=9, now=1795643571.5
)
FULL = CRDPlan(
    name=LIVE.name,
    decision=Decision.STALE,
    reason="OldStoredVersions",
    message="a \x1b[2J \u202e and \udc80",
    live=LIVE,
    changes=Changes(added=("v3",), storage_moves_to="v3", prunes=(".a",), requires=(".b",)),
    refused=True,
    waiting=5,
    missing=(PolicyRule(api_groups=("a",), resources=("b",), verbs=("c",)),),
    webhook_error="down",
    droppable=FOUND,
)
BARE = CRDPlan(name="gadgets.example.com", decision=Decision.NEW, reason="NotOnCluster", message="new")
UNUSED = msgspec.structs.replace(FULL, droppable=msgspec.structs.replace(FOUND, versions=(VersionUse(version="v1"),)))
PLAN = Plan(context="c", server="https://a", seconds=1.25, crds=(FULL, BARE, UNUSED), requests=7, retries=2)


def reported(plan: CRDPlan, outcome: Outcome, **more: Any) -> CRDReport:  # noqa: ANN401 -- fields
    return CRDReport(plan=plan, outcome=outcome, reason="R", message="because", **more)


WORKED_ON = reported(
    FULL,
    Outcome.INCOMPLETE,
    objects=Objects(listed=3, rewritten=2, failed=1),
    trimmed_by=TrimmedBy.OTHERS,
    failures=(Failure(namespace="ns", name="w", code=422, reason="Invalid", message="no", attempts=2),),
    progress=Progress(cluster="c", resource_version="9", move_age=99.5),
    pruning=PrunedObjects(fields=(".x",), objects=1, read=3, example="ns/w"),
    refused=True,
    writers=USE.writers,
    owners_left=(OwnersLeft(manager="m", api_version="example.com/v1", fields=(".x",), objects=1),),
)


def report_of(*crds: CRDReport, interrupted: bool = False, dry_run: bool = False) -> Report:
    return Report(
        context="c",
        server="https://a",
        seconds=2.5,
        crds=crds,
        requests=7,
        retries=2,
        dry_run=dry_run,
        interrupted=interrupted,
    )


REPORT = report_of(WORKED_ON, reported(BARE, Outcome.SKIPPED), interrupted=True, dry_run=True)


def test_a_plan_comes_back_whole() -> None:
    assert Plan.from_json(PLAN.to_json()) == PLAN
    assert Plan.from_json(PLAN.to_json().encode()) == PLAN


def test_a_report_comes_back_whole() -> None:
    assert Report.from_json(REPORT.to_json()) == REPORT


def test_a_report_that_a_shell_wrote_as_utf_16_is_read() -> None:
    report = report_of(reported(BARE, Outcome.SKIPPED))
    assert Report.from_json(report.to_json().encode("utf-16")) == report


def test_a_report_without_its_plan_tells_what_is_unfinished() -> None:
    """As an older release wrote it."""
    whole = json.loads(report_of(WORKED_ON).to_json())
    for field in ("plan", "refused", "writers", "ownersLeft", "pruning"):
        del whole["crds"][0][field]
    again = Report.from_json(json.dumps(whole))
    assert again.unfinished == report_of(WORKED_ON).unfinished
    assert again.crds[0].plan.stored_versions == LIVE.stored_versions
    assert again.crds[0].plan.storage_version == "v2"


def test_fields_of_a_newer_release_are_left_aside() -> None:
    whole = json.loads(PLAN.to_json()) | {"new": 1}
    whole["crds"][0] |= {"newer": {}}
    assert Plan.from_json(json.dumps(whole)) == PLAN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the text is no plan of asyncmigrate plan -o json"),
        ("no json", "the text is no plan"),
        ("[1]", "Expected `object`, got `array`"),
        ("[" * 100_000, "the text is no plan"),
        (b"\xff\xfe\xff", "the text is no plan"),
        (REPORT.to_json(), "it is a asyncmigrate/v1 Report"),
        ('{"apiVersion": "asyncmigrate/v9", "kind": "Plan"}', "it is a asyncmigrate/v9 Plan"),
        ('{"apiVersion": "asyncmigrate/v1", "kind": "Plan"}', "missing required field `crds`"),
        (
            '{"apiVersion": "asyncmigrate/v1", "kind": "Plan", "crds": [{"name": "a.b", "decision": "x"}]}',
            r"Invalid enum value 'x' - at `\$.crds\[0\].decision`",
        ),
        (5, "it is no text but int"),
    ],
)
def test_what_is_no_plan_is_refused_in_a_line(text: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match=words) as raised:
        Plan.from_json(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "live", "words"),
    [
        ({"name": "gadgets.example.com"}, {}, "'gadgets.example.com' has another CRD in it: 'widgets.example.com'"),
        ({}, {"plural": "../v1/secrets"}, "has another CRD in it: .*secrets"),
        ({}, {"group": "x?y#z"}, "has another CRD in it"),
        ({}, {"name": "other.example.com"}, "has another CRD in it"),
        ({"name": "../x.y"}, {"name": "../x.y", "plural": "../x", "group": "y"}, r"'\.\./x\.y' is no CRD's name"),
        ({"name": "x.y\n"}, {"name": "x.y\n", "plural": "x", "group": "y\n"}, "is no CRD's name"),
        ({}, {"versions": [{"name": "v1/../../secrets"}]}, "has a version 'v1/../../secrets'"),
        ({}, {"storedVersions": ["v1?x"]}, "has a version 'v1[?]x'"),
        ({"name": "../../api/v1"}, None, "is no CRD's name"),
    ],
)
def test_names_that_were_tampered_with_are_refused_in_a_line(
    entry: dict[str, str], live: dict[str, Any] | None, words: str
) -> None:
    report = report_of(WORKED_ON)
    for result in (PLAN, report):
        whole = json.loads(result.to_json())
        planned = whole["crds"][0] if result is PLAN else whole["crds"][0]["plan"]
        for one in (planned, whole["crds"][0]):
            one.update(entry)
        if live is None:
            del planned["live"], planned["spec"]
        else:
            planned["live"] |= live
        with pytest.raises(UsageError, match=words) as raised:
            type(result).from_json(json.dumps(whole))
        assert "\n" not in str(raised.value)


def test_a_report_with_the_plan_of_another_crd_is_refused() -> None:
    whole = json.loads(report_of(WORKED_ON).to_json())
    whole["crds"][0]["name"] = "gadgets.example.com"
    with pytest.raises(UsageError, match=r"'gadgets.example.com' has the plan of 'widgets.example.com' in it"):
        Report.from_json(json.dumps(whole))


def test_a_name_that_somebody_mistyped_comes_back() -> None:
    crd = CRDPlan(name="Widgets.Example?", decision=Decision.FAILED, reason="NotFound", message="no")
    assert Plan.from_json(msgspec.structs.replace(PLAN, crds=(crd,)).to_json()).crds == (crd,)


# What YAML takes for something else if it is not quoted, by the rules of PyYAML or of kubectl.
ODD_NAMES = [
    "y",
    "N",
    "no",
    "on",
    "1e5",
    "1E-3",
    "1.",
    "08",
    "0o17",
    "0x1f",
    "1_0",
    "~",
    "null",
    ".5",
    "2026-11-25",
    "=",
]


def test_what_is_unfinished_is_read_from_yaml_as_from_json(tmp_path: Path) -> None:
    failures = tuple(msgspec.structs.replace(WORKED_ON.failures[0], namespace=n, name=n) for n in ODD_NAMES)
    for message in ("plain", "a \x1b[2J \u202e, \U0001f600 and half a pair \udc80"):
        report = report_of(msgspec.structs.replace(WORKED_ON, failures=failures, message=message))
        file = tmp_path / "report"
        file.write_text(as_yaml(report.to_json()))
        assert read_unfinished(str(file)) == report.unfinished
        assert report.unfinished


def test_yaml_has_every_name_as_it_is_for_kubectl_too() -> None:
    assert exact_yaml.read(as_yaml(json.dumps(ODD_NAMES))) == [ODD_NAMES]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no report of asyncmigrate run -o json"),
        (b'{"apiVersion": "asyn', "is no report .*: Unterminated string"),
        (b"a: [", "not valid YAML"),
        (b"kind: Report\n---\nkind: Report\n", "it has 2 documents"),
        (b"just text", "Expected `object`, got `str`"),
        (b"a: &a [x]\n" + b"b: " + b"[" * 2_000, "nested more than 1,000 levels deep"),
        (b"PK\x03\x04", "a zip file"),
        (b"a\x00b", "NUL"),
        (b" " * (MOST_BYTES + 1), "larger than 128 MiB"),
    ],
    ids=["empty", "cut", "yaml", "two", "text", "deep", "zip", "nul", "large"],
)
def test_a_file_that_is_no_report_is_refused_in_a_line(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "report"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=words) as raised:
        read_unfinished(str(file))
    assert "\n" not in str(raised.value)


def test_text_is_as_wide_as_asked_for_and_has_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    for result in (PLAN, REPORT):
        for width in (60, 100, 160):
            text = result.render(width=width)
            assert max(map(len, text.splitlines())) <= width
            assert "\x1b" not in text
            assert not any(line.endswith(" ") for line in text.splitlines())
    assert "widgets.example.com" in PLAN.render(width=160)


def test_decisions_and_outcomes_may_be_words() -> None:
    assert PLAN.by_decision("stale") == PLAN.by_decision(Decision.STALE) == PLAN.stale
    assert REPORT.by_outcome("incomplete") == (WORKED_ON,)
    with pytest.raises(UsageError, match="'Stale' is no decision: it must be one of new, current, stale"):
        PLAN.by_decision("Stale")
    with pytest.raises(UsageError, match="'done' is no outcome"):
        REPORT.by_outcome("done")


BLOCKED = CRDPlan(name="b.example.com", decision=Decision.BLOCKED, reason="R", message="no rights")


def test_a_blocked_plan_raises_itself() -> None:
    PLAN.raise_if_blocked()
    plan = msgspec.structs.replace(PLAN, crds=(BLOCKED, FULL, BLOCKED))
    with pytest.raises(BlockedError, match=r"^blocked: b\.example\.com: no rights \(and 1 more\)$") as raised:
        plan.raise_if_blocked()
    assert raised.value.plan is plan
    assert raised.value.report is None


MIGRATED = reported(FULL, Outcome.MIGRATED, objects=Objects(listed=1, rewritten=1))
LEFT = reported(BLOCKED, Outcome.BLOCKED)


@pytest.mark.parametrize(
    ("report", "kind", "words"),
    [
        (report_of(MIGRATED, reported(BARE, Outcome.SKIPPED)), None, ""),
        (report_of(), None, ""),
        (report_of(LEFT, reported(FULL, Outcome.SKIPPED)), BlockedError, "blocked: b.example.com: because"),
        (report_of(LEFT, MIGRATED), IncompleteError, "blocked: b.example.com: because"),
        (report_of(WORKED_ON, MIGRATED), IncompleteError, "incomplete: widgets.example.com: because"),
        (report_of(WORKED_ON, reported(BARE, Outcome.FAILED)), IncompleteError, "failed: gadgets.example.com: because"),
        (report_of(MIGRATED, interrupted=True), IncompleteError, "the run was interrupted: run again to do the rest"),
    ],
)
def test_a_report_raises_unless_all_is_done(
    report: Report, kind: type[BlockedError | IncompleteError] | None, words: str
) -> None:
    check: Callable[[], None] = report.raise_for_outcome
    if kind is None:
        return check()
    with pytest.raises(kind) as raised:
        check()
    assert (str(raised.value), vars(raised.value)["report"]) == (words, report)
    return None
