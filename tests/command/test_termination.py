"""In a pod: SIGTERM ends a run in time, also as the first process, and what it came to stays as termination message."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.bed.bed import Bed, EmbeddedBed
from tests.bed.scenes import crd, obj
from tests.command.runner import asyncmigrate, command, environment
from tests.command.test_interrupts import INTERRUPTED_AT, hooked

FULL = 65536  # bytes that a pipe has room for
GRACE = 2.0  # seconds, fewer than any pod has
VARIABLE = "ASYNCMIGRATE_TERMINATION_LOG"
FIRST_PROCESS = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file that the kubelet makes."""
    path = tmp_path / "termination-log"
    path.touch()
    return path


async def stale(bed: Bed, count: int) -> str:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:04}") for n in range(count)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    return f"widgets.{bed.group}"


def rewritten(bed: Bed, name: str) -> int:
    return sum(json.loads(d)["apiVersion"].endswith("/v2") for d in bed.stored(name).values())


def arguments(bed: Bed, name: str, state: Path) -> list[str]:
    kept = ("--state", state, "--kubeconfig", bed.kubeconfig())
    return command("run", name, "-y", "-o", "json", "--settle", "0", *kept)


async def end(process: Process, number: int = 0) -> tuple[int, float, str]:
    """Send SIGTERM to it, or to the process of that number; how it ended, after how many seconds, and what it said."""
    assert process.stderr
    began = time.monotonic()
    await anyio.run_process(["kill", "-TERM", str(number or process.pid)])
    with anyio.fail_after(30):
        said = b"".join([chunk async for chunk in process.stderr]).decode()
        code = await process.wait()
    took = time.monotonic() - began
    await process.aclose()
    return code, took, said


async def child_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    with anyio.fail_after(10):
        while not children.read_text().split():
            await anyio.sleep(0.01)
    return int(children.read_text().split()[0])


