"""How a run is watched: what cannot be opened stops it before it begins, and what is lost later stops nothing."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import anyio
import pytest
from anyio.abc import Process

from tests.bed.bed import EmbeddedBed
from tests.command.runner import asyncmigrate, command, environment
from tests.command.test_command import scene

RUN = ("run", "-y", "--no-state")
MISSING = """
import sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "prometheus_client":
            raise ModuleNotFoundError("No module named 'prometheus_client'", name=name)
sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize("flags", [("--metrics-file", "m.prom"), ("--metrics-port", "0")])
async def test_without_prometheus_client_the_command_says_how_to_get_it(
    embedded: EmbeddedBed, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    scene(embedded.server, embedded.group)
    (tmp_path / "sitecustomize.py").write_text(MISSING)
    env = {"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"}
    ended = await asyncmigrate(*RUN, *flags, "--kubeconfig", embedded.kubeconfig(), home=tmp_path, env=env)
    assert ended.code == 2
    assert ended.error == f"error: {flags[0]} needs prometheus-client: pip install 'asyncmigrate[metrics]'"
    assert not embedded.server.requests
    plain = await asyncmigrate("plan", "--kubeconfig", embedded.kubeconfig(), home=tmp_path, env=env)
    assert plain.code == 0  # who asks for no metrics needs nothing of it


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ("--events-file", "{}/no/e.jsonl"),
            "--events-file {}/no/e.jsonl cannot be written: no such file or directory",
        ),
        (("--events-file", "{}"), "--events-file {} cannot be written: is a directory"),
        (("--events-file", "-"), "--events-file takes a file"),
        (("--metrics-file", "{}/no/m.prom"), "--metrics-file {}/no/m.prom: there is no folder {}/no"),
        (("--metrics-file", "-"), "--metrics-file takes a file; --metrics-port serves the metrics"),
        (("--metrics-file", "/dev/null"), "--metrics-file /dev/null: this is no file, which could be replaced"),
        (("--metrics-file", "{}/a", "--events-file", "{}/a"), "--metrics-file and --events-file name the same file"),
        (("--report", "{}/a", "--events-file", "{}/./a"), "--report and --events-file name the same file"),
        (("--metrics-address", "0.0.0.0"), "--metrics-address goes with --metrics-port"),  # noqa: S104 -- refused
        (("--metrics-port", "0", "--metrics-address", ""), "--metrics-address is empty"),
        (("--metrics-port", "0", "--metrics-address", "no.such.host.invalid"), "cannot listen at no.such.host.invalid"),
        (("--metrics-port", "0", "--metrics-address", "192.0.2.1"), "cannot listen at 192.0.2.1: cannot assign"),
        (("--metrics-port", "0", "--metrics-address", "a..b"), "cannot listen at a..b"),
        (("--metrics-port", "65536"), "65536 is not in the range"),
        (("-q", "--log-format", "json"), "-q and --log-format exclude each other"),
        (("--log-format", "xml"), "'xml' is not one of 'console', 'json'"),
    ],
)
async def test_what_cannot_be_is_one_line_and_nothing_is_left_behind(
    embedded: EmbeddedBed, tmp_path: Path, flags: tuple[str, ...], words: str
) -> None:
    scene(embedded.server, embedded.group)
    home = tmp_path / "home"
    home.mkdir()
    told = [flag.replace("{}", str(home)) for flag in flags]
    ended = await asyncmigrate(*RUN, *told, "--kubeconfig", embedded.kubeconfig(), home=home)
    assert ended.code == 2
    assert words.replace("{}", str(home)) in ended.error
    assert not embedded.server.requests
    assert list(home.iterdir()) == []


