"""The events file: what a line says, and that no disk, pipe or reader stops the work."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asyncmigrate import Decision, Outcome, Plan, events
from asyncmigrate._observers.event_file import EventFile
from asyncmigrate._observers.event_lines import Lines
from asyncmigrate._results.fleet import ClusterError, ClusterResult, FleetReport
from asyncmigrate.errors import UsageError
from asyncmigrate.events import (
    ClusterEvent,
    ClusterFinished,
    ClusterStarted,
    CRDDecided,
    CRDFinished,
    CRDRelisted,
    CRDSettling,
    CRDStarted,
    Event,
    EventNotRecorded,
    FleetFinished,
    FleetStarted,
    ManifestsRead,
    ObjectFailed,
    ObjectSettled,
    PageListed,
    PlanFinished,
    RequestSent,
    Retrying,
    RunFinished,
    RunStarted,
    Settled,
    StateNotSaved,
)
from tests.unit.test_report import failure_of, plan_of, planned, report_of, reported

NAME = "widgets.example.com"
PLAN: Plan = plan_of(planned(Decision.STALE))
ONE_OF_EACH: tuple[Event, ...] = (
    ManifestsRead(3),
    RequestSent("GET", "/version", 200, 0.25),
    Retrying("get CRD", 1, 0.5, "503", NAME, "server_error"),
    CRDDecided(planned(Decision.STALE)),
    PlanFinished(PLAN),
    RunStarted(PLAN, 1, dry_run=False),
    StateNotSaved("disk full"),
    EventNotRecorded("widgets.example.com", "403 Forbidden"),
    CRDSettling(NAME, 3.0, 45.0),
    CRDStarted(NAME, "v2"),
    CRDRelisted(NAME, "changed"),
    PageListed(NAME, 500, None),
    ObjectSettled(NAME, "default", "w-1", Settled.REWRITTEN),
    ObjectFailed(NAME, failure_of("w-2")),
    CRDFinished(reported(Outcome.MIGRATED, planned(Decision.STALE))),
    RunFinished(report_of(reported(Outcome.MIGRATED, planned(Decision.STALE)))),
    FleetStarted(("prod", "away")),
    ClusterStarted("prod"),
    ClusterFinished(ClusterResult(name="away", code=4, error=ClusterError(reason="Unreachable", message="no"))),
    FleetFinished(FleetReport(clusters=(ClusterResult(name="prod"),), code=4, seconds=1.0)),
)
HEAD = ["apiVersion", "kind", "type", "time", "context"]


def line(event: Event) -> dict[str, Any]:
    data = Lines("prod").line_of(event)
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    found: dict[str, Any] = json.loads(data)
    return found


def test_there_is_one_of_each_here() -> None:
    kinds = [getattr(events, name) for name in events.__all__]
    known = {k for k in kinds if isinstance(k, type) and issubclass(k, Event)} - {Event, ClusterEvent}
    assert {type(e) for e in ONE_OF_EACH} == known


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda e: type(e).__name__)
def test_each_event_is_a_line_that_says_what_it_is_and_when(event: Event) -> None:
    found = line(msgspec.structs.replace(event, time=1796068563.25))
    assert list(found)[:5] == HEAD
    assert found["apiVersion"] == "asyncmigrate/v1"
    assert (found["kind"], found["type"], found["context"]) == ("Event", type(event).__name__, "prod")
    assert found["time"] == "2026-11-30T19:56:03.250000Z"
    assert all("_" not in key for key in found)


def test_results_are_in_the_lines_of_their_crds_and_those_of_the_whole_have_counts() -> None:
    decided = line(CRDDecided(planned(Decision.STALE)))
    assert (decided["crd"], decided["decision"], decided["storedVersions"]) == (NAME, "stale", ["v1", "v2"])
    assert line(PlanFinished(PLAN))["decisions"] == {"new": 0, "current": 0, "stale": 1, "blocked": 0, "failed": 0}
    finished = line(RunFinished(report_of(reported(Outcome.MIGRATED, planned(Decision.STALE)))))
    assert finished["outcomes"]["migrated"] == 1
    assert finished["objects"]["rewritten"] == 9
    assert len(Lines("c").line_of(PlanFinished(plan_of(*(planned(Decision.STALE) for _ in range(3000)))))) < 1000


def test_what_became_of_a_cluster_is_a_line_also_if_it_was_never_opened() -> None:
    error = ClusterError(reason="Unreachable", message="away")
    found = line(ClusterFinished(ClusterResult(name="prod", code=4, error=error)))
    assert (found["cluster"], found["code"], found["error"]) == (
        "prod",
        4,
        {"reason": "Unreachable", "message": "away"},
    )
    whole = line(FleetFinished(FleetReport(clusters=(ClusterResult(name="prod"),), code=4, seconds=1.0)))
    assert (whole["code"], whole["clusters"], whole["notTried"]) == (4, 1, ["prod"])


def test_an_event_that_came_later_has_its_fields_too() -> None:
    class ShardTaken(Event, frozen=True):
        crd: str
        shard_index: int

    found = line(ShardTaken(NAME, 3))
    assert (found["type"], found["crd"], found["shardIndex"]) == ("ShardTaken", NAME, 3)


@pytest.mark.parametrize(
    "evil", ["a\nb", "\x1b[31m", "\x7f", "\u202ereversed", "\u2028", "\ud800 half", 'q"\\', "\x00"]
)
def test_no_name_forges_a_line_or_steers_a_terminal(evil: str) -> None:
    data = Lines(evil).line_of(ObjectSettled(NAME, evil, evil, Settled.GONE))
    assert all(byte >= 0x20 and byte != 0x7F for byte in data[:-1])
    found = json.loads(data)
    assert (found["name"], found["context"]) == (evil, evil)
    assert "\u202e" not in data.decode()


# The file


class Said(list[str]):
    """What is told when the file is lost."""

    def __init__(self) -> None:
        self.once = threading.Event()

    def __call__(self, why: str) -> None:
        self.append(why)
        self.once.set()


def settled(number: int) -> Event:
    return ObjectSettled(NAME, "default", f"w-{number}", Settled.REWRITTEN)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_happened_is_there_before_the_end(tmp_path: Path) -> None:
    path, said = tmp_path / "e.jsonl", Said()
    file = EventFile(str(path), said)
    file.observer("c")(settled(1))
    wait_for(lambda: path.read_text().count("\n") == 1)  # a kill from here on loses nothing
    file.observer("d")(settled(2))
    file.close(interrupted=False)
    assert [json.loads(one)["context"] for one in path.read_text().splitlines()] == ["c", "d"]
    assert said == []


def test_a_line_that_a_kill_cut_short_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text('{"whole": 1}\n{"ha')
    for number in range(2):
        file = EventFile(str(path), Said())
        file.observer("c")(settled(number))
        file.close(interrupted=False)
    first, half, *others = path.read_text().splitlines()
    assert (first, half) == ('{"whole": 1}', '{"ha')
    assert [json.loads(one)["name"] for one in others] == ["w-0", "w-1"]


def test_a_full_disk_is_told_once_and_stops_nothing() -> None:
    said = Said()
    file = EventFile("/dev/full", said)
    watch = file.observer("c")
    watch(settled(0))
    assert said.once.wait(10)
    for number in range(100):
        watch(settled(number))
    file.close(interrupted=False)
    assert said == ["No space left on device"]


def test_a_pipe_that_nobody_reads_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="nobody reads this pipe"):
        EventFile(str(tmp_path / "pipe"), Said())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("-", "takes a file"),
        ("", "takes a file"),
        (".", "is a directory"),
        ("no/such/folder", "no such file or directory"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        EventFile(path, Said())
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_is_told_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    said = Said()
    file = EventFile(str(tmp_path / "pipe"), said)
    file.observer("c")(settled(1))
    wait_for(lambda: b"w-1" in _read(reader))
    os.close(reader)
    file.observer("c")(settled(2))
    assert said.once.wait(10)
    file.close(interrupted=False)
    assert said == ["Broken pipe"]


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 16)
    except BlockingIOError:
        return b""


def test_a_reader_that_hangs_holds_up_neither_the_work_nor_its_end_and_memory_has_a_bound(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    said = Said()
    file = EventFile(str(tmp_path / "pipe"), said)
    watch = file.observer("c")
    began = time.monotonic()
    for _ in range(40):
        watch(StateNotSaved("x" * 1_000_000))
    assert said.once.is_set()
    file.close(interrupted=True)
    assert time.monotonic() - began < 5
    assert said == ["it does not take what is written in time"]
    os.close(reader)
