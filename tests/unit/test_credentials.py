"""Credentials through kubernetes-asyncio: tokens that expire, plugins, a caller's own client, TLS, proxies."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from kubernetes_asyncio.client import ApiClient, Configuration

from asyncmigrate import Cluster, Decision, Outcome, plan, run
from asyncmigrate._cluster.identity import Overrides
from asyncmigrate._cluster.kubeconfig import open_in_cluster, open_kubeconfig
from asyncmigrate._cluster.transport import OpenCluster
from asyncmigrate.errors import ConfigError, TLSError, UnauthorizedError, UsageError
from asyncmigrate.events import Event, ObjectSettled
from asyncmigrate.testing import Rule
from tests.bed.bed import EmbeddedBed, RealBed, real_kubeconfig
from tests.bed.scenes import crd, obj
from tests.command.runner import command, environment

EVERYTHING = (Rule(verbs=("*",)),)


def stale(bed: EmbeddedBed, count: int) -> None:
    before = crd(bed.group, "v1", "v1", "v2")
    bed.server.apply_crd(before)
    for number in range(count):
        bed.server.create(obj(before, "v1", f"w-{number}"))
    bed.server.apply_crd(crd(bed.group, "v2", "v1", "v2"))


def plugin(folder: Path, tokens: Path) -> dict[str, Any]:
    """A credential plugin that hands out what is in a file, and counts its calls there."""
    script = folder / "plugin.py"
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib\n"
        f"path = pathlib.Path({str(tokens)!r})\n"
        "token, calls = path.read_text().split()\n"
        "path.write_text(f'{token} {int(calls) + 1}')\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': {'token': token}}))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"command": str(script), "apiVersion": "client.authentication.k8s.io/v1"}}


async def test_a_token_that_expires_during_a_run_is_renewed_once_for_all(embedded: EmbeddedBed, tmp_path: Path) -> None:
    stale(embedded, 300)
    first, second = (
        embedded.server.add_user(name, rules) for name, rules in (("one", EVERYTHING), ("two", EVERYTHING))
    )
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{first} 0")
    config = embedded.server.kubeconfig()
    config["users"][0]["user"] = plugin(tmp_path, tokens)
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    settled = 0

    def expire(event: Event) -> None:
        nonlocal settled
        settled += isinstance(event, ObjectSettled)
        if settled == 100:
            embedded.server.revoke(first)
            calls = tokens.read_text().split()[1]
            tokens.write_text(f"{second} {calls}")

    async with Cluster.from_kubeconfig(path) as cluster:
        report = await run(cluster, await plan(cluster), settle=0, observers=[expire])
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert report.crds[0].objects.rewritten == 300
    assert tokens.read_text() == f"{second} 2"  # once to open, once to renew, however many requests were refused


ANSWER = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "kind": "ExecCredential",
    "status": {"token": "admin-token"},
}


def hung_plugin(bed: EmbeddedBed) -> tuple[Path, Path]:
    """A kubeconfig whose plugin never answers and does not heed SIGTERM, and where its children's ids will be."""
    pids = bed.folder / "pids"
    script = f"trap '' TERM; sleep 600 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait; wait"
    return with_plugin(bed, script), pids


def with_plugin(bed: EmbeddedBed, script: str) -> Path:
    config = bed.server.kubeconfig()
    call = {"command": "sh", "args": ["-c", script], "apiVersion": ANSWER["apiVersion"]}
    config["users"][0]["user"] = {"exec": call}
    path = bed.folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


async def until_there(path: Path) -> None:
    with anyio.fail_after(20):
        while not path.exists():
            await anyio.sleep(0.01)


