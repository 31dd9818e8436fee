"""How results are laid out: for a terminal of any width, as lines for programs, in colour or not, and as documents."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
import yaml
from rich.console import ConsoleDimensions
from rich.text import Text

from asyncmigrate import CRD, Changes, CRDPlan, CRDReport, Decision, Objects, Outcome, TrimmedBy, Version
from asyncmigrate._cli.output_options import Format, format_of
from asyncmigrate._observers.live import _Screen
from asyncmigrate._observers.tally import Tally
from asyncmigrate._output import words
from asyncmigrate._output.consoles import Color, console_for, is_colored, print_fields
from asyncmigrate._output.documents import as_yaml, check_writable, error_json, write_document
from asyncmigrate._output.grid import grid, wrapped
from asyncmigrate._output.sheet import Sheet, plain_lines
from asyncmigrate._output.tables import plan_sheet, report_sheet, without_routine
from asyncmigrate.errors import UsageError
from asyncmigrate.events import CRDStarted, ObjectFailed, PageListed, RunStarted
from tests.unit.test_report import failure_of, plan_of, report_of

LONG_GROUP = "a-group-name-of-sixty-characters-that-somebody-once.example."  # and a plural before it
NAMES = (
    "clusterresourcesetbindings.addons.cluster.x-k8s.io",
    f"machines.{LONG_GROUP}org",
    "machines.cluster.x-k8s.io",
    "widgets.example.com",
)
WHY = "objects may be stored in v1alpha1: to be brought to v1beta1"


def live(name: str) -> CRD:
    plural, _, group = name.partition(".")
    versions = (Version("v1alpha1"), Version("v1beta1", storage=True))
    return CRD(
        name=name, group=group, plural=plural, kind="K", versions=versions, stored_versions=("v1alpha1", "v1beta1")
    )


def stale(name: str, **more: object) -> CRDPlan:
    base = {"name": name, "decision": Decision.STALE, "reason": "OldStoredVersions", "message": WHY, "waiting": 1200}
    return CRDPlan(**base | {"live": live(name)} | more)  # type: ignore[arg-type]


def migrated(name: str, **counts: int) -> CRDReport:
    return CRDReport(
        plan=stale(name),
        outcome=Outcome.MIGRATED,
        reason="Migrated",
        message="every object is stored in v1beta1",
        objects=Objects(**counts),
        trimmed_by=TrimmedBy.THIS_RUN,
    )


def printed(sheet: Sheet, color: Color = Color.NEVER) -> list[str]:
    """The lines for programs, as they leave us."""
    out = io.StringIO()
    print_fields(console_for(out, color), plain_lines(sheet, wide=False))
    return out.getvalue().splitlines()


PLAN = plan_of(*map(stale, NAMES))
REPORT = report_of(*(migrated(n, listed=1200, rewritten=1200) for n in NAMES))
WIDTHS = [32, 40, 60, 80, 100, 120, 200]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sheet", [plan_sheet(PLAN), report_sheet(REPORT)], ids=["plan", "report"])
def test_no_word_is_folded_at_any_width_and_nothing_else_is_too_wide(width: int, sheet: Sheet) -> None:
    lines = [line.plain for line in grid(sheet, width)]
    for name in NAMES:
        assert sum(name in line.split() for line in lines) == 1
    assert "migrated" in " ".join(lines).split() or "stale" in " ".join(lines).split()
    assert [line for line in lines if len(line) > width and len(line.split()) > 1] == []
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_columns_that_are_all_zero_or_empty_go(width: int) -> None:
    text = "\n".join(line.plain for line in grid(report_sheet(REPORT), width)).lower()
    assert "rewritten" in text
    assert not [word for word in ("proven", "unchanged", "gone", "failed", "storage ") if word in text]
    one_failed = report_of(migrated("a.example.com", failed=1), migrated("b.example.com"))
    assert "failed" in "\n".join(line.plain for line in grid(report_sheet(one_failed), width)).lower()


def test_a_sentence_stands_in_its_row_where_there_is_room_and_else_below_it() -> None:
    sheet = plan_sheet(plan_of(stale("widgets.example.com")))
    assert [line.plain for line in grid(sheet, 130)] == [
        "CRD                  DECISION  STORAGE  STORED            OBJECTS  WHY",
        f"widgets.example.com  stale     v1beta1  v1alpha1,v1beta1    1,200  {WHY}",
    ]
    assert [line.plain for line in grid(sheet, 80)] == [
        "CRD                  DECISION  STORAGE  STORED            OBJECTS",
        "widgets.example.com  stale     v1beta1  v1alpha1,v1beta1    1,200",
        f"  {WHY}",
    ]
    assert [line.plain for line in grid(sheet, 40)] == [
        "widgets.example.com",
        "  stale  storage v1beta1",
        "  stored v1alpha1,v1beta1  1,200 objects",
        "  objects may be stored in v1alpha1: to",
        "    be brought to v1beta1",
    ]


def test_one_name_that_is_too_long_leaves_the_table_a_table() -> None:
    sheet = plan_sheet(plan_of(stale("a.example.com"), stale("b.example.com"), stale(f"machines.{LONG_GROUP}org")))
    lines = [line.plain for line in grid(sheet, 80)]
    assert lines[0].split() == ["CRD", "DECISION", "STORAGE", "STORED", "OBJECTS"]
    at = lines.index(f"machines.{LONG_GROUP}org")
    assert lines[at + 1].split() == ["stale", "v1beta1", "v1alpha1,v1beta1", "1,200"]
    assert lines[at + 1].index("stale") == lines[1].index("stale")


def test_wide_has_every_column_and_one_line_a_row_however_narrow_the_terminal() -> None:
    lines = [line.plain for line in grid(report_sheet(REPORT), 40, wide=True)]
    assert len(lines) == 1 + len(NAMES)
    assert {"PROVEN", "STORAGE", "STORED", "REASON", "WHY"} <= set(lines[0].split())


def test_a_line_for_programs_has_the_same_fields_whatever_is_in_them() -> None:
    new = CRDPlan(name="n.example.com", decision=Decision.NEW, reason="NotFound", message="not on the cluster")
    changed = stale("s.example.com", changes=Changes(added=("v1",), dropped=("v0", "v1alpha1"), storage_moves_to="v1"))
    assert printed(plan_sheet(plan_of(new, changed))) == [
        "n.example.com\tnew\t-\t-\t-\t-\tnot on the cluster",
        f"s.example.com\tstale\tv1beta1\tv1alpha1,v1beta1\t1200\t+v1,-v0,-v1alpha1,storage:v1\t{WHY}",
    ]
    (line,) = printed(report_sheet(report_of(migrated("m.example.com", listed=1200, rewritten=1200))))
    fields = ["m.example.com", "migrated", "1200", "0", "1200", "0", "0", "0", "this-run"]
    assert line.split("\t") == [*fields, "every object is stored in v1beta1"]


def test_other_peoples_words_cannot_make_a_line_of_their_own() -> None:
    evil = stale("w.example.com", message="a\tb\nforged.example.com\tcurrent")
    (line,) = printed(plan_sheet(plan_of(evil)))
    assert line.endswith(r"	a\tb\nforged.example.com\tcurrent")


def test_a_long_table_leaves_out_what_is_routine_and_says_how_much() -> None:
    crds = [
        CRDPlan(name=f"n{n}.x.y", decision=Decision.CURRENT, reason="R", message="m", live=live("a.b"))
        for n in range(30)
    ]
    short = without_routine(plan_sheet(plan_of(*crds, stale("s.x.y"))))
    assert [row.cells[0].text for row in short.rows] == ["s.x.y"]
    assert short.counts[0].plain == "not shown: 30 current"


@pytest.mark.parametrize(("width", "lines"), [(9, 3), (13, 2), (99, 1)])
def test_text_is_wrapped_between_words_and_goes_on_further_in(width: int, lines: int) -> None:
    found = [line.plain for line in wrapped(Text("  a bb cccccc dd"), width)]
    assert len(found) == lines
    assert found[0].startswith("  a bb")
    assert all(line.startswith("    ") for line in found[1:])
    assert " ".join(found).split() == ["a", "bb", "cccccc", "dd"]


@pytest.mark.parametrize(
    ("asked", "terminal", "environment", "colored"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", False, {"FORCE_COLOR": "1"}, True),
        ("auto", True, {"FORCE_COLOR": "0"}, False),
        ("auto", False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_when_colours_are_used(asked: str, environment: dict[str, str], *, terminal: bool, colored: bool) -> None:
    assert is_colored(Color(asked), terminal=terminal, environment=environment) is colored


@pytest.mark.parametrize(("color", "escapes"), [(Color.ALWAYS, True), (Color.NEVER, False)])
def test_a_console_without_colour_prints_no_escape_sequence(color: Color, *, escapes: bool) -> None:
    out = io.StringIO()
    console_for(out, color).print(Text("bold", "bold red"))
    assert ("\x1b" in out.getvalue()) is escapes


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_live_display_keeps_bar_and_failures_at_any_width(width: int) -> None:
    tally = Tally()
    screen = _Screen(tally)
    tally(RunStarted(PLAN, len(NAMES), dry_run=False))
    for name in NAMES:
        screen.waiting.add(name)
        tally(CRDStarted(name, "v1beta1"))
        tally(PageListed(name, 500, 12000))
        screen.show(name)
    tally(ObjectFailed(NAMES[0], failure_of("w")))
    tally.done.update(dict.fromkeys(NAMES, 4000))
    out = io.StringIO()
    console = console_for(out, Color.NEVER)
    console.size = ConsoleDimensions(width, 30)
    console.print(screen)
    lines = out.getvalue().splitlines()
    assert "━" in lines[0]
    assert "1 failed" in lines[0]
    assert "0 of 4 CRDs" in lines[1]
    assert max(map(len, lines)) < width
    assert sum("of 12,500" in line for line in lines) == len(NAMES)


@pytest.mark.parametrize(
    ("arguments", "environment", "found"),
    [
        (["plan", "-o", "json", "--bogus"], {}, Format.JSON),
        (["plan", "-ojson"], {}, Format.JSON),
        (["run", "-yo", "json"], {}, Format.JSON),
        (["run", "-yqojson"], {}, Format.JSON),
        (["plan", "-foo", "json"], {}, Format.TABLE),
        (["plan", "-o=yaml"], {}, Format.YAML),
        (["plan", "--output=yaml"], {}, Format.YAML),
        (["plan", "--output", "yaml", "-o", "json"], {}, Format.JSON),
        (["plan", "-o"], {}, Format.TABLE),
        (["plan", "-o", "xml"], {}, Format.TABLE),
        (["plan", "--", "-o", "json"], {}, Format.TABLE),
        (["plan"], {"ASYNCMIGRATE_OUTPUT": "json"}, Format.JSON),
        (["plan", "-o", "table"], {"ASYNCMIGRATE_OUTPUT": "json"}, Format.TABLE),
    ],
)
def test_the_format_is_known_though_the_rest_of_the_line_is_wrong(
    arguments: list[str], environment: dict[str, str], found: Format
) -> None:
    assert format_of(arguments, environment) is found


@pytest.mark.parametrize(
    "message", ["no: \x1b[31m\u202e é 'quoted' 1.10 yes", "half \ud800", "yes", "1.10", "- a: b\n# c", " " * 300]
)
def test_a_document_as_yaml_says_the_same_and_steers_no_terminal(message: str) -> None:
    document = error_json(message, code=4, reason="Unreachable")
    text = as_yaml(document)
    assert yaml.safe_load(text) == json.loads(document)
    assert yaml.safe_load(text)["message"] == message
    assert text.isascii()
    assert "\x1b" not in text


def test_a_written_report_replaces_the_old_one_and_keeps_its_mode(tmp_path: Path) -> None:
    path, link = tmp_path / "report.json", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    check_writable(str(link))
    write_document(str(link), "{}")
    assert path.read_text() == "{}\n"
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "report.json"]


def test_a_report_into_a_device_leaves_it_a_device() -> None:
    check_writable("/dev/null")
    write_document("/dev/null", "{}")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize(
    ("path", "why"), [("nowhere/r.json", "there is no folder"), (".", "this is a folder"), ("-", "takes a file")]
)
def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=why):
        check_writable(path)


def test_what_a_step_is_names_only_what_there_is() -> None:
    unchanged = stale("a.b", changes=Changes())
    assert words.step_line(plan_of(stale("a.b"))) == ""
    assert words.step_line(plan_of(unchanged)) == "the manifests leave 1 as it is"
    new = CRDPlan(name="n.o", decision=Decision.NEW, reason="NotFound", message="m")
    changed = stale("c.d", changes=Changes(added=("v2",)))
    said = "the manifests bring 1 new CRD, change 1 and leave 1 as it is"
    assert words.step_line(plan_of(unchanged, new, changed)) == said


def test_a_report_that_was_held_up_names_the_flag_that_goes_on() -> None:
    blocked = stale("b.c", decision=Decision.BLOCKED)
    held = CRDReport(plan=stale("a.b"), outcome=Outcome.SKIPPED, reason="PlanBlocked", message="m")
    stopped = CRDReport(plan=blocked, outcome=Outcome.BLOCKED, reason="R", message="m")

    def said(*crds: CRDReport) -> list[str]:
        return [line.plain for line in report_sheet(report_of(*crds)).problems]

    assert said(held, stopped) == [
        "nothing was written, for 1 CRD is blocked: put that right, or give --skip-blocked to migrate just the "
        "1 stale CRD"
    ]
    assert said(stopped) == said(held) == said(stopped, migrated("a.b", listed=1)) == []