def can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*FIRST_PROCESS, "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("before", [(), FIRST_PROCESS], ids=["a process", "the first process"])
async def test_sigterm_in_the_middle_of_a_run(bed: Bed, tmp_path: Path, log: Path, before: Sequence[str]) -> None:
    if before and not can_unshare():
        pytest.skip("unshare is not to be had here")
    name, state = await stale(bed, 600), tmp_path / "state.json"
    begun = [*before, *arguments(bed, name, state), "--rate", "200"]
    env = environment(bed.folder, **{VARIABLE: str(log)})
    process = await anyio.open_process(begun, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with anyio.fail_after(60):
        while rewritten(bed, name) < 100:
            await anyio.sleep(0.01)
    code, took, said = await end(process, await child_of(process.pid) if before else 0)
    assert (code, "Traceback" in said) == (130, False)
    assert took < GRACE
    assert "interrupted: run again to do the rest" in said
    first, only, *more = log.read_text().splitlines()
    assert first.startswith(
        "interrupted: run again to do the rest (exit code 130): interrupted: 1 CRD (1 incomplete); "
    )
    assert only == f"{name}: incomplete: Interrupted: stopped before it was done: run again"
    assert more == []
    # Nothing is lost, and the next pod goes on from there.
    done = rewritten(bed, name)
    assert 100 <= done < 600
    assert await bed.stored_versions(name) == ["v1", "v2"]
    ended = await anyio.run_process(arguments(bed, name, state), env=env, stderr=subprocess.PIPE)
    objects = json.loads(ended.stdout)["crds"][0]["objects"]
    assert (objects["proven"] >= done, objects["proven"] + objects["rewritten"]) == (True, 600)
    assert bed.stored_api_versions(name) == {"v2"}
    assert await bed.stored_versions(name) == ["v2"]
    assert log.read_text().startswith("done (exit code 0): 1 CRD (1 migrated); 600 objects: ")
    assert log.read_text().count("\n") == 1


@pytest.mark.parametrize("before", [(), FIRST_PROCESS], ids=["a process", "the first process"])
@pytest.mark.parametrize("module", ["asyncmigrate.errors", "click", "asyncmigrate._cli.commands", "aiohttp"])
async def test_sigterm_while_it_loads(
    embedded: EmbeddedBed, tmp_path: Path, before: Sequence[str], module: str
) -> None:
    """The first process of a container gets no signal that it has no handler for: the pod would wait for its end."""
    if before and not can_unshare():
        pytest.skip("unshare is not to be had here")
    env = hooked(tmp_path, INTERRUPTED_AT.replace("SIGINT", "SIGTERM")) | {"INTERRUPTED_AT": module}
    args = [*before, *command("plan", "--kubeconfig", embedded.kubeconfig())]
    done = await anyio.run_process(args, check=False, env=env, stderr=subprocess.PIPE)
    assert done.returncode == 130
    assert done.stderr.decode().splitlines()[0].startswith("interrupted")
    assert len(done.stderr.decode().splitlines()) == 1


async def test_a_run_that_nobody_reads_leaves_a_message_too(embedded: EmbeddedBed, tmp_path: Path, log: Path) -> None:
    """Its event loop waits for a full pipe, and hears no signal."""
    for number in range(200):
        embedded.server.apply_crd(crd(embedded.group, "v1", "v1", plural=f"things{number}"))
    env = environment(tmp_path, **{VARIABLE: str(log)})
    args = command("plan", "-o", "json", "--kubeconfig", embedded.kubeconfig())
    reader, writer = os.pipe()
    process = await anyio.open_process(args, env=env, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    waiting = bytearray(4)
    with anyio.fail_after(60):
        while int.from_bytes(waiting, sys.byteorder) < FULL:
            await anyio.sleep(0.01)
            fcntl.ioctl(reader, termios.FIONREAD, waiting)
    code, took, _ = await end(process)
    os.close(reader)
    assert (code, took < 2 * GRACE) == (130, True)
    assert log.read_text() == "interrupted: run again to do the rest (exit code 130)\n"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("run", "--evnts"), (2, "wrong usage or input (exit code 2): No such option")),
        (("run",), (2, "wrong usage or input (exit code 2): there is no terminal to ask on: give -y")),
        (("run", "-y", "-f", "missing.yaml"), (2, "wrong usage or input (exit code 2): ")),
        (("run", "-y", "--kubeconfig", "no"), (4, "the cluster cannot be reached, or refuses us (exit code 4): ")),
        (("plan", "no.example.com"), (1, "failed, or not all is done (exit code 1): 1 CRD: 1 failed\nno.example.")),
        (("plan",), (0, "done (exit code 0): no CRDs to look at\n")),
    ],
    ids=["a flag", "no terminal", "a manifest", "a kubeconfig", "a name", "nothing"],
)
async def test_each_way_to_end_is_in_the_message(
    embedded: EmbeddedBed, tmp_path: Path, log: Path, args: tuple[str, ...], expected: tuple[int, str]
) -> None:
    code, words = expected
    where = () if "--kubeconfig" in args else ("--kubeconfig", embedded.kubeconfig())
    ended = await asyncmigrate(*args, *where, home=tmp_path, env={VARIABLE: str(log)})
    assert ended.code == code
    assert log.read_text().startswith(words)
    assert "environment variable" not in ended.err  # it is known


async def test_failures_are_in_it_by_name(embedded: EmbeddedBed, tmp_path: Path, log: Path) -> None:
    name = await stale(embedded, 3)
    embedded.server.faults.deny(name="w-0001", message="not on a Monday")
    ended = await anyio.run_process(
        arguments(embedded, name, tmp_path / "state.json"),
        check=False,
        env=environment(tmp_path, **{VARIABLE: str(log)}),
    )
    assert ended.returncode == 1
    first, line = log.read_text().splitlines()
    assert first.startswith("failed, or not all is done (exit code 1): 1 CRD (1 incomplete); 3 objects: 2 rewritten, ")
    assert line.startswith(f"{name}: incomplete: ObjectsFailed: 1 object(s) could not be rewritten")
    assert "such as default/w-0001: 403 Forbidden: " in line
    assert line.endswith("not on a Monday")


async def test_sigterm_is_sent_to_a_program_that_uses_the_library_as_before(tmp_path: Path) -> None:
    text = "import signal, asyncmigrate; print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    done = await anyio.run_process([command()[0], "-c", text], env=environment(tmp_path))
    assert done.stdout == b"True\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