def is_alive(pid: str) -> bool:
    """Whether a process runs; one that has ended may wait for its parent to notice."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def assert_ended(pids: Path) -> None:
    with anyio.fail_after(5):
        while any(map(is_alive, pids.read_text().split())):
            await anyio.sleep(0.01)


async def test_a_plugin_that_hangs_is_given_up_and_ends(embedded: EmbeddedBed) -> None:
    path, pids = hung_plugin(embedded)
    with anyio.fail_after(20), pytest.raises(ConfigError) as caught:
        await open_kubeconfig(path, None, within=1)
    assert str(caught.value) == f"{path}: context 'embedded': exec: sh gave no credentials in 1 s"
    await until_there(pids)
    await assert_ended(pids)


async def test_a_plugin_ends_with_who_waits_for_it(embedded: EmbeddedBed) -> None:
    path, pids = hung_plugin(embedded)

    async def go() -> None:
        async with Cluster.from_kubeconfig(path):
            pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        await until_there(pids)
        began = anyio.current_time()
        tasks.cancel_scope.cancel()
    assert anyio.current_time() - began < 1
    await assert_ended(pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_plugin_ends_with_the_command(embedded: EmbeddedBed, number: signal.Signals) -> None:
    path, pids = hung_plugin(embedded)
    args = command("plan", "--kubeconfig", path)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, by all children too
    process = await anyio.open_process(args, env=environment(embedded.folder), stderr=subprocess.PIPE)
    signal.signal(signal.SIGHUP, before)
    await until_there(pids)
    began = anyio.current_time()
    process.send_signal(number)
    with anyio.fail_after(20):
        assert await process.wait() == 130
    assert anyio.current_time() - began < 5  # a second, and what a busy machine needs to stop a process
    await process.aclose()
    await assert_ended(pids)


async def test_a_plugin_whose_child_has_left_it_and_keeps_its_output_open_ends_with_the_command(
    embedded: EmbeddedBed,
) -> None:
    pid = embedded.folder / "pid"
    path = with_plugin(embedded, f"setsid sleep 600 & echo $! > {pid}.new; mv {pid}.new {pid}; sleep 600")
    args = command("plan", "--kubeconfig", path)
    process = await anyio.open_process(args, env=environment(embedded.folder), stderr=subprocess.PIPE)
    await until_there(pid)
    try:
        process.send_signal(signal.SIGINT)
        with anyio.fail_after(20):
            assert await process.wait() == 130
        assert process.stderr is not None
        assert await process.stderr.receive() == b"interrupted: nothing was changed\n"
        await process.aclose()
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


async def test_a_plugin_that_fails_to_renew_is_not_run_for_each_request(embedded: EmbeddedBed) -> None:
    stale(embedded, 300)
    calls, broken = embedded.folder / "calls", embedded.folder / "broken"
    script = (
        f"echo . >> {calls}; if [ -e {broken} ]; then echo 'log in again' >&2; exit 7; fi; echo '{json.dumps(ANSWER)}'"
    )
    settled = 0

    def expire(event: Event) -> None:
        nonlocal settled
        settled += isinstance(event, ObjectSettled)
        if settled == 100:
            broken.touch()
            embedded.server.revoke("admin-token")

    async with Cluster.from_kubeconfig(with_plugin(embedded, script)) as cluster:
        report = await run(cluster, await plan(cluster), settle=0, observers=[expire])
    assert report.crds[0].outcome is Outcome.FAILED
    assert "exec: sh returned 7. log in again" in report.crds[0].message
    assert calls.read_text().split() == [".", "."]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("no json", "exec: the plugin's output is not JSON"),
        ("[]", "exec: the plugin's output is no ExecCredential with a status"),
        (json.dumps(ANSWER | {"status": {}}), "exec: the plugin gave neither a token nor a certificate"),
        (
            json.dumps(ANSWER | {"status": {"clientCertificateData": "c"}}),
            "exec: the plugin gave a certificate without its key",
        ),
        (json.dumps(ANSWER | {"apiVersion": "v1"}), "exec: the plugin speaks v1, and client.authentication.k8s.io/v1"),
    ],
)
async def test_a_plugin_that_answers_something_else_is_one_line(embedded: EmbeddedBed, answer: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await open_kubeconfig(with_plugin(embedded, f"echo '{answer}'"), None)
    assert words in str(caught.value)


async def test_a_token_file_is_read_again_when_the_server_says_401(embedded: EmbeddedBed, tmp_path: Path) -> None:
    stale(embedded, 1)
    token = tmp_path / "token"
    token.write_text("admin-token")
    config = embedded.server.kubeconfig()
    config["users"][0]["user"] = {"tokenFile": str(token)}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    async with Cluster.from_kubeconfig(path) as cluster:
        await plan(cluster)
        fresh = embedded.server.add_user("rotated", EVERYTHING)
        embedded.server.revoke("admin-token")
        token.write_text(fresh)
        assert (await plan(cluster)).crds[0].decision is Decision.STALE
        embedded.server.revoke(fresh)
        with pytest.raises(UnauthorizedError):
            await plan(cluster)


async def test_a_callers_own_api_client_is_used_and_left_open(embedded: EmbeddedBed) -> None:
    stale(embedded, 5)
    configuration = Configuration(host=embedded.url)
    hooked: list[bool] = []

    async def refresh(found: Any) -> None:  # noqa: ANN401 -- kubernetes-asyncio's Configuration
        hooked.append(True)
        found.api_key["BearerToken"] = "Bearer admin-token"

    configuration.api_key["BearerToken"] = "Bearer old"
    configuration.refresh_api_key_hook = refresh
    async with ApiClient(configuration) as client:
        async with Cluster.from_api_client(client) as cluster:
            report = await run(cluster, await plan(cluster), settle=0)
        assert report.crds[0].outcome is Outcome.MIGRATED
        assert hooked
        assert not client.rest_client.pool_manager.closed
        answer = await client.rest_client.GET(f"{embedded.url}/version")
        assert answer.status == 200


async def test_an_api_client_s_token_is_what_its_owner_has_put_there_meanwhile(embedded: EmbeddedBed) -> None:
    """As kubernetes-asyncio's own `refresh_token` task does."""
    configuration = Configuration(host=embedded.url)
    configuration.api_key["BearerToken"] = "Bearer admin-token"
    async with ApiClient(configuration) as client, Cluster.from_api_client(client) as cluster:
        await plan(cluster)
        fresh = embedded.server.add_user("fresh", EVERYTHING)
        embedded.server.revoke("admin-token")
        embedded.server.faults.delay(0.2, resource="customresourcedefinitions.apiextensions.k8s.io")
        with pytest.raises(UnauthorizedError):
            await plan(cluster)
        configuration.api_key["BearerToken"] = f"Bearer {fresh}"
        await plan(cluster)


