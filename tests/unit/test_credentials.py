"""Credentials through kubernetes-asyncio: tokens that expire, plugins, a caller's own client, TLS, proxies."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiClient, Configuration

from asyncmigrate import Cluster, Decision, Outcome, plan, run
from asyncmigrate._cluster.aiohttp_transport import environment_proxy
from asyncmigrate.errors import ConfigError, TLSError, UnauthorizedError, UsageError
from asyncmigrate.events import Event, ObjectSettled
from asyncmigrate.testing import Rule
from tests.bed.bed import EmbeddedBed, RealBed, real_kubeconfig
from tests.bed.scenes import crd, obj

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


@pytest.mark.parametrize(
    ("base", "environment", "expected"),
    [
        ("https://api.example.com:6443", {"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("http://api.example.com", {"https_proxy": "http://proxy:3128"}, None),
        ("https://api.example.com", {"https_proxy": "http://proxy:3128", "no_proxy": ".example.com"}, None),
        ("https://127.0.0.1:6443", {"https_proxy": "http://proxy:3128"}, None),
        ("https://localhost:6443", {"https_proxy": "http://proxy:3128"}, None),
        ("https://api.example.com", {}, None),
    ],
)
def test_the_environment_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, base: str, environment: dict[str, str], expected: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_proxy(base) == expected
