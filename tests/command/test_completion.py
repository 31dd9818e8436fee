"""Completion, as the shells and kubectl ask for it; and the entry points that kubectl looks for."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from asyncmigrate._cli.completing import SHELLS
from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd
from tests.command.runner import asyncmigrate, command, environment

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def entry_points(folder: Path) -> Path:
    """A folder with our entry points as pip makes them, of the code that is tested."""
    folder.mkdir()
    for name, target in tomllib.loads(PYPROJECT.read_text())["project"]["scripts"].items():
        module, function = target.split(":")
        path = folder / name
        path.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        path.chmod(0o755)
    return folder


async def run(args: list[str], home: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    with anyio.fail_after(60):
        return await anyio.run_process(args, check=False, env=environment(home, **env))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return f"{entry_points(tmp_path / 'bin')}:{os.environ['PATH']}"


@pytest.fixture
def live(embedded: EmbeddedBed) -> dict[str, str]:
    """The environment of a cluster with two CRDs, next to a kubeconfig that does not exist."""
    for plural in ("widgets", "gadgets"):
        embedded.server.apply_crd(crd(embedded.group, "v1", "v1", plural=plural))
    return {"KUBECONFIG": f"/nowhere:{embedded.kubeconfig()}"}


# The words so far, and what they are completed with; {} stands for the group.
CASES = [
    (["r"], ["rbac", "run"]),
    (["manifests", "--hook", "helm"], ["helm-pre", "helm-post"]),
    (["run", "--sk"], ["--skip-blocked"]),
    (["run", "--dry-run", ""], ["none", "server"]),
    (["plan", "wid"], ["widgets.{}"]),
    (["plan", "widgets.{}", ""], ["gadgets.{}"]),
    (["droppable", "ga"], ["gadgets.{}"]),
    (["plan", "--context", ""], ["embedded"]),
    (["plan", "--context", "other"], []),
    (["run", "--context", "embedded", "--context", "emb"], ["embedded"]),
    (["run", "--all-contexts", "--canary", ""], ["embedded"]),
    (["plan", "--context", "embedded", "--context", "other", "wid"], ["widgets.{}"]),
    (["plan", "--kubeconfig", "/nowhere", "wid"], []),
    (["completion", ""], ["bash", "zsh", "fish"]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: " ".join(c[0]))
async def test_what_kubectl_is_told(
    embedded: EmbeddedBed, live: dict[str, str], path: str, tmp_path: Path, case: tuple[list[str], list[str]]
) -> None:
    words, expected = ([w.format(embedded.group) for w in part] for part in case)
    done = await run(["kubectl_complete-asyncmigrate", *words], tmp_path, PATH=path, **live)
    *lines, directive = done.stdout.decode().splitlines()
    assert [line.split("\t")[0] for line in lines] == expected
    assert directive == ":4"  # no files
    assert done.stderr == b""


async def test_kubectl_is_told_to_complete_files(path: str, tmp_path: Path) -> None:
    for words in (
        ["plan", "-f", ""],
        ["run", "--state", "/tm"],
        ["plan", "--kubeconfig", ""],
        ["run", "--contexts-from", ""],
    ):
        done = await run(["kubectl_complete-asyncmigrate", *words], tmp_path, PATH=path)
        assert done.stdout == b":0\n"


async def test_below_kubectl_we_are_called_so(path: str, tmp_path: Path) -> None:
    done = await run(["kubectl-asyncmigrate", "plan", "--bogus"], tmp_path, PATH=path)
    assert done.returncode == 2
    assert b"Usage: kubectl asyncmigrate plan" in done.stderr


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
async def test_kubectl_finds_us(embedded: EmbeddedBed, live: dict[str, str], path: str, tmp_path: Path) -> None:
    done = await run(["kubectl", "__complete", "asyncmigrate", "plan", "wid"], tmp_path, PATH=path, **live)
    assert done.stdout.decode().splitlines() == [f"widgets.{embedded.group}", ":4"]


EVIL = (
    *("a$(touch PWN)", "a`touch PWN`", "a;x", "a b", "a'", 'a"', "a\\x", "a~", "a*", "a{b,c}"),
    *("a&", "a|b", "a>b", "a#", "a!", "-a", "=a", "%a", "~a", ""),
    *("a\x1b]0;x\x07", "a\x9b31m", "a\u202eb", "a\nforged", "a\tb", "a\x7f", "a\u2066"),
)
GOOD = (
    *("arn:aws:eks:eu-west-1:1234:cluster/a", "default/api-x:6443/kube:admin", "gke_p_z_c"),
    *("me@a.example.com", "a=1,b+c%d"),
)


@pytest.mark.parametrize("option", ["context", "cluster", "user"])
@pytest.mark.parametrize("shell", [*SHELLS, "kubectl"])
async def test_names_of_a_kubeconfig_that_a_shell_would_not_take_as_they_are_are_no_completions(
    path: str, tmp_path: Path, shell: str, option: str
) -> None:
    named = [{"name": name, option: {}} for name in (*EVIL, *GOOD)]
    (tmp_path / "config").write_text(json.dumps({f"{option}s": named}))
    assert await completed(shell, ["plan", f"--{option}", ""], path, tmp_path) == sorted(GOOD)


@pytest.mark.parametrize("shell", [*SHELLS, "kubectl"])
async def test_names_of_crds_that_no_api_server_takes_are_no_completions(path: str, tmp_path: Path, shell: str) -> None:
    good = "widgets.example.com"
    names = [*(f"{name}.example.com" for name in EVIL), good]
    names += [f"x\n{good}", f"{good}\n", f"{good}/x", "A.example.com", "a..b"]
    items = [{"metadata": {"name": name, "uid": "u", "resourceVersion": "1"}} for name in names]
    page = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "5"}}
    body = json.dumps(page | {"items": items}).encode()

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    server = await asyncio.get_running_loop().create_server(web.Server(answer), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        (tmp_path / "config").write_text("{}")
        found = await completed(shell, ["plan", "--server", address, ""], path, tmp_path)
    finally:
        server.close()
    assert found == [good]


async def completed(shell: str, words: list[str], path: str, home: Path) -> list[str]:
    """The completions of the last word, as a shell gets them."""
    env = {"KUBECONFIG": str(home / "config"), "PATH": path}
    if shell == "kubectl":
        done = await run(["kubectl_complete-asyncmigrate", *words], home, **env)
        assert done.stdout.endswith(b":4\n")
        return done.stdout.decode().split("\n")[:-2]
    line = " ".join(["asyncmigrate", *words])
    asked = {"COMP_WORDS": line, "COMP_CWORD": "" if shell == "fish" else str(len(words))}
    done = await run(command(), home, _ASYNCMIGRATE_COMPLETE=f"{shell}_complete", **asked, **env)
    lines = done.stdout.decode().removesuffix("\n").split("\n")
    if shell == "zsh":  # three lines each: its type, its value with colons escaped, its help
        return [line.replace("\\:", ":") for line in lines[1::3]]
    return [line.partition(",")[2] for line in lines]


async def test_bash_completes_what_is_live(
    embedded: EmbeddedBed, live: dict[str, str], path: str, tmp_path: Path
) -> None:
    text = """
    source <(asyncmigrate completion bash) || exit 1
    COMP_WORDS=(asyncmigrate plan wid) COMP_CWORD=2
    _asyncmigrate_completion asyncmigrate
    echo "${COMPREPLY[*]}"
    """
    done = await run(["bash", "-c", text], tmp_path, PATH=path, **live)
    assert (done.stdout.decode(), done.stderr) == (f"widgets.{embedded.group}\n", b"")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
async def test_fish_completes_what_is_live(
    embedded: EmbeddedBed, live: dict[str, str], path: str, tmp_path: Path
) -> None:
    text = "asyncmigrate completion fish | source; complete -C 'asyncmigrate plan wid'"
    done = await run(["fish", "-c", text], tmp_path, PATH=path, **live)
    assert done.stdout.decode().split() == [f"widgets.{embedded.group}"]


async def test_zsh_gets_a_script_that_it_can_read(tmp_path: Path) -> None:
    ended = await asyncmigrate("completion", "zsh", home=tmp_path)
    assert ended.out.startswith("#compdef asyncmigrate\n")
    if shutil.which("zsh"):
        done = await anyio.run_process(["zsh", "-n"], input=ended.out.encode(), check=False)
        assert (done.returncode, done.stderr) == (0, b"")


async def test_a_cluster_that_does_not_answer_ends_no_shell(embedded: EmbeddedBed, tmp_path: Path) -> None:
    embedded.server.faults.hang(60, verb="list")
    env = {"_ASYNCMIGRATE_COMPLETE": "bash_complete", "COMP_WORDS": "asyncmigrate plan wid", "COMP_CWORD": "2"}
    done = await run(command(), tmp_path, KUBECONFIG=str(embedded.kubeconfig()), **env)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, b"", b"")
