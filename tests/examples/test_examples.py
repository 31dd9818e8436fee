"""The programs in `examples/`, one a kind of embedder: each runs as it stands, against the embedded API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.abc
import pytest

from asyncmigrate import Report
from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd, obj

EXAMPLES = Path(__file__).parents[2] / "examples"
# kr8s says which versions of Kubernetes it was tested with, and calls what Python 3.14 deprecates.
IGNORED = ("ignore:Kubernetes version:UserWarning", "ignore:'asyncio.iscoroutinefunction':DeprecationWarning")
WARNINGS = ("-W", "error", "-W", IGNORED[0], "-W", IGNORED[1])
NEXT = crd("example.com", "v2", "v1", "v2")


@pytest.fixture
def stale(embedded: EmbeddedBed, monkeypatch: pytest.MonkeyPatch) -> EmbeddedBed:
    """A server with one stale CRD and three objects, which $KUBECONFIG leads to."""
    before = crd("example.com", "v1", "v1", "v2")
    embedded.server.apply_crd(before)
    for number in range(3):
        embedded.server.create(obj(before, "v1", f"w-{number}"))
    embedded.server.apply_crd(NEXT)
    embedded.server.advance(3600)  # so that nothing has to be waited for
    monkeypatch.setenv("KUBECONFIG", str(embedded.kubeconfig()))
    return embedded


async def program(name: str, *args: object) -> str:
    """What an example prints; it must end with 0."""
    done = await anyio.run_process([sys.executable, *WARNINGS, str(EXAMPLES / name), *map(str, args)], check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


async def test_an_async_tool_with_an_api_client(stale: EmbeddedBed, tmp_path: Path) -> None:
    (tmp_path / "next.json").write_text(json.dumps(NEXT))
    said = await program("async_tool.py", tmp_path)
    assert said.splitlines() == ["widgets.example.com: migrated", "3 objects are in their storage version"]
    assert stale.stored_api_versions("widgets.example.com") == {"v2"}


async def test_a_sync_script_takes_up_what_its_last_run_left(stale: EmbeddedBed, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    stale.server.faults.answer(403, verb="patch", name="w-1")
    done = await anyio.run_process([sys.executable, str(EXAMPLES / "sync_script.py"), str(report)], check=False)
    assert done.returncode == 1
    assert Report.from_json(report.read_text()).objects.failed == 1
    stale.server.faults.clear()
    assert "1 migrated" in await program("sync_script.py", report)
    assert stale.stored_api_versions("widgets.example.com") == {"v2"}


async def test_a_kr8s_tool(stale: EmbeddedBed) -> None:
    assert await program("kr8s_tool.py") == "widgets.example.com: 3 objects to be brought to v2\n"
    assert stale.stored_api_versions("widgets.example.com") == {"v1"}


async def test_a_kopf_operator_migrates_when_it_starts(stale: EmbeddedBed) -> None:
    args = [sys.executable, "-m", "kopf", "run", "--standalone", "--all-namespaces", EXAMPLES / "kopf_operator.py"]
    async with await anyio.open_process([str(a) for a in args], stderr=subprocess.STDOUT) as operator:
        try:
            said = await _read_until(operator, "Activity 'migrate' succeeded")
        finally:
            operator.send_signal(signal.SIGINT)
            await operator.wait()
    assert "widgets.example.com: 3 objects are in v2" in said
    assert stale.stored_api_versions("widgets.example.com") == {"v2"}


async def _read_until(process: anyio.abc.Process, words: str) -> str:
    assert process.stdout
    said = ""
    with anyio.fail_after(60):
        async for chunk in process.stdout:
            said += chunk.decode()
            if words in said:
                return said
    pytest.fail(f"ended without {words!r}: {said}")


async def test_a_notebook_beside_a_running_event_loop(stale: EmbeddedBed, tmp_path: Path) -> None:
    """As in a notebook, its cells are run one after the other by code in a coroutine."""
    runner = tmp_path / "runner.py"
    runner.write_text(
        "import asyncio, sys\n"
        "async def main():\n"
        "    scope = {}\n"
        "    for cell in open(sys.argv[1]).read().split('# %%'):\n"
        "        exec(compile('# ' + cell, 'cell', 'exec'), scope)\n"
        "        await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    done = await anyio.run_process([sys.executable, "-W", "error", str(runner), str(EXAMPLES / "notebook.py")])
    said = done.stdout.decode()
    assert "rehearsed, nothing was changed" in said
    assert Report.from_json(said[said.index("{") :]).objects.rewritten == 3
    assert stale.stored_api_versions("widgets.example.com") == {"v2"}


@pytest.mark.parametrize("name", ["test_with_respx.py", "test_with_pytest.py"])
async def test_a_pytest_of_an_embedder(name: str) -> None:
    args = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider", str(EXAMPLES / name)]
    done = await anyio.run_process(args, check=False)
    assert done.returncode == 0, done.stdout.decode()
    assert "1 passed" in done.stdout.decode()


def test_every_example_is_run() -> None:
    assert {p.name for p in EXAMPLES.glob("*.py")} == {
        "async_tool.py",
        "kopf_operator.py",
        "kr8s_tool.py",
        "notebook.py",
        "sync_script.py",
        "test_with_pytest.py",
        "test_with_respx.py",
    }