async def test_a_port_that_is_taken_is_one_line_and_no_file_is_made(embedded: EmbeddedBed, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        config = (
            "--kubeconfig",
            embedded.kubeconfig(),
            "--metrics-file",
            tmp_path / "m",
            "--events-file",
            tmp_path / "e",
        )
        ended = await asyncmigrate(*RUN, "--metrics-port", port, *config, home=tmp_path)
    assert ended.code == 2
    assert f"--metrics-port {port}: cannot listen at 127.0.0.1: address already in use" in ended.error
    assert {"m", "e"}.isdisjoint(f.name for f in tmp_path.iterdir())


@pytest.mark.parametrize("form", ["github", "junit"])
async def test_droppable_has_no_form_for_ci(embedded: EmbeddedBed, tmp_path: Path, form: str) -> None:
    config = ("--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate("droppable", "widgets.example.com", "-o", form, *config, home=tmp_path)
    assert ended.code == 2
    assert f"'{form}' is not one of" in ended.error


async def test_an_error_is_in_the_form_of_ci_too(embedded: EmbeddedBed, tmp_path: Path) -> None:
    config = ("--kubeconfig", embedded.kubeconfig(), "--server", "http://127.0.0.1:1", "--request-timeout", "5s")
    ended = await asyncmigrate("plan", "--check", "-o", "junit", *config, home=tmp_path)
    assert ended.code == 4
    [error] = ET.fromstring(ended.out).iter("error")  # noqa: S314 -- our own
    assert ended.error.removeprefix("error: ") in (error.get("message") or "")
    ended = await asyncmigrate("plan", "--check", "-o", "github", *config, home=tmp_path)
    assert re.fullmatch(r"::error title=asyncmigrate%3A Unreachable::[^\n]+\n", ended.out)


async def test_with_a_report_stdout_still_has_just_the_annotations(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    config = ("--kubeconfig", embedded.kubeconfig(), "--report", tmp_path / "plan.json")
    ended = await asyncmigrate("plan", "--check", "-o", "github", *config, home=tmp_path)
    assert [line.partition(" ")[0] for line in ended.out.splitlines()] == ["::error", "::notice"]
    assert json.loads((tmp_path / "plan.json").read_text())["kind"] == "Plan"


async def test_logs_are_json_in_utc_wherever_it_runs_and_say_what_went_wrong(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    scene(embedded.server, embedded.group)
    embedded.server.faults.deny(resource=f"widgets.{embedded.group}", name="w-1", message="no\n\x1b[31m: no")
    config = ("--kubeconfig", embedded.kubeconfig(), "--log-format", "json")
    before = time.time()
    ended = await asyncmigrate(*RUN, "-vv", *config, home=tmp_path, env={"TZ": "Asia/Kathmandu"})
    assert ended.code == 1
    assert "\x1b" not in ended.err
    logs = [json.loads(line) for line in ended.err.splitlines()]
    for line in logs:
        assert list(line)[:3] == ["timestamp", "level", "event"]
        assert before - 1 <= datetime.fromisoformat(line["timestamp"]).timestamp() <= time.time()
    [failed] = [line for line in logs if line["event"] == "object failed"]
    assert (failed["level"], failed["crd"], failed["context"]) == ("error", f"widgets.{embedded.group}", "embedded")
    assert {line["level"] for line in logs} == {"debug", "info", "warning", "error"}
    # An error that ends the command is a line of the same kind.
    ended = await asyncmigrate("plan", *config, "--token", "wrong", home=tmp_path)
    assert ended.code == 4
    last = json.loads(ended.err.splitlines()[-1])
    assert (last["level"], last["event"].startswith("error")) == ("error", False)


# In mid-run


@asynccontextmanager
async def running(bed: EmbeddedBed, home: Path, *flags: str | Path) -> AsyncIterator[Process]:
    """A run that one object keeps from ending, once the seven others are done."""
    scene(bed.server, bed.group, 8)
    bed.server.faults.delay(60, verb="patch", name="w-7")
    process = await anyio.open_process(
        command(*RUN, *flags, "--kubeconfig", bed.kubeconfig()), env=environment(home, PYTHONUNBUFFERED="1")
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.02)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def settled(path: Path) -> int:
    return [line["type"] for line in lines_of(path)].count("ObjectSettled")


async def said(process: Process, pattern: str) -> str:
    """What stands in the first group of the first words on stderr that match."""
    assert process.stderr is not None
    text = ""
    with anyio.fail_after(30):
        while not (found := re.search(pattern, text)):
            text += (await process.stderr.receive()).decode()
    return found[1]


async def test_a_scraper_sees_how_far_it_is_and_an_interrupt_is_not_held_up_by_any_that_hangs(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    events, metrics = tmp_path / "e.jsonl", tmp_path / "m.prom"
    flags = ("--metrics-port", "0", "--metrics-file", metrics, "--events-file", events)
    async with running(embedded, tmp_path, *flags) as process:
        url = await said(process, r"metrics are at (http://127\.0\.0\.1:\d+/metrics)")
        await until(lambda: settled(events) == 7)
        scraped = await anyio.to_thread.run_sync(lambda: urllib.request.urlopen(url, timeout=10).read().decode())  # noqa: S310
        assert "asyncmigrate_in_flight 1.0\n" in scraped
        assert f'asyncmigrate_objects_remaining{{resource="widgets.{embedded.group}"}} 1.0\n' in scraped
        port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as hung:
            hung.sendall(b"GET /metrics HTTP/1.1\r\n")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(10):
                code = await process.wait()
            assert time.monotonic() - began < 2
        assert code == 130
    last = lines_of(events)[-1]
    assert (last["type"], last["interrupted"], last["objects"]["rewritten"]) == ("RunFinished", True, 7)
    assert 'result="rewritten"} 7.0\n' in metrics.read_text()
    assert "\nasyncmigrate_last_success_timestamp_seconds" not in metrics.read_text()
    assert [f.name for f in tmp_path.iterdir() if f.name.startswith(".m.prom")] == []


async def test_a_kill_leaves_what_had_happened(embedded: EmbeddedBed, tmp_path: Path) -> None:
    events = tmp_path / "e.jsonl"
    async with running(embedded, tmp_path, "--events-file", events) as process:
        await until(lambda: settled(events) == 7)
        process.kill()
        await process.wait()
    assert settled(events) == 7
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v1alpha1", "v1beta1"}


async def test_a_metrics_file_that_can_no_longer_be_written_is_told_once(embedded: EmbeddedBed, tmp_path: Path) -> None:
    folder, events = tmp_path / "metrics", tmp_path / "e.jsonl"
    folder.mkdir()
    scene(embedded.server, embedded.group, 8)
    embedded.server.faults.delay(1, verb="patch", name="w-2", times=1)
    process = await anyio.open_process(
        command(*RUN, "--metrics-file", folder / "m", "--events-file", events, "--kubeconfig", embedded.kubeconfig()),
        env=environment(tmp_path),
    )
    async with process:
        await until(lambda: settled(events) == 7)
        folder.rmdir()
        assert process.stderr is not None
        text = b"".join([part async for part in process.stderr]).decode()
    assert process.returncode == 0
    assert text.count("warning: metrics can no longer be written to") == 1
    assert "No such file or directory" in text


async def test_a_disk_that_is_full_is_told_once_and_stops_nothing(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    config = ("--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*RUN, "--events-file", "/dev/full", *config, home=tmp_path)
    assert ended.code == 0
    [warning] = [line for line in ended.err.splitlines() if line.startswith("warning")]
    assert warning == (
        "warning: events can no longer be written to /dev/full; the work goes on: No space left on device"
    )
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v1beta1"}


async def test_the_last_success_outlasts_a_run_that_failed(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    path = tmp_path / "m.prom"
    path.write_text("asyncmigrate_last_success_timestamp_seconds 1.79606e+09\n")
    path.chmod(0o640)
    embedded.server.faults.deny(resource=f"widgets.{embedded.group}", name="w-1", message="no")
    config = ("--kubeconfig", embedded.kubeconfig(), "--metrics-file", path)
    assert (await asyncmigrate(*RUN, *config, home=tmp_path)).code == 1
    assert "asyncmigrate_last_success_timestamp_seconds 1.79606e+09\n" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
