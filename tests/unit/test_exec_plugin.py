"""Credential plugins: what they are told, what they may read, and that what they say to a person is seen."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from asyncmigrate import Cluster, plan
from asyncmigrate._cluster.exec_plugin import is_interactive
from asyncmigrate._cluster.kubeconfig import open_kubeconfig
from asyncmigrate.errors import ConfigError
from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd
from tests.command.runner import asyncmigrate, command, environment

V1 = "client.authentication.k8s.io/v1"
ANSWER = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"token": "admin-token"}})


def kubeconfig(bed: EmbeddedBed, script: str, **more: object) -> Path:
    """A kubeconfig whose plugin is a shell script beside it, and named relative to it."""
    plugin = bed.folder / "bin" / "plugin"
    plugin.parent.mkdir(exist_ok=True)
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o700)
    config = bed.server.kubeconfig()
    config["users"][0]["user"] = {"exec": {"command": "./bin/plugin", "apiVersion": V1} | more}
    path = bed.folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


async def test_a_relative_command_is_relative_to_the_kubeconfig(
    embedded: EmbeddedBed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = kubeconfig(embedded, f"echo '{ANSWER}'")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    async with Cluster.from_kubeconfig(path) as cluster:
        await plan(cluster)


async def test_a_bare_command_is_looked_for_in_path_alone(
    embedded: EmbeddedBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kubeconfig(embedded, f"echo '{ANSWER}'", command="plugin")
    monkeypatch.chdir(embedded.folder / "bin")
    with pytest.raises(ConfigError, match="exec: No such file or directory: plugin"):
        await open_kubeconfig(path)
    monkeypatch.setenv("PATH", str(embedded.folder / "bin"), prepend=":")
    await (await open_kubeconfig(path)).transport.aclose()


async def test_a_missing_plugin_shows_its_install_hint_on_one_line(embedded: EmbeddedBed) -> None:
    hint = "Install it:\n\n  brew install it\n"
    path = kubeconfig(embedded, "", command="no-such-plugin", installHint=hint)
    with pytest.raises(ConfigError) as caught:
        await open_kubeconfig(path)
    words = "exec: No such file or directory: no-such-plugin. Its kubeconfig says: Install it: brew install it"
    assert str(caught.value) == f"{path}: context 'embedded': {words}"


async def test_a_plugin_is_told_of_the_cluster_only_if_it_asks(embedded: EmbeddedBed) -> None:
    seen = embedded.folder / "seen"
    script = f"printf %s \"$KUBERNETES_EXEC_INFO$EXTRA\" > {seen}; echo '{ANSWER}'"
    path = kubeconfig(embedded, script, env=[{"name": "EXTRA", "value": " and more"}])
    await (await open_kubeconfig(path)).transport.aclose()
    info = {"apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False}}
    assert seen.read_text() == f"{json.dumps(info)} and more"

    authority = trustme.CA().cert_pem.bytes()
    (embedded.folder / "ca.crt").write_bytes(authority)
    config = json.loads(kubeconfig(embedded, script, provideClusterInfo=True).read_text())
    config["clusters"][0]["cluster"] = {
        "server": "https://api.example.com:6443/",
        "certificate-authority": "ca.crt",
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy",
        "extensions": [
            {"name": "other", "extension": 1},
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}},
        ],
    }
    path.write_text(json.dumps(config))
    await (await open_kubeconfig(path)).transport.aclose()
    told: dict[str, Any] = json.loads(seen.read_text())["spec"]["cluster"]
    assert b64decode(told.pop("certificate-authority-data")) == authority
    assert told == {
        "server": "https://api.example.com:6443",
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy",
        "config": {"audience": "a"},
    }


async def test_a_token_that_is_written_down_comes_before_a_plugin(embedded: EmbeddedBed) -> None:
    """As in Go, where a plugin is asked only for requests that have no Authorization yet."""
    path = kubeconfig(embedded, "exit 1")
    config = json.loads(path.read_text())
    config["users"][0]["user"]["token"] = "admin-token"  # noqa: S105
    async with Cluster.from_kubeconfig(config) as cluster:
        await plan(cluster)


@pytest.mark.parametrize(
    ("mode", "terminal", "taken", "expected"),
    [
        ("Never", True, False, False),
        ("IfAvailable", True, False, True),
        ("IfAvailable", True, True, False),
        ("IfAvailable", False, False, False),
        ("Always", True, False, True),
        ("Always", False, False, "standard input is not a terminal"),
        ("Always", True, True, "standard input is read for -f -"),
        ("Sometimes", True, False, "interactiveMode 'Sometimes' is none of"),
    ],
)
def test_who_gets_standard_input(mode: str, terminal: bool, taken: bool, expected: bool | str) -> None:  # noqa: FBT001
    if isinstance(expected, bool):
        assert is_interactive(mode, terminal=terminal, taken=taken) is expected
    else:
        with pytest.raises(ConfigError, match=expected):
            is_interactive(mode, terminal=terminal, taken=taken)


async def test_a_plugin_does_not_eat_the_manifests(embedded: EmbeddedBed) -> None:
    path = kubeconfig(embedded, f"cat > /dev/null; echo '{ANSWER}'")
    manifest = json.dumps(crd(embedded.group, "v1", "v1")).encode()
    args = ("plan", "-f", "-", "-o", "json", "--kubeconfig", path)
    ended = await asyncmigrate(*args, home=embedded.folder, stdin=manifest)
    assert [c["decision"] for c in ended.json["crds"]] == ["new"]


@pytest.mark.parametrize("args", [("-f", "-"), ()])
async def test_on_a_terminal_a_plugin_reads_what_a_person_types_unless_that_is_a_manifest(
    embedded: EmbeddedBed, args: tuple[str, ...]
) -> None:
    seen = embedded.folder / "seen"
    path = kubeconfig(embedded, f"read -r line; printf %s \"$line\" > {seen}; echo '{ANSWER}'")
    ours, theirs = pty.openpty()
    try:
        process = await anyio.open_process(
            command("plan", *args, "--kubeconfig", path),
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(embedded.folder),
        )
        os.write(ours, json.dumps(crd(embedded.group, "v1", "v1")).encode() + b"\n\x04\x04" if args else b"code\n")
        with anyio.fail_after(30):
            assert await process.wait() == 0
        await process.aclose()
    finally:
        os.close(ours)
        os.close(theirs)
    assert seen.read_text() == ("" if args else "code")


async def test_what_a_plugin_tells_a_person_is_seen_while_it_waits(embedded: EmbeddedBed) -> None:
    go_on = embedded.folder / "go-on"
    os.mkfifo(go_on)
    path = kubeconfig(embedded, f"echo 'open https://login and enter ABCD' >&2; cat {go_on}; echo '{ANSWER}'")
    process = await anyio.open_process(
        command("plan", "--kubeconfig", path), stderr=subprocess.PIPE, env=environment(embedded.folder)
    )
    assert process.stderr is not None
    seen = b""
    with anyio.fail_after(30):
        while b"ABCD" not in seen:
            seen += await process.stderr.receive()
        await anyio.to_thread.run_sync(go_on.write_text, "")
        assert await process.wait() == 0
    await process.aclose()


async def test_a_plugin_that_fails_is_one_line_of_ours(embedded: EmbeddedBed) -> None:
    path = kubeconfig(embedded, "echo first >&2; printf 'token expired' >&2; exit 3")
    ended = await asyncmigrate("plan", "--kubeconfig", path, home=embedded.folder)
    assert ended.code == 4
    assert ended.error.endswith("/bin/plugin returned 3. first token expired")
    assert ended.err == f"first\ntoken expired\n{ended.error}\n"


async def test_what_a_plugin_repeats_of_a_proxy_s_password_is_in_no_error(embedded: EmbeddedBed) -> None:
    script = 'printf %s "$KUBERNETES_EXEC_INFO" >&2; exit 3'
    path = kubeconfig(embedded, script, provideClusterInfo=True)
    config = json.loads(path.read_text())
    for filler in (0, 420, 440):  # the URL as a whole, and cut in its credentials
        config["clusters"][0]["cluster"]["proxy-url"] = "http://user:hunter2@proxy.example.com:1"
        config["clusters"][0]["cluster"]["extensions"] = [
            {"name": "client.authentication.k8s.io/exec", "extension": "x" * filler}
        ]
        path.write_text(json.dumps(config))
        with pytest.raises(ConfigError) as caught:
            await open_kubeconfig(path)
        assert "plugin returned 3. " in str(caught.value)
        assert "hunter2" not in str(caught.value)


async def test_a_plugin_that_prints_without_end_is_given_up(embedded: EmbeddedBed) -> None:
    with pytest.raises(ConfigError, match="prints more than 1,048,576 bytes"), anyio.fail_after(20):
        await open_kubeconfig(kubeconfig(embedded, "exec yes"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"apiVersion": "v1"}, "exec: apiVersion 'v1' is none of client.authentication.k8s.io/v1"),
        ({"args": ["\0"]}, "cannot be run: embedded null byte"),
        ({"env": [{"value": "x"}]}, "missing required field `name`"),
        ({"command": ""}, "exec: "),
        ({"command": "./bin"}, "exec: Permission denied: /"),
    ],
)
async def test_a_plugin_that_cannot_be_run_is_one_line(
    embedded: EmbeddedBed, fields: dict[str, object], words: str
) -> None:
    path = kubeconfig(embedded, "", **fields)
    with pytest.raises(ConfigError) as caught:
        await open_kubeconfig(path)
    assert words in str(caught.value)


async def test_a_token_that_a_plugin_gives_with_a_line_break_is_one_line(embedded: EmbeddedBed) -> None:
    path = kubeconfig(embedded, f"printf %s '{ANSWER.replace('admin-token', 'admin-token' + chr(92) + 'n')}'")
    with pytest.raises(ConfigError, match="the token has a line break"):
        await open_kubeconfig(path)


async def test_a_certificate_of_a_plugin_is_loaded_and_left_in_no_file(
    embedded: EmbeddedBed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = trustme.CA().issue_cert("jane")
    status = {
        "clientCertificateData": made.cert_chain_pems[0].bytes().decode(),
        "clientKeyData": made.private_key_pem.bytes().decode(),
    }
    answer = b64encode(json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status}).encode()).decode()
    path = kubeconfig(embedded, f"echo {answer} | base64 -d")
    config = json.loads(path.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://api.example.com"
    path.write_text(json.dumps(config))
    await (await open_kubeconfig(path)).transport.aclose()
    assert [*tmp_path.glob("asyncmigrate-*")] == []
