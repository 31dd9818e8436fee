"""What is shown where: terminals of any width, pipes, documents for programs, streams that are closed, colours."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import anyio
import pytest
import yaml

from asyncmigrate.testing import ApiServer
from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd, obj
from tests.command.runner import Ended, asyncmigrate, command, environment
from tests.command.terminal import lines_of, on_terminal

LONG_GROUP = "a-group-name-of-sixty-characters-that-somebody-chose.example"
DENIED = "spec.owner must name an existing team in the directory of all teams"


def scene(server: ApiServer, group: str, objects: int = 3) -> list[str]:
    """Stale CRDs with real, long names, one of which has an object that is denied."""
    found = []
    long = f"{LONG_GROUP}.{group}"
    for at, plural in ((group, "widgets"), (group, "clusterresourcesetbindings"), (long, "machines")):
        before = crd(at, "v1alpha1", "v1alpha1", "v1beta1", plural=plural)
        server.apply_crd(before)
        for number in range(objects):
            server.create(obj(before, "v1alpha1", f"w-{number}"))
        server.apply_crd(crd(at, "v1beta1", "v1alpha1", "v1beta1", plural=plural))
        found.append(f"{plural}.{at}")
    server.advance(60)
    server.faults.deny(code=422, name="w-1", resource=f"widgets.{group}", message=DENIED)
    return found


def run_args(bed: EmbeddedBed, *more: str) -> list[str]:
    return command("run", "-y", "--no-state", *more, "--kubeconfig", bed.kubeconfig())


@pytest.mark.parametrize("columns", [40, 80, 120])
async def test_no_name_is_folded_and_the_failures_stay_at_any_width(
    embedded: EmbeddedBed, tmp_path: Path, columns: int
) -> None:
    names = scene(embedded.server, embedded.group, 30)
    embedded.server.faults.delay(0.05, verb="patch")
    code, shown = await on_terminal(run_args(embedded, "--max-in-flight", "4"), tmp_path, columns=columns)
    assert code == 1
    lines = lines_of(shown)
    live = [line for line in lines if line.startswith("run ")]
    assert any("━" in line and line.endswith("1 failed") for line in map(str.rstrip, live))
    table = lines[max(i for i, line in enumerate(lines) if "of 3 CRDs" in line) :]
    for name in names:
        assert any(name in line.split() for line in table)
    # Only a name that the terminal is too narrow for goes over its edge.
    assert [line for line in table if len(line) > columns and len(line.split()) > 1] == []
    assert DENIED in " ".join(" ".join(table).split())
    assert not any("proven" in line.lower() or "gone" in line.lower() for line in table)


async def test_in_a_pipe_each_crd_is_a_line_for_programs(embedded: EmbeddedBed, tmp_path: Path) -> None:
    names = scene(embedded.server, embedded.group)
    ended = await asyncmigrate("plan", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    fields = [line.split("\t") for line in ended.out.splitlines()]
    assert [f[:6] for f in fields] == [[n, "stale", "v1beta1", "v1alpha1,v1beta1", "3", "-"] for n in sorted(names)]
    assert "3 CRDs: 3 stale" in ended.err
    wide = await asyncmigrate("plan", "-o", "wide", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert [line.split("\t")[6:8] for line in wide.out.splitlines()] == [["None", "OldStoredVersions"]] * 3
    named = await asyncmigrate("plan", "-o", "name", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert named.out.splitlines() == [f"customresourcedefinition.apiextensions.k8s.io/{n}" for n in sorted(names)]
    again = await asyncmigrate("plan", named.out.split()[0], "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert again.out.split("\t")[0] == min(names)


async def test_yaml_says_what_json_says(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    told = []
    for output in ("json", "yaml"):
        ended = await asyncmigrate("plan", "-o", output, "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
        told.append(yaml.safe_load(ended.out) | {"seconds": 0})
    assert told[0] == told[1]


@pytest.mark.parametrize(("more", "first"), [((), "{"), (("-o", "json"), "{"), (("-o", "yaml"), "a")])
async def test_a_report_is_written_and_the_table_is_shown(
    embedded: EmbeddedBed, tmp_path: Path, more: tuple[str, ...], first: str
) -> None:
    names = scene(embedded.server, embedded.group)
    report = tmp_path / "report"
    last = ("--report", report, "--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate("run", "-y", *more, *last, home=tmp_path)
    assert ended.code == 1
    assert [line.split("\t")[0] for line in ended.out.splitlines()] == sorted(names)
    content = report.read_text()
    assert content[0] == first
    assert yaml.safe_load(content)["crds"][2]["outcome"] == "incomplete"
    embedded.server.faults.clear()  # the same file may be read, and written again
    assert (await asyncmigrate("run", "-y", "--retry-failed", report, *last, home=tmp_path)).code == 0
    assert json.loads(report.read_text())["crds"][0]["outcome"] == "migrated"


async def test_a_report_that_cannot_be_written_stops_the_run_before_it_begins(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    scene(embedded.server, embedded.group)
    args = ("run", "-y", "--report", tmp_path / "no" / "r.json", "--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*args, home=tmp_path)
    assert (ended.code, "there is no folder" in ended.error) == (2, True)
    assert embedded.server.requests == []


async def test_a_report_that_is_lost_in_the_end_is_an_error_and_the_table_is_shown(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    names = scene(embedded.server, embedded.group)
    args = ("plan", "--report", "/dev/full", "--kubeconfig", embedded.kubeconfig())
    for form in ("table", "json"):
        ended = await asyncmigrate(*args, "-o", form, home=tmp_path)
        assert (ended.code, len(ended.out.splitlines())) == (1, len(names))
        assert ended.error == "error: the report cannot be written to /dev/full: No space left on device"


ERRORS: list[tuple[str, int, str, str]] = [
    ("plan -o json --kubeconfig /nowhere", 4, "Config", "no kubeconfig at /nowhere"),
    ("plan -o yaml --kubeconfig /nowhere", 4, "Config", "no kubeconfig at /nowhere"),
    ("plan -o json -f /nowhere", 2, "Manifest", "/nowhere"),
    ("plan -o yaml --bogus", 2, "Usage", "No such option '--bogus'"),
    ("plan -ojson -l a=(b", 2, "Usage", "a=(b"),
    ("run --output=json", 2, "Usage", "there is no terminal to ask on"),
    ("droppable -o json things.example.com", 1, "NotFound", "not found"),
    ("run -y -o yaml --report /nowhere/r", 2, "Usage", "there is no folder"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e[0])
async def test_an_error_is_a_document_too(
    embedded: EmbeddedBed, tmp_path: Path, error: tuple[str, int, str, str]
) -> None:
    line, code, reason, words = error
    ended = await asyncmigrate(*line.split(), home=tmp_path, env={"KUBECONFIG": str(embedded.kubeconfig())})
    found = yaml.safe_load(ended.out)
    assert list(found) == ["apiVersion", "kind", "code", "reason", "message"]
    assert (found["apiVersion"], found["kind"]) == ("asyncmigrate/v1", "Error")
    assert (ended.code, found["code"], found["reason"]) == (code, code, reason)
    assert words in found["message"]
    assert words in ended.error


async def test_a_command_that_is_interrupted_has_one_document_too(embedded: EmbeddedBed, tmp_path: Path) -> None:
    embedded.server.faults.hang(60, verb="list")
    args = command("plan", "-o", "json", "-vv", "--request-timeout", "1s", "--kubeconfig", embedded.kubeconfig())
    process = await anyio.open_process(args, env=environment(tmp_path), stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    with anyio.fail_after(30):
        async for chunk in process.stderr:
            if b"retrying" in chunk:
                break
        process.send_signal(signal.SIGINT)
        out = b"".join([chunk async for chunk in process.stdout])
        assert await process.wait() == 130
    assert (found := json.loads(out))["kind"] == "Error"
    assert (found["code"], found["reason"]) == (130, "Interrupted")
    await process.aclose()


REDIRECTIONS = ["2>&- | cat", ">&-", ">&- 2>&- <&-", "2>&1 | head -c 1 >&-", "| head -1", "2>/dev/full", "2>&1 | true"]


@pytest.mark.parametrize("redirection", REDIRECTIONS)
async def test_no_stream_that_is_closed_stops_a_migration(
    embedded: EmbeddedBed, tmp_path: Path, redirection: str
) -> None:
    scene(embedded.server, embedded.group, 20)
    embedded.server.faults.clear()
    embedded.server.faults.delay(0.02, verb="patch")
    text = f"{' '.join(run_args(embedded))} {redirection}; exit ${{PIPESTATUS[0]}}"
    with anyio.fail_after(60):
        done = await anyio.run_process(["bash", "-c", text], check=False, env=environment(tmp_path))
    assert done.returncode == 0
    assert "Traceback" not in done.stderr.decode()
    assert {c["status"]["storedVersions"][0] for c in embedded.server.crds()} == {"v1beta1"}


async def test_colours_and_bars_are_where_they_were_asked_for(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)

    async def plan(*more: str, **env: str) -> Ended:
        last = ("--kubeconfig", embedded.kubeconfig())
        return await asyncmigrate("plan", *more, *last, home=tmp_path, env={"NO_COLOR": ""} | env)

    forced = await plan(FORCE_COLOR="1")
    assert "\x1b" not in forced.out + forced.err  # lines are data, and there is no bar to draw into a pipe
    logged = await plan("-v", FORCE_COLOR="1")
    assert "\x1b[" in logged.err
    for plain in (await plan("-v"), await plan("-v", FORCE_COLOR="1", NO_COLOR="1"), await plan("-v", "--color=never")):
        assert "\x1b" not in plain.out + plain.err
    asked = await plan("-v", "--color", "always", NO_COLOR="1")
    assert "\x1b[" in asked.err
    assert "\t\x1b[33mstale\x1b[0m\t" in asked.out


async def test_a_terminal_without_colours_gets_none(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    args = command("plan", "-q", "--kubeconfig", embedded.kubeconfig())
    for more, no_color, colored in (((), "", True), ((), "1", False), (("--color=always",), "1", True)):
        _, shown = await on_terminal([*args, *more], tmp_path, NO_COLOR=no_color)
        assert ("\x1b[33m" in shown) is colored


async def test_quiet_shows_only_the_result_and_what_failed(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    ended = await asyncmigrate("run", "-yq", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert len(ended.out.splitlines()) == 3
    assert [line.split(":")[0] for line in ended.err.splitlines()] == [f"widgets.{embedded.group}", "  default/w-1"]
    both = await asyncmigrate("plan", "-q", "-v", home=tmp_path)
    assert (both.code, "exclude each other" in both.error) == (2, True)


async def test_flags_may_be_environment_variables(embedded: EmbeddedBed, tmp_path: Path) -> None:
    names = scene(embedded.server, embedded.group)
    kubeconfig = {"ASYNCMIGRATE_KUBECONFIG": str(embedded.kubeconfig())}
    ended = await asyncmigrate("plan", home=tmp_path, env=kubeconfig | {"ASYNCMIGRATE_OUTPUT": "name"})
    assert len(ended.out.splitlines()) == len(names)
    rehearsed = {"ASYNCMIGRATE_DRY_RUN": "server", "ASYNCMIGRATE_OUTPUT": "json", "ASYNCMIGRATE_REWRITE_ALL": "true"}
    assert (await asyncmigrate("run", home=tmp_path, env=kubeconfig | rehearsed)).json["dryRun"]
    wrong = await asyncmigrate("run", "-y", home=tmp_path, env={"ASYNCMIGRATE_MAX_IN_FLIGHT": "many"})
    assert wrong.code == 2
    assert "the environment variable ASYNCMIGRATE_MAX_IN_FLIGHT" in wrong.err
    # The version to install, which many call so, is none to look for.
    pinned = await asyncmigrate("plan", home=tmp_path, env=kubeconfig | {"ASYNCMIGRATE_VERSION": "0.1.0"})
    assert pinned.code == 0


async def test_a_variable_that_nothing_reads_is_named(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    env = {"KUBECONFIG": str(embedded.kubeconfig()), "ASYNCMIGRATE_DRYRUN": "server"}
    ended = await asyncmigrate("plan", home=tmp_path, env=env)
    assert "ASYNCMIGRATE_DRYRUN is not known; did you mean ASYNCMIGRATE_DRY_RUN?" in ended.err
    assert ended.code == 0