async def test_a_token_that_is_renewed_while_a_request_is_out_is_tried_once_more(embedded: EmbeddedBed) -> None:
    configuration = Configuration(host=embedded.url)
    fresh = embedded.server.add_user("fresh", EVERYTHING)
    asked = 0

    def hook(found: Any) -> None:  # noqa: ANN401 -- kubernetes-asyncio's Configuration
        nonlocal asked
        asked += 1
        found.api_key["BearerToken"] = f"Bearer {fresh if asked > 1 else 'expired'}"

    configuration.refresh_api_key_hook = hook
    async with ApiClient(configuration) as client, Cluster.from_api_client(client) as cluster:
        assert (await plan(cluster)).requests == 1
    assert [seen.code for seen in embedded.server.requests] == [401, 200]


@pytest.mark.parametrize(
    ("host", "token", "words"),
    [
        ("http://127.0.0.1:port", "t", "its port is not a number"),
        ("http://u:s3cret@127.0.0.1", "t", "holds a user name or password"),
        ("localhost", "t", "begins with https://"),
        ("", "a\nb", "the token has a line break"),
    ],
)
async def test_an_api_client_that_cannot_be_used_is_one_line(
    embedded: EmbeddedBed, host: str, token: str, words: str
) -> None:
    configuration = Configuration(host=host or embedded.url)
    configuration.api_key["BearerToken"] = f"Bearer {token}"
    async with ApiClient(configuration) as client:
        with pytest.raises(ConfigError, match=words) as caught:
            async with Cluster.from_api_client(client) as cluster:
                await plan(cluster)
    assert "s3cret" not in str(caught.value)


