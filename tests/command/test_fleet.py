"""The command on several clusters: one plan, one question, one display, one report, and bad input."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import yaml

from asyncmigrate import FleetReport
from tests.bed.fleet import Fleet, block, is_migrated, kubeconfig, open_fleet
from tests.bed.processes import free_port
from tests.bed.scenes import crd
from tests.command.runner import Ended, asyncmigrate, command, environment
from tests.command.terminal import lines_of, on_terminal

NAMES = ("prod-eu", "prod-us", "staging")


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with open_fleet(NAMES) as found:
        found.kubeconfig(tmp_path)
        yield found


async def on_fleet(tmp_path: Path, *args: str | Path, stdin: bytes = b"", **env: str) -> Ended:
    env = {"KUBECONFIG": str(tmp_path / "kubeconfig")} | env
    return await asyncmigrate(*args, home=tmp_path, stdin=stdin, env=env)


async def test_every_context_is_migrated_and_each_is_a_line(fleet: Fleet, tmp_path: Path) -> None:
    plan = await on_fleet(tmp_path, "plan", "--all-contexts")
    assert plan.code == 0
    fields = [line.split("\t") for line in plan.out.splitlines()]
    assert [f[:8] for f in fields] == [[n, "stale", "1", "1", "0", "0", "3", "0"] for n in NAMES]
    assert [f[9] for f in fields] == ["widgets.example.com"] * 3
    assert "3 clusters: 3 stale" in plan.err
    ended = await on_fleet(tmp_path, "run", "-y", "--all-contexts")
    assert ended.code == 0
    fields = [line.split("\t") for line in ended.out.splitlines()]
    assert [f[:8] for f in fields] == [[n, "done", "1", "1", "1", "0", "3", "0"] for n in NAMES]
    for name in NAMES:
        assert is_migrated(fleet[name])
        assert f"{name}: widgets.example.com: migrated, 3 objects: 3 rewritten" in ended.err
    named = await on_fleet(tmp_path, "plan", "--all-contexts", "-o", "name")
    assert named.out.split() == [*NAMES]
    again = await on_fleet(tmp_path, "plan", "--contexts-from", "-", "--check", "-q", stdin=named.out.encode())
    assert (again.code, again.err) == (0, "")


async def test_one_context_is_as_ever(fleet: Fleet, tmp_path: Path) -> None:
    ended = await on_fleet(tmp_path, "run", "-y", "--context", "staging", "-o", "json")
    assert (ended.code, ended.json["kind"], ended.json["context"]) == (0, "Report", "staging")
    assert is_migrated(fleet["staging"])
    assert fleet["prod-eu"].requests == []
    env = await on_fleet(tmp_path, "plan", "-o", "json", ASYNCMIGRATE_CONTEXT="prod-us", ASYNCMIGRATE_MAX_CLUSTERS="2")
    assert (env.json["kind"], env.json["context"]) == ("Plan", "prod-us")


async def test_variables_name_several_contexts_and_a_flag_comes_first(fleet: Fleet, tmp_path: Path) -> None:
    del fleet
    args = ("plan", "-o", "name")
    both = await on_fleet(tmp_path, *args, ASYNCMIGRATE_CONTEXT="prod-us staging", ASYNCMIGRATE_CANARY="staging")
    assert both.out.split() == ["prod-us", "staging"]
    every = await on_fleet(tmp_path, *args, "--all-contexts", ASYNCMIGRATE_CONTEXT="prod-us staging")
    assert every.out.split() == [*NAMES]
    two = await on_fleet(tmp_path, *args, "--context", "staging", "--context", "prod-eu", ASYNCMIGRATE_ALL_CONTEXTS="1")
    assert two.out.split() == ["staging", "prod-eu"]


async def test_a_canary_that_fails_keeps_the_rest_from_beginning(fleet: Fleet, tmp_path: Path) -> None:
    block(fleet["staging"])
    report = tmp_path / "report.json"
    ended = await on_fleet(tmp_path, "run", "-y", "--all-contexts", "--canary", "staging", "--report", report)
    assert ended.code == 3
    assert [line.split("\t")[1] for line in ended.out.splitlines()] == ["not-tried", "not-tried", "blocked"]
    assert "not tried: canary 'staging' (exit code 3) failed" in ended.out
    assert fleet["prod-eu"].requests == fleet["prod-us"].requests == []
    found = FleetReport.from_json(report.read_text())
    assert [c.code for c in found.clusters] == [None, None, 3]


async def test_stop_after(fleet: Fleet, tmp_path: Path) -> None:
    fleet["prod-eu"].faults.deny(name="w-1")
    args = ("run", "-y", "--all-contexts", "--max-clusters", "1", "--stop-after", "1", "-o", "yaml")
    ended = await on_fleet(tmp_path, *args)
    whole = yaml.safe_load(ended.out)
    assert (ended.code, whole["kind"], whole["code"]) == (1, "FleetReport", 1)
    assert [c["tried"] for c in whole["clusters"]] == [True, False, False]
    assert whole["clusters"][0]["report"]["kind"] == "Report"


async def test_a_cluster_that_cannot_be_reached_spoils_nothing(fleet: Fleet, tmp_path: Path) -> None:
    fleet.kubeconfig(tmp_path, away=f"http://127.0.0.1:{free_port()}")
    ended = await on_fleet(tmp_path, "run", "-y", "--all-contexts", "-o", "json")
    assert ended.code == 4
    assert [c["code"] for c in ended.json["clusters"]] == [0, 0, 0, 4]
    assert ended.json["clusters"][3]["error"]["reason"] == "Unreachable"
    assert all(is_migrated(fleet[name]) for name in NAMES)


@pytest.mark.parametrize("columns", [80, 200])
async def test_on_a_terminal_it_asks_once_and_each_cluster_is_a_row(fleet: Fleet, tmp_path: Path, columns: int) -> None:
    block(fleet["staging"])
    fleet["prod-us"].faults.delay(0.2, verb="patch")
    args = command("run", "--all-contexts", "--no-state", "--kubeconfig", tmp_path / "kubeconfig")
    code, shown = await on_terminal(args, tmp_path, columns=columns, answer=b"y\n")
    assert code == 3
    text = "\n".join(lines_of(shown))
    assert text.count("[y/N]") == 1
    assert "migrate 2 CRDs on 2 clusters? [y/N]" in text
    assert "fleet ━" in text
    assert "prod-us ━" in text  # a row of the live display
    table = text[text.rindex("CLUSTER") :].splitlines()
    assert [line.split()[:2] for line in table[:3]] == [["CLUSTER", "RESULT"], ["prod-eu", "done"], ["prod-us", "done"]]
    assert max(map(len, table)) <= columns
    assert is_migrated(fleet["prod-us"])


async def test_more_clusters_than_the_terminal_has_lines(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "kubeconfig", {f"cluster-{n}": f"http://127.0.0.1:1/{n}" for n in range(60)})
    args = command("plan", "--all-contexts", "--kubeconfig", config)
    code, shown = await on_terminal(args, tmp_path, columns=80)
    assert code == 4
    text = "\n".join(lines_of(shown))
    assert "more clusters: " in text
    assert "60 clusters: 60 unreachable" in text
    assert "Traceback" not in text


async def test_what_is_not_confirmed_is_not_done(fleet: Fleet, tmp_path: Path) -> None:
    args = command("run", "--context", "prod-eu", "--context", "prod-us", "--kubeconfig", tmp_path / "kubeconfig")
    code, shown = await on_terminal(args, tmp_path, answer=b"n\n")
    assert code == 130
    assert "nothing was written" in shown
    assert not any(r.method == "PATCH" for r in fleet["prod-eu"].requests)


async def test_ctrl_c_reports_what_was_done(fleet: Fleet, tmp_path: Path) -> None:
    fleet["prod-us"].faults.hang(60, verb="patch", name="w-2")
    args = command("run", "-y", "--all-contexts", "--max-clusters", "1", "-o", "json")
    env = environment(tmp_path, KUBECONFIG=str(tmp_path / "kubeconfig"))
    process = subprocess.Popen(args, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        with anyio.fail_after(30):
            await fleet["prod-us"].until(lambda: sum(r.method == "PATCH" for r in fleet["prod-us"].requests) >= 2)
        process.send_signal(signal.SIGINT)
        out, err = await anyio.to_thread.run_sync(lambda: process.communicate(timeout=30))
    finally:
        process.kill()
        process.wait()
    whole = json.loads(out)
    assert process.returncode == 130
    assert [c["code"] for c in whole["clusters"]] == [0, 130, None]
    assert whole["clusters"][1]["report"]["crds"][0]["objects"]["rewritten"] == 2
    assert b"interrupted: run again to do the rest" in err


async def test_what_is_left_is_retried_on_its_clusters_alone(fleet: Fleet, tmp_path: Path) -> None:
    fleet["prod-us"].faults.deny(name="w-1")
    kubeconfig_ = fleet.kubeconfig(tmp_path, away=f"http://127.0.0.1:{free_port()}")
    report = tmp_path / "report.json"
    assert (await on_fleet(tmp_path, "run", "-y", "--all-contexts", "--report", report)).code == 4
    fleet["prod-us"].faults.clear()
    for name in NAMES:
        fleet[name].requests.clear()
    again = await on_fleet(tmp_path, "run", "-y", "--all-contexts", "--retry-failed", report)
    assert again.code == 1  # "away" is not done
    assert [line.split("\t")[:2] for line in again.out.splitlines()] == [["prod-us", "done"], ["away", "not-tried"]]
    assert f"{report} has no report of away: left out" in again.err
    assert fleet["prod-eu"].requests == []
    assert is_migrated(fleet["prod-us"])
    alone = await asyncmigrate("run", "-y", "--retry-failed", report, "--kubeconfig", kubeconfig_, home=tmp_path)
    assert (alone.code, "it is a asyncmigrate/v1 FleetReport" in alone.error) == (2, True)


async def test_a_canary_without_a_report_lets_no_other_be_retried(fleet: Fleet, tmp_path: Path) -> None:
    fleet["prod-us"].faults.deny(name="w-1")
    fleet.kubeconfig(tmp_path, away=f"http://127.0.0.1:{free_port()}")
    report = tmp_path / "report.json"
    assert (await on_fleet(tmp_path, "run", "-y", "--all-contexts", "--report", report)).code == 4
    fleet["prod-us"].faults.clear()
    again = await on_fleet(tmp_path, "run", "-y", "--all-contexts", "--canary", "away", "--retry-failed", report)
    assert again.code == 2
    assert "has no report of canary away, so the rest must not begin" in again.error
    assert not is_migrated(fleet["prod-us"])
    green = await on_fleet(tmp_path, "run", "-y", "--all-contexts", "--canary", "staging", "--retry-failed", report)
    assert is_migrated(fleet["prod-us"]), green.err


async def test_what_was_never_tried_is_no_success_of_a_retry(fleet: Fleet, tmp_path: Path) -> None:
    block(fleet["staging"])
    report, second = tmp_path / "report.json", tmp_path / "second.json"
    args = ("run", "-y", "--all-contexts")
    assert (await on_fleet(tmp_path, *args, "--canary", "staging", "--report", report)).code == 3
    rest = ("run", "-y", "--context", "prod-eu", "--context", "prod-us", "--retry-failed", report)
    again = await on_fleet(tmp_path, *rest, "--report", second)
    assert again.code == 1
    found = FleetReport.from_json(second.read_text())
    assert (found.code, [(c.name, c.code) for c in found.clusters]) == (1, [("prod-eu", None), ("prod-us", None)])
    assert "nothing left to do" not in again.err


async def test_logs_name_their_cluster(fleet: Fleet, tmp_path: Path) -> None:
    del fleet
    ended = await on_fleet(tmp_path, "plan", "--all-contexts", "-v")
    for name in NAMES:
        assert any(f"context={name}" in line and "decided" in line for line in ended.err.splitlines())


async def test_what_watches_a_fleet_knows_of_a_cluster_that_was_never_opened(fleet: Fleet, tmp_path: Path) -> None:
    fleet.kubeconfig(tmp_path, away=f"http://127.0.0.1:{free_port()}")
    events, metrics = tmp_path / "events.jsonl", tmp_path / "m.prom"
    watch = ("--events-file", events, "--metrics-file", metrics, "--log-format", "json")
    ended = await on_fleet(tmp_path, "run", "-y", "--all-contexts", *watch)
    assert ended.code == 4
    said = [json.loads(line) for line in ended.err.splitlines()]
    found = {s["context"]: (s["level"], s["code"]) for s in said if s["event"] == "cluster finished"}
    assert found == {**dict.fromkeys(NAMES, ("info", 0)), "away": ("error", 4)}
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    finished = {s["context"]: s["code"] for s in lines if s["type"] == "ClusterFinished"}
    assert finished == {**dict.fromkeys(NAMES, 0), "away": 4}
    assert [(s["context"], s["code"]) for s in lines if s["type"] == "FleetFinished"] == [("", 4)]
    assert "asyncmigrate_last_success_timestamp_seconds 1" not in metrics.read_text()
    fleet.kubeconfig(tmp_path)
    assert (await on_fleet(tmp_path, "run", "-y", "--all-contexts", *watch)).code == 0
    assert "asyncmigrate_last_success_timestamp_seconds 1" in metrics.read_text()


async def test_manifests_on_standard_input_are_for_all_clusters(fleet: Fleet, tmp_path: Path) -> None:
    del fleet
    text = json.dumps(crd("example.com", "v2", "v1", "v2")).encode()
    ended = await on_fleet(tmp_path, "plan", "--all-contexts", "-f", "-", stdin=text)
    assert [line.split("\t")[1:4] for line in ended.out.splitlines()] == [["stale", "1", "1"]] * 3


async def test_a_kubeconfig_out_of_a_pipe_is_read_once(fleet: Fleet, tmp_path: Path) -> None:
    path = fleet.kubeconfig(tmp_path)
    words = " ".join(command("plan", "--all-contexts", "-o", "name", "--kubeconfig"))
    with anyio.fail_after(60):
        env = environment(tmp_path)
        done = await anyio.run_process(["bash", "-c", f"{words} <(cat {path})"], env=env, check=False)
    assert done.stdout.decode().split() == [*NAMES]
    assert done.returncode == 0, done.stderr


async def test_contexts_that_differ_in_their_namespace_are_one_cluster(fleet: Fleet, tmp_path: Path) -> None:
    path = fleet.kubeconfig(tmp_path)
    whole = json.loads(path.read_text())
    twin = {"name": "eu-team-a", "context": {"cluster": "prod-eu", "user": "prod-eu", "namespace": "team-a"}}
    whole["contexts"].append(twin)
    path.write_text(json.dumps(whole))
    ended = await on_fleet(tmp_path, "plan", "--all-contexts", "-o", "name")
    assert ended.out.split() == [*NAMES]
    assert "contexts 'prod-eu' and 'eu-team-a' are one cluster with one user: it is worked on once" in ended.err
    first = await on_fleet(tmp_path, "plan", "--all-contexts", "-o", "name", "--canary", "eu-team-a")
    assert first.out.split() == ["eu-team-a", "prod-us", "staging"]


BAD = [
    (["--context", "prod-eu", "--context", "x"], "context 'x' does not exist"),
    (["--contexts-from", "{}/none"], "--contexts-from {}/none: No such file or directory"),
    (["--contexts-from", "{}/empty"], "{}/empty names no context"),
    (["--contexts-from", "{}/binary"], "it is not UTF-8 text"),
    (["--all-contexts", "--context", "prod-eu"], "--all-contexts takes them all"),
    (["--all-contexts", "--canary", "x"], "--canary x is not among the contexts: 'prod-eu', 'prod-us' and 'staging'"),
    (["--canary", "prod-eu"], "--canary goes with several contexts"),
    (["--context", "prod-eu", "--canary", "prod-eu"], "--canary goes with several contexts"),
    (["--all-contexts", "--max-clusters", "0"], "0 is not in the range x>=1"),
    (["--all-contexts", "--stop-after", "0"], "0 is not in the range x>=1"),
    (["--all-contexts", "--server", "http://a"], "--server goes with one context"),
    (["--all-contexts", "--token", "t"], "--token goes with one context"),
    (["--all-contexts", "--cluster", "prod-eu"], "--cluster goes with one context"),
    (["--all-contexts", "--user", "prod-eu"], "--user goes with one context"),
    (["--contexts-from", "-", "-f", "-"], "standard input is read once"),
    (["--all-contexts", "-f", "{}/none.yaml"], "no such file"),
    (["--all-contexts", "x"], "no CRD's name"),
]


@pytest.mark.parametrize(("args", "words"), BAD, ids=lambda a: " ".join(a) if isinstance(a, list) else "")
async def test_bad_input_is_one_line_and_exit_2(tmp_path: Path, args: list[str], words: str) -> None:
    kubeconfig(tmp_path / "kubeconfig", dict.fromkeys(NAMES, "http://127.0.0.1:1"))
    (tmp_path / "empty").write_text("# nothing\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    ended = await on_fleet(tmp_path, "plan", *(a.format(tmp_path) for a in args))
    assert ended.code == 2
    assert words.format(tmp_path) in ended.error


async def test_a_kubeconfig_without_contexts_or_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("{}")
    ended = await on_fleet(tmp_path, "plan", "--all-contexts")
    assert (ended.code, "names no context" in ended.error) == (2, True)
    ended = await on_fleet(tmp_path, "plan", "--all-contexts", KUBECONFIG=str(tmp_path / "none"))
    assert (ended.code, "no kubeconfig at" in ended.error) == (4, True)


async def test_names_that_are_printed_are_read_back_as_they_are(fleet: Fleet, tmp_path: Path) -> None:
    """Such as `staging #2`, which is not `staging`."""
    names = ("staging #2", "#prod", "a:b c", "-x")
    fleet.kubeconfig(tmp_path, **dict.fromkeys(names, fleet["prod-eu"].url))
    named = await on_fleet(tmp_path, "plan", "--all-contexts", "-o", "name")
    rest = "\n".join(n for n in named.out.splitlines() if n in names)
    again = await on_fleet(tmp_path, "plan", "--contexts-from", "-", "-o", "name", stdin=rest.encode())
    assert again.out.splitlines() == [*names]


async def test_an_entry_that_is_empty_spoils_no_other(fleet: Fleet, tmp_path: Path) -> None:
    """As in Go, where what is missing or null is empty."""
    path = fleet.kubeconfig(tmp_path)
    whole = json.loads(path.read_text())
    whole["contexts"] += [{"name": "bare"}, {"name": "null", "context": None}]
    whole["clusters"].append({"name": "bare"})
    whole["users"].append({"name": "bare", "user": None})
    path.write_text(json.dumps(whole))
    ended = await on_fleet(tmp_path, "plan", "--all-contexts")
    assert ended.code == 4
    assert [line.split("\t")[1] for line in ended.out.splitlines()] == ["stale"] * 3 + ["unreachable"] * 2
    assert "context 'bare': its cluster has no server address" in ended.out


async def test_a_file_of_contexts_has_comments_and_blank_lines(fleet: Fleet, tmp_path: Path) -> None:
    del fleet
    (tmp_path / "names").write_text("# ours\n\nstaging  # first\r\n  prod-eu\nstaging\n")
    ended = await on_fleet(tmp_path, "plan", "-o", "name", "--contexts-from", tmp_path / "names")
    assert ended.out.split() == ["staging", "prod-eu"]
    args = ("plan", "-o", "json", "--context", "prod-us", "--contexts-from", tmp_path / "names")
    assert [c["name"] for c in (await on_fleet(tmp_path, *args)).json["clusters"]] == ["prod-us", "staging", "prod-eu"]
