"""SIGINT at any moment of the command's life is 130 and one line, never a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd, obj
from tests.command.runner import command, environment
from tests.command.terminal import on_terminal

# Python runs this at its start: SIGINT comes as soon as the module is looked for, so at a known moment of the loading.
INTERRUPTED_AT = """
import os, signal, sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name == os.environ["INTERRUPTED_AT"]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
"""


def hooked(folder: Path, text: str) -> dict[str, str]:
    """The environment in which Python runs a text at its start."""
    (folder / "sitecustomize.py").write_text(text)
    return environment(folder, PYTHONPATH=f"{folder}:{':'.join(sys.path)}")


@pytest.mark.parametrize(
    "module",
    [
        "asyncmigrate.errors",
        "aiohttp",
        "click",
        "asyncmigrate._cli.commands",
        "rich.console",
        "asyncmigrate._cluster.kubeconfig",
    ],
)
async def test_while_it_loads(embedded: EmbeddedBed, tmp_path: Path, module: str) -> None:
    done = await anyio.run_process(
        command("plan", "--kubeconfig", embedded.kubeconfig()),
        check=False,
        env=hooked(tmp_path, INTERRUPTED_AT) | {"INTERRUPTED_AT": module},
    )
    assert done.returncode == 130
    assert done.stderr.decode().splitlines()[0].startswith("interrupted")
    assert len(done.stderr.decode().splitlines()) == 1


async def test_a_program_that_uses_the_library_keeps_its_handler(tmp_path: Path) -> None:
    text = "import signal, asyncmigrate; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = await anyio.run_process([sys.executable, "-c", text], env=environment(tmp_path))
    assert done.stdout == b"True\n"


async def test_sigint_that_is_ignored_stays_ignored_while_it_loads(tmp_path: Path) -> None:
    """As below nohup, or in the background of a shell script."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.touch()
    env = hooked(tmp_path, INTERRUPTED_AT) | {"INTERRUPTED_AT": "click"}
    args = ["bash", "-c", f"trap '' INT; exec {' '.join(command('plan', '--kubeconfig', kubeconfig))}"]
    done = await anyio.run_process(args, check=False, env=env)
    assert done.returncode == 4
    assert b"interrupted" not in done.stderr


async def test_again_and_again_while_a_run_is_being_stopped(embedded: EmbeddedBed, tmp_path: Path) -> None:
    before = crd(embedded.group, "v1", "v1", "v2")
    embedded.server.apply_crd(before)
    for number in range(50):
        embedded.server.create(obj(before, "v1", f"w-{number}"))
    embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    embedded.server.advance(60)
    embedded.server.faults.delay(0.2, verb="patch")
    args = command("run", "-y", "--kubeconfig", embedded.kubeconfig())
    process = await anyio.open_process(args, env=environment(tmp_path), stderr=subprocess.PIPE)
    assert process.stderr
    with anyio.fail_after(30):
        await embedded.server.until(lambda: any(s.method == "PATCH" for s in embedded.server.requests))
        while process.returncode is None:
            process.send_signal(signal.SIGINT)
            await anyio.sleep(0.02)
        err = b"".join([chunk async for chunk in process.stderr]).decode()
    assert await process.wait() == 130
    assert "Traceback" not in err
    assert err.count("interrupted: run again to do the rest") == 1
    await process.aclose()


@pytest.mark.parametrize("at", ["An upgrade on", "looked up 359 CRDs", "0 of 11 CRDs"])
async def test_ctrl_c_in_the_demo_is_one_line(tmp_path: Path, at: str) -> None:
    code, shown = await on_terminal(command("demo"), tmp_path, answer=b"\x03", once=at)
    assert code == 130
    assert "Traceback" not in shown
    assert "Exception" not in shown
    assert shown.count("interrupted: nothing is left of the demo's server") == 1
