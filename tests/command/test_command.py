"""The command: its JSON contract, its exit codes, its streams, and how it is interrupted."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import anyio
import pytest

from asyncmigrate.testing import ApiServer
from tests.bed.bed import Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj
from tests.command.runner import Ended, asyncmigrate, command, environment
from tests.command.terminal import on_terminal

PLAN_KEYS = ["apiVersion", "kind", "context", "server", "seconds", "crds", "requests", "retries"]
REPORT_KEYS = [*PLAN_KEYS, "dryRun", "interrupted"]
NEW_KEYS = ["trimmedBy", "progress", "pruning", "writers", "ownersLeft", "refused", "plan"]
CRD_KEYS = ["name", "decision", "reason", "message", "storageVersion", "storedVersions", "spec"]


def scene(server: ApiServer, group: str, count: int = 3) -> Manifest:
    """A stale CRD and a current one."""
    before = crd(group, "v1alpha1", "v1alpha1", "v1beta1")
    server.apply_crd(before)
    for number in range(count):
        server.create(obj(before, "v1alpha1", f"w-{number}"))
    after = crd(group, "v1beta1", "v1alpha1", "v1beta1")
    server.apply_crd(after)
    server.apply_crd(crd(group, "v1", "v1", plural="gadgets"))
    server.advance(60)  # so that nothing has to settle
    return after


async def test_the_json_of_a_plan_is_the_contract(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    path = tmp_path / "next.json"
    path.write_text(json.dumps(crd(embedded.group, "v1", "v1beta1", "v1")))
    ended = await asyncmigrate("plan", "-f", path, "-o", "json", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert ended.code == 0
    live = (await embedded.live_crd(f"widgets.{embedded.group}"))["metadata"]
    found = ended.json
    assert list(found) == PLAN_KEYS
    assert (found["apiVersion"], found["kind"]) == ("asyncmigrate/v1", "Plan")
    assert (found["context"], found["server"]) == ("embedded", embedded.url)
    crd_found = found["crds"][0].pop("live")
    assert (crd_found["uid"], crd_found["storedVersions"]) == (live["uid"], ["v1alpha1", "v1beta1"])
    assert found["crds"] == [
        {
            "name": f"widgets.{embedded.group}",
            "decision": "stale",
            "reason": "OldStoredVersions",
            "message": "objects may be stored in v1alpha1: to be brought to v1beta1",
            "storageVersion": "v1beta1",
            "storedVersions": ["v1alpha1", "v1beta1"],
            "spec": {"uid": live["uid"], "generation": 2, "changed": live["managedFields"][0]["time"]},
            "changes": {
                "added": ["v1"],
                "dropped": ["v1alpha1"],
                "unserved": [],
                "storageMovesTo": "v1",
                "prunes": [],
                "requires": [],
            },
            "objectsWaiting": 3,
            "unanswered": False,
            "missingRights": [],
            "webhookError": None,
            "prunes": [],
            "refused": False,
        }
    ]
    assert (found["requests"], found["retries"]) == (3, 0)  # the CRD, our rights, the first object


async def test_the_json_of_a_report_is_the_contract(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    embedded.server.faults.deny(code=422, name="w-1", message="no owner")
    ended = await asyncmigrate("run", "-y", "-o", "json", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert ended.code == 1
    found = ended.json
    assert list(found) == REPORT_KEYS
    assert found["kind"] == "Report"
    gadgets, widgets = found["crds"]
    assert list(widgets) == [*CRD_KEYS, "outcome", "objects", "trimmed", "failures", *NEW_KEYS]
    assert (gadgets["decision"], gadgets["outcome"]) == ("current", "skipped")
    assert gadgets["objects"] == dict.fromkeys(("listed", "proven", "rewritten", "unchanged", "gone", "failed"), 0)
    assert (widgets["decision"], widgets["outcome"], widgets["trimmed"]) == ("stale", "incomplete", False)
    assert widgets["objects"] == {
        "listed": 3, "proven": 0, "rewritten": 2, "unchanged": 0, "gone": 0, "failed": 1
    }  # fmt: skip
    assert widgets["failures"] == [
        {
            "namespace": "default",
            "name": "w-1",
            "code": 422,
            "reason": "Invalid",
            "message": 'admission webhook "policy.example.com" denied the request: no owner',
            "attempts": 1,
        }
    ]


async def run_json(bed: Bed, *args: str | Path) -> Ended:
    return await asyncmigrate(
        "run", "-y", "-o", "json", "--settle", "0", *args, "--kubeconfig", bed.kubeconfig(), home=bed.folder
    )


async def test_from_stale_to_current_to_nothing_to_do(bed: Bed) -> None:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n}") for n in range(5)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    name = f"widgets.{bed.group}"
    check = ["plan", f"crd/{name}", "--check", "--kubeconfig", str(bed.kubeconfig())]
    assert (await asyncmigrate(*check, home=bed.folder)).code == 1
    rehearsed = await run_json(bed, name, "--dry-run=server")
    assert (rehearsed.code, rehearsed.json["crds"][0]["reason"]) == (0, "Rehearsed")
    assert "v1" in bed.stored_api_versions(name)
    migrated = await run_json(bed, name)
    assert (migrated.code, migrated.json["crds"][0]["outcome"]) == (0, "migrated")
    assert bed.stored_api_versions(name) == {"v2"}
    assert (await asyncmigrate(*check, home=bed.folder)).code == 0
    again = await run_json(bed, name)
    assert (again.code, again.json["requests"]) == (0, 0)


async def test_blocked_is_exit_3_and_nothing_is_written(bed: Bed) -> None:
    await bed.apply_crd(crd(bed.group, "v1alpha1", "v1alpha1", "v1"))
    path = bed.folder / "next.json"
    for manifest, reason in (
        (crd(bed.group, "v1", "v1"), "StorageVersionDropped"),
        (crd(bed.group, None, "v1alpha1", "v1"), "NoStorageVersion"),
    ):
        path.write_text(json.dumps(manifest))
        before = await bed.live_crd(f"widgets.{bed.group}")
        ended = await run_json(bed, "-f", path)
        assert ended.code == 3
        assert [(c["outcome"], c["reason"]) for c in ended.json["crds"]] == [("blocked", reason)]
        assert (await run_json(bed, "-f", path, "--skip-blocked")).code == 1
        assert await bed.live_crd(f"widgets.{bed.group}") == before
        planned = await asyncmigrate("plan", "-f", path, "--kubeconfig", bed.kubeconfig(), home=bed.folder)
        assert planned.code == 3
        assert "blocked" in planned.out


async def test_results_go_to_stdout_and_progress_to_stderr(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    ended = await asyncmigrate("run", "-y", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert ended.code == 0
    numbers = "\t".join("303000")
    assert ended.out.splitlines() == [
        f"gadgets.{embedded.group}\tskipped\t" + "\t".join("000000") + "\t-\tevery object is stored in v1 already",
        f"widgets.{embedded.group}\tmigrated\t{numbers}\tthis-run\tevery object is stored in v1beta1",
    ]
    assert "2 CRDs (1 skipped, 1 migrated); 3 objects: 3 rewritten" in ended.err
    assert "looked up 2 CRDs: 1 current, 1 stale" in ended.err
    assert f"widgets.{embedded.group}: migrated" in ended.err


async def test_logs_tell_every_request_and_never_a_token(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    embedded.server.faults.answer(503, verb="patch", times=1)
    ended = await asyncmigrate("run", "-y", "-vv", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert ended.code == 0
    assert ended.err.count("method=PATCH") == 5  # three objects, one of them twice, and the trim
    assert "retrying" in ended.err
    assert "admin-token" not in ended.err + ended.out
    quiet = await asyncmigrate("plan", "-v", "--kubeconfig", embedded.kubeconfig(), home=tmp_path)
    assert "decided" in quiet.err
    assert "method=" not in quiet.err


async def test_a_run_begins_to_write_though_a_webhook_hangs(embedded: EmbeddedBed, tmp_path: Path) -> None:
    """Nothing is counted or rehearsed before the first write, and so nothing is waited for."""
    scene(embedded.server, embedded.group)
    before = crd(embedded.group, "v1", "v1", "v2", plural="things")
    embedded.server.apply_crd(before)
    embedded.server.create(obj(before, "v1", "t"))
    embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2", plural="things"))
    embedded.server.advance(60)
    for verb in ("list", "patch"):
        embedded.server.faults.hang(60, verb=verb, resource=f"things.{embedded.group}")
    args = command("run", "-y", "--kubeconfig", embedded.kubeconfig())
    process = await anyio.open_process(args, env=environment(tmp_path), stdout=subprocess.DEVNULL)
    with anyio.fail_after(30):
        await embedded.server.until(lambda: any(s.method == "PATCH" for s in embedded.server.requests))
        process.terminate()
        assert await process.wait() == 130
    await process.aclose()
    assert not [s.path for s in embedded.server.requests if re.search(r"[?&](limit=1(&|$)|dryRun=)", s.path)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_run_says_what_was_done_and_the_next_does_the_rest(
    embedded: EmbeddedBed, tmp_path: Path, number: signal.Signals
) -> None:
    scene(embedded.server, embedded.group, 40)
    slow = embedded.server.faults.delay(30, verb="patch", name="w-7")
    kubeconfig = embedded.kubeconfig()
    args = command("run", "-y", "-o", "json", "--kubeconfig", kubeconfig)
    process = await anyio.open_process(args, env=environment(tmp_path), stderr=subprocess.PIPE)
    with anyio.fail_after(30):
        # Everything but the slow object is answered.
        await embedded.server.until(lambda: sum(s.method == "PATCH" for s in embedded.server.requests) == 39)
        began = time.monotonic()
        process.send_signal(number)
        assert process.stdout
        out = b"".join([chunk async for chunk in process.stdout])
        code = await process.wait()
    assert code == 130
    assert time.monotonic() - began < 1.5  # a second, and what a busy machine needs to start and stop a process
    widgets = json.loads(out)["crds"][1]
    assert (widgets["outcome"], widgets["reason"]) == ("incomplete", "Interrupted")
    assert widgets["objects"]["rewritten"] in {38, 39}  # the last answer may still have been on its way
    await process.aclose()
    slow.times = 0
    rest = await run_json(embedded)
    assert rest.code == 0
    objects = rest.json["crds"][1]["objects"]
    assert (objects["proven"], objects["rewritten"], objects["unchanged"]) == (39, 1, 0)
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v1beta1"}


@pytest.mark.parametrize(
    ("args", "proven"), [((), 1), (("--proof-margin", "2m"), 0), (("--rewrite-all",), 0), (("--settle", "2m"), 0)]
)
async def test_what_a_list_proves_is_not_rewritten(embedded: EmbeddedBed, args: tuple[str, ...], proven: int) -> None:
    manifest = scene(embedded.server, embedded.group)
    embedded.server.advance(30)
    await embedded.create(manifest, obj(manifest, "v1beta1", "later"))
    embedded.server.advance(60)
    ended = await run_json(embedded, *args)
    assert ended.code == 0
    objects = ended.json["crds"][1]["objects"]
    assert (objects["proven"], objects["rewritten"], objects["unchanged"]) == (proven, 3, 1 - proven)


async def test_ctrl_c_ends_a_plan_that_waits_for_standard_input(embedded: EmbeddedBed, tmp_path: Path) -> None:
    args = command("plan", "-f", "-", "-v", "--kubeconfig", embedded.kubeconfig())
    process = await anyio.open_process(args, env=environment(tmp_path), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with anyio.fail_after(30):
        threads = Path(f"/proc/{process.pid}/task")
        while len(list(threads.iterdir())) < 2:  # the second one reads
            await anyio.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    await process.aclose()


@pytest.mark.parametrize(("answer", "migrated"), [(b"y\n", True), (b"\n", False), (b"no\n", False), (b"\x04", False)])
async def test_on_a_terminal_it_shows_the_plan_and_asks(
    embedded: EmbeddedBed, tmp_path: Path, answer: bytes, *, migrated: bool
) -> None:
    scene(embedded.server, embedded.group)
    code, shown = await on_terminal(run_args(embedded), tmp_path, answer=answer)
    assert code == (0 if migrated else 130)
    assert "objects may be stored in v1alpha1" in shown
    assert f"migrate 1 CRD on {embedded.url}? [y/N]" in shown
    assert ("migrated" in shown) is migrated
    assert ("nothing was written" in shown) is not migrated
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v1beta1" if migrated else "v1alpha1"}


async def test_the_question_does_not_wait_for_a_webhook_that_hangs(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    embedded.server.faults.delay(60, verb="list", resource=f"widgets.{embedded.group}")
    code, shown = await on_terminal(run_args(embedded), tmp_path, answer=b"no\n")
    assert code == 130
    assert "still asking 1 CRD" in shown
    assert shown.index("still asking") < shown.index("[y/N]")


async def test_nobody_is_asked_about_a_run_that_would_write_nothing(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2", plural="locks"))
    embedded.server.apply_crd(crd(embedded.group, "v1", "v1", "v2", plural="locks", unserved=("v1", "v2")))
    code, shown = await on_terminal(run_args(embedded), tmp_path, answer=b"y\n")
    assert code == 3
    assert "[y/N]" not in shown
    assert "--skip-blocked" in shown
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v1alpha1"}
    code, shown = await on_terminal([*run_args(embedded), "--skip-blocked"], tmp_path, answer=b"y\n")
    assert code == 1
    assert "[y/N]" in shown
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v1beta1"}


async def test_ctrl_c_ends_the_question(embedded: EmbeddedBed, tmp_path: Path) -> None:
    scene(embedded.server, embedded.group)
    code, shown = await on_terminal(run_args(embedded), tmp_path, answer=b"\x03")
    assert code == 130
    assert "interrupted" in shown


def run_args(bed: Bed) -> list[str]:
    return command("run", "--kubeconfig", bed.kubeconfig())


async def test_help_and_version_need_no_cluster(tmp_path: Path) -> None:
    helped = await asyncmigrate("--help", home=tmp_path)
    assert helped.code == 0
    assert "130  interrupted" in helped.out
    assert (await asyncmigrate("--version", home=tmp_path)).out.startswith("asyncmigrate 0.")
    assert (await asyncmigrate("version", home=tmp_path)).out.startswith("asyncmigrate 0.")
    told = (await asyncmigrate("version", "-o", "json", home=tmp_path)).json
    ours = version("asyncmigrate")
    assert (told["apiVersion"], told["kind"], told["version"]) == ("asyncmigrate/v1", "Version", ours)
