"""A run that was killed goes on where it was, and one that failed in places is taken up just there."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer

import anyio
import pytest

from asyncmigrate import Outcome, plan, run
from asyncmigrate.events import CRDFinished, Event, ObjectSettled, PageListed, RunFinished, StateNotSaved
from tests.bed.bed import Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj
from tests.command.runner import Ended, asyncmigrate, command, environment


async def stale(bed: Bed, count: int) -> Manifest:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:04}") for n in range(count)))
    after = crd(bed.group, "v2", "v1", "v2")
    await bed.apply_crd(after)
    return after


def arguments(bed: Bed) -> tuple[str | Path, ...]:
    name = f"widgets.{bed.group}"
    return ("run", name, "-y", "-o", "json", "--settle", "0", "--kubeconfig", bed.kubeconfig())


async def run_json(bed: Bed, *args: str | Path) -> Ended:
    return await asyncmigrate(*arguments(bed), *args, home=bed.folder)


def rewritten(bed: Bed) -> int:
    return sum(json.loads(d)["apiVersion"].endswith("/v2") for d in bed.stored(f"widgets.{bed.group}").values())


async def kill_in_the_middle(bed: Bed, *args: str | Path) -> None:
    """Kill -9 once a record is kept and some objects are rewritten."""
    begun = command(*arguments(bed), *args)
    process = await anyio.open_process(begun, env=environment(bed.folder), stdout=subprocess.DEVNULL)
    with anyio.fail_after(60):
        while rewritten(bed) < 100:
            await anyio.sleep(0.01)
    process.kill()
    await process.wait()
    await process.aclose()


async def test_a_killed_run_goes_on_where_it_was(bed: Bed, tmp_path: Path) -> None:
    await stale(bed, 1200)
    state = tmp_path / "some" / "state.json"
    await kill_in_the_middle(bed, "--state", state, "--rate", "400")
    done = rewritten(bed)
    assert 100 <= done < 1200
    assert next(iter(json.loads(state.read_text())["records"].values()))["name"] == f"widgets.{bed.group}"
    ended = await run_json(bed, "--state", state)
    assert ended.code == 0
    objects = ended.json["crds"][0]["objects"]
    assert objects["proven"] >= done
    assert objects["proven"] + objects["rewritten"] == objects["listed"] == 1200
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v2"]
    assert json.loads(state.read_text())["records"] == {}


async def test_what_a_killed_run_left_is_ignored_where_storage_has_moved_since(embedded: EmbeddedBed) -> None:
    await stale(embedded, 400)
    await kill_in_the_middle(embedded, "--rate", "400")
    await embedded.apply_crd(crd(embedded.group, "v1", "v1", "v2"))
    await embedded.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    ended = await run_json(embedded)
    assert (ended.code, ended.json["crds"][0]["objects"]["proven"]) == (0, 0)
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v2"}


async def test_no_state_keeps_none_and_the_default_is_in_the_users_state_folder(embedded: EmbeddedBed) -> None:
    await stale(embedded, 3)
    embedded.server.faults.deny(name="w-0001")
    assert (await run_json(embedded, "--no-state")).code == 1
    default = embedded.folder / ".local" / "state" / "asyncmigrate" / "state.json"
    assert not default.exists()
    assert (await run_json(embedded)).code == 1
    assert len(json.loads(default.read_text())["records"]) == 1


async def test_two_runs_at_once_do_no_harm(bed: Bed, tmp_path: Path) -> None:
    await stale(bed, 300)
    both: list[Ended] = []

    async def one() -> None:
        both.append(await run_json(bed, "--state", tmp_path / "state.json"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)
    assert [e.code for e in both] == [0, 0]
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v2"]


async def test_a_run_ends_only_when_its_last_word_is_in_the_file(embedded: EmbeddedBed, tmp_path: Path) -> None:
    await stale(embedded, 3)
    state = tmp_path / "state.json"
    with (tmp_path / ".state.json.lock").open("w") as lock:  # that another run holds for a while

        def hold(event: Event) -> None:
            if isinstance(event, CRDFinished):
                fcntl.flock(lock, fcntl.LOCK_EX)
                Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()

        async with embedded.cluster() as cluster:
            report = await run(cluster, await plan(cluster), settle=0, state=state, observers=[hold])
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert json.loads(state.read_text())["records"] == {}


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Another process holds the state file's lock, and does not let go."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with state.with_name(f".{state.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def test_a_locked_state_file_is_exit_2_after_a_while(embedded: EmbeddedBed, tmp_path: Path) -> None:
    await stale(embedded, 1)
    state = tmp_path / "state.json"
    with locked(state), anyio.fail_after(20):
        ended = await run_json(embedded, "--state", state)
    assert ended.code == 2
    assert f"{state} is locked by another process: wait for it, or give another --state" in ended.error
    assert not any(s.method == "PATCH" for s in embedded.server.requests)


async def test_sigterm_ends_a_run_that_waits_for_a_locked_state_file(embedded: EmbeddedBed) -> None:
    await stale(embedded, 1)
    with locked(embedded.folder / ".local" / "state" / "asyncmigrate" / "state.json"):
        process = await anyio.open_process(command(*arguments(embedded)), env=environment(embedded.folder))
        with anyio.fail_after(30):
            threads = Path(f"/proc/{process.pid}/task")
            while len(list(threads.iterdir())) < 2:  # the second one waits for the lock
                await anyio.sleep(0.02)
            began = anyio.current_time()
            process.terminate()
            assert await process.wait() == 130
        assert anyio.current_time() - began < 1.5
        await process.aclose()


async def test_a_cancelled_run_does_not_wait_for_a_locked_state_file(embedded: EmbeddedBed, tmp_path: Path) -> None:
    await stale(embedded, 3)
    embedded.server.faults.delay(30, verb="patch", name="w-0001")
    state = tmp_path / "state.json"
    seen: list[Event] = []
    settled = anyio.Event()

    def watch(event: Event) -> None:
        seen.append(event)
        if isinstance(event, PageListed):  # a record is to be saved
            stack.enter_context(locked(state))
        if isinstance(event, ObjectSettled):
            settled.set()

    async def go() -> None:
        async with embedded.cluster() as cluster:
            await run(cluster, await plan(cluster), settle=0, state=state, observers=[watch])

    with ExitStack() as stack, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go)
            await settled.wait()
            began = anyio.current_time()
            tasks.cancel_scope.cancel()
        assert anyio.current_time() - began < 1
    assert [type(e) for e in seen[-2:]] == [StateNotSaved, RunFinished]


@pytest.mark.parametrize("content", ["", "{}", "[1]", "no json", '{"apiVersion": "asyncmigrate/v1", "kind": "Report"}'])
async def test_a_file_that_is_no_state_is_left_as_it_is(embedded: EmbeddedBed, tmp_path: Path, content: str) -> None:
    await stale(embedded, 1)
    state = tmp_path / "notes.txt"
    state.write_text(content)
    ended = await run_json(embedded, "--state", state)
    assert ended.code == 2
    assert f"{state} is no asyncmigrate state file" in ended.error
    assert state.read_text() == content
    assert not any(s.method == "PATCH" for s in embedded.server.requests)


async def test_a_state_that_cannot_be_written_is_an_error_if_asked_for_and_a_warning_if_not(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    await stale(embedded, 1)
    (tmp_path / "file").write_text("")
    ended = await run_json(embedded, "--state", tmp_path / "file" / "state.json")
    assert (ended.code, "cannot be used" in ended.error) == (2, True)
    state_home = {"XDG_STATE_HOME": str(tmp_path / "file")}
    ended = await asyncmigrate(*arguments(embedded), home=tmp_path, env=state_home)
    assert ended.code == 0
    assert "warning: progress cannot be saved, so a killed run starts from the beginning" in ended.err


async def test_retry_failed_takes_up_just_what_failed(embedded: EmbeddedBed, tmp_path: Path) -> None:
    await stale(embedded, 30)
    server = embedded.server
    server.faults.deny(name="w-0003")
    server.faults.deny(name="w-0005", code=422)
    ended = await run_json(embedded)
    assert ended.code == 1
    report = tmp_path / "report.json"
    report.write_text(ended.out)
    server.faults.clear()
    server.faults.deny(name="w-0005", code=422)
    server.requests.clear()
    args = ("run", "--retry-failed", report, "-y", "-o", "json", "--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*args, home=tmp_path)
    assert ended.code == 1
    # What is denied through the version that it was written in is tried once more, through the storage version.
    assert {s.path.rpartition("/")[2] for s in server.requests if s.method == "PATCH"} == {"w-0003", "w-0005"}
    assert await embedded.stored_versions(f"widgets.{embedded.group}") == ["v1", "v2"]
    report.write_text(ended.out)
    server.faults.clear()
    ended = await asyncmigrate(*args, home=tmp_path)
    assert ended.code == 0
    objects = ended.json["crds"][0]["objects"]
    assert (objects["listed"], objects["proven"], objects["rewritten"]) == (30, 29, 1)
    assert await embedded.stored_versions(f"widgets.{embedded.group}") == ["v2"]
    report.write_text(ended.out)
    ended = await asyncmigrate(*args, home=tmp_path)
    assert (ended.code, ended.json["kind"], ended.json["crds"]) == (0, "Report", [])
    assert "has nothing left to do" in ended.err


async def test_retry_failed_takes_what_was_left_because_others_were_blocked(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    await stale(embedded, 2)
    gone = crd(embedded.group, "v1", "v1", "v2", plural="gadgets", unserved=("v1", "v2"))
    embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2", plural="gadgets"))
    embedded.server.apply_crd(gone)
    args = ("run", "-y", "-o", "json", "--settle", "0", "--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*args, home=tmp_path)
    assert ended.code == 3
    report = tmp_path / "report.json"
    report.write_text(ended.out)
    embedded.server.apply_crd(crd(embedded.group, "v1", "v1", "v2", plural="gadgets"))
    ended = await asyncmigrate(*args, "--retry-failed", report, home=tmp_path)
    assert ended.code == 0
    assert await embedded.stored_versions(f"widgets.{embedded.group}") == ["v2"]


async def test_retry_failed_goes_over_all_objects_where_the_spec_has_changed(
    embedded: EmbeddedBed, tmp_path: Path
) -> None:
    await stale(embedded, 5)
    embedded.server.faults.deny(name="w-0003")
    report = tmp_path / "report.json"
    report.write_text((await run_json(embedded)).out)
    embedded.server.faults.clear()
    await embedded.apply_crd(crd(embedded.group, "v1", "v1", "v2"))
    await embedded.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    args = ("run", "--retry-failed", report, "-y", "-o", "json", "--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*args, home=tmp_path)
    assert (ended.code, ended.json["crds"][0]["objects"]["listed"]) == (0, 5)
    assert embedded.stored_api_versions(f"widgets.{embedded.group}") == {"v2"}


REPORTS = [
    ("no json", "is no report of asyncmigrate run -o json"),
    ('{"apiVersion": "asyncmigrate/v1", "kind": "Plan", "crds": []}', "it is a asyncmigrate/v1 Plan"),
    ('{"apiVersion": "asyncmigrate/v1", "kind": "Report", "crds": [], "dryRun": true}', "is the report of a rehearsal"),
    (None, "cannot be read: No such file"),
]


@pytest.mark.parametrize(("content", "words"), REPORTS)
async def test_retry_failed_of_what_is_no_report(tmp_path: Path, content: str | None, words: str) -> None:
    report = tmp_path / "report.json"
    if content is not None:
        report.write_text(content)
    ended = await asyncmigrate("run", "-y", "--retry-failed", report, home=tmp_path)
    assert ended.code == 2
    assert words in ended.error


async def test_a_rate_is_kept(embedded: EmbeddedBed) -> None:
    await stale(embedded, 60)
    ended = await run_json(embedded, "--rate", "40")
    assert ended.code == 0
    assert ended.json["seconds"] >= 59 / 40 - 0.06  # timers are no finer than the burst that is let through