async def test_a_hook_that_fails_is_a_configuration_error(embedded: EmbeddedBed) -> None:
    configuration = Configuration(host=embedded.url)

    def hook(_: Any) -> None:  # noqa: ANN401 -- kubernetes-asyncio's Configuration
        raise KeyError("no token today")

    configuration.refresh_api_key_hook = hook
    async with ApiClient(configuration) as client, Cluster.from_api_client(client) as cluster:
        with pytest.raises(ConfigError, match="refresh_api_key_hook failed: 'no token today'"):
            await plan(cluster)


async def test_a_callers_user_agent_counts_and_the_generator_s_does_not(embedded: EmbeddedBed) -> None:
    embedded.server.apply_crd(crd(embedded.group, "v1", "v1", "v2"))
    embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    managers = []
    for agent in ("", "my-operator/1.2"):
        configuration = Configuration(host=embedded.url)
        configuration.api_key["BearerToken"] = "Bearer admin-token"
        async with ApiClient(configuration) as client:
            client.user_agent = agent or client.user_agent
            async with Cluster.from_api_client(client) as cluster:
                await run(cluster, await plan(cluster), settle=0)
        [live] = embedded.server.crds()
        managers.append({e["manager"] for e in live["metadata"]["managedFields"]})
        embedded.server.apply_crd(crd(embedded.group, "v1", "v1", "v2"))
    assert "asyncmigrate" in managers[0]
    assert "my-operator" in managers[1]


async def test_a_pod_s_token_is_read_again_when_the_server_says_401(
    embedded: EmbeddedBed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("admin-token\n")
    (tmp_path / "ca.crt").write_text("of no use over http")
    said = Overrides(server=embedded.url, as_user="jane", as_groups=("system:masters",))

    async def open_transport() -> OpenCluster:
        return await open_in_cluster(said, folder=tmp_path)

    async with Cluster(open_transport) as cluster:
        await plan(cluster)
        embedded.server.revoke("admin-token")
        (tmp_path / "token").write_text(f"{embedded.server.add_user('rotated', EVERYTHING)}\n")
        await plan(cluster)
    assert [(seen.user, seen.by) for seen in embedded.server.requests if seen.code == 200] == [
        ("jane", "admin"),
        ("jane", "rotated"),
    ]
    for content in ("", "a\nb"):
        (tmp_path / "token").write_text(content)
        with pytest.raises(ConfigError, match=r"in-cluster configuration: (the token|Token file)"):
            await open_transport()


async def test_in_cluster_needs_a_cluster_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="in-cluster configuration: Service host/port is not set"):
        async with Cluster.in_cluster():
            pass


async def test_a_cluster_that_is_not_open_says_so(embedded: EmbeddedBed) -> None:
    cluster = Cluster.from_kubeconfig(embedded.kubeconfig())
    with pytest.raises(UsageError, match="the cluster is not open"):
        await plan(cluster)


@pytest.mark.real
async def test_tls_server_name_is_what_the_certificate_is_checked_against(real_bed: RealBed, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    for name, trusted in (("kubernetes.default.svc", True), ("elsewhere.example.com", False)):
        config = real_kubeconfig(real_bed.server, "admin-token")
        config["clusters"][0]["cluster"]["tls-server-name"] = name
        path.write_text(json.dumps(config))
        async with Cluster.from_kubeconfig(path) as cluster:
            if trusted:
                await plan(cluster)
            else:
                with pytest.raises(TLSError, match="no trust between client and server"):
                    await plan(cluster)
