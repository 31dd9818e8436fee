"""A container with a user ID of its own: neither HOME nor a passwd entry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd, obj
from tests.command.runner import command, environment

# Python runs this at its start: nobody has a passwd entry.
NOBODY = """
import pwd
def none(*_):
    raise KeyError("no such user")
pwd.getpwuid = pwd.getpwnam = none
"""


async def homeless(folder: Path, *args: str | Path, **home: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "sitecustomize.py").write_text(NOBODY)
    env = environment(folder, PYTHONPATH=f"{folder}:{':'.join(sys.path)}")
    env = {k: v for k, v in env.items() if k != "HOME" and not k.startswith("XDG")} | home
    with anyio.fail_after(60):
        return await anyio.run_process(command(*args), check=False, env=env)


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "relative"}], ids=str)
async def test_a_run_keeps_no_state_and_says_so_once(
    embedded: EmbeddedBed, tmp_path: Path, home: dict[str, str]
) -> None:
    before = crd(embedded.group, "v1", "v1", "v2")
    embedded.server.apply_crd(before)
    embedded.server.create(obj(before, "v1", "w"))
    embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    embedded.server.advance(60)
    done = await homeless(tmp_path, "run", "-y", "--kubeconfig", embedded.kubeconfig(), **home)
    assert done.returncode == 0
    assert done.stderr.decode().count("there is no home directory; give --state, or --no-state") == 1
    assert b"\tmigrated\t" in done.stdout


async def test_there_is_no_default_kubeconfig(tmp_path: Path) -> None:
    done = await homeless(tmp_path, "plan")
    assert done.returncode == 4
    assert done.stderr.decode().splitlines() == [
        "error: no kubeconfig at ~/.kube/config: give --kubeconfig, or set KUBECONFIG, to a file that exists"
    ]


async def test_a_state_file_in_the_home_directory_is_an_error(embedded: EmbeddedBed, tmp_path: Path) -> None:
    embedded.server.apply_crd(crd(embedded.group, "v1", "v1", "v2"))
    embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    embedded.server.advance(60)
    args = ("run", "-y", "--state", "~/state.json", "--kubeconfig", embedded.kubeconfig())
    done = await homeless(tmp_path, *args)
    assert done.returncode == 2
    assert b"the state file ~/state.json cannot be found: there is no home directory" in done.stderr


async def test_the_demo_runs(tmp_path: Path) -> None:
    assert (await homeless(tmp_path, "demo")).returncode == 0
