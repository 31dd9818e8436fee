"""What a `Cluster` refuses, and how: closed while it is used, opened twice, the wrong client, a broken kubeconfig."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import kubernetes.client
import kubernetes_asyncio.client
import pytest
import yaml

from asyncmigrate import Cluster, Plan, Request, droppable, events, plan, run
from asyncmigrate.errors import ConfigError, MigrateError, UsageError
from asyncmigrate.events import Event
from tests.bed.bed import EmbeddedBed

NAME = "widgets.example.com"


async def test_closing_it_in_a_run_ends_the_run_with_one_error(stale: EmbeddedBed) -> None:
    stale.server.faults.delay(60, verb="patch", name="w-1")
    seen: list[Event] = []
    sent, raised = anyio.Event(), list[BaseException]()

    def watch(event: Event) -> None:
        seen.append(event)
        if isinstance(event, events.ObjectSettled):
            sent.set()

    cluster = Cluster.from_kubeconfig(stale.kubeconfig())
    await cluster.__aenter__()
    todo = await plan(cluster, counts_within=0)

    async def go() -> None:
        try:
            await run(cluster, todo, observers=watch)
        except MigrateError as error:
            raised.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        await sent.wait()
        await cluster.__aexit__(None, None, None)
    [error] = raised
    assert isinstance(error, UsageError)
    assert "the cluster was closed while run was using it" in str(error)
    last = seen[-1]
    assert isinstance(last, events.RunFinished)
    assert last.report.interrupted
    assert last.report.server == todo.server
    with pytest.raises(UsageError, match="not open"):
        await plan(cluster)


@pytest.mark.parametrize("use", [plan, lambda cluster: droppable(cluster, NAME)], ids=["plan", "droppable"])
async def test_closing_it_ends_a_plan_too(stale: EmbeddedBed, use: Callable[[Cluster], Any]) -> None:
    stale.server.faults.delay(60, verb="get")
    stale.server.faults.delay(60, verb="list")
    async with anyio.create_task_group() as tasks, Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:

        async def go() -> None:
            with pytest.raises(UsageError, match="closed while"):
                await use(cluster)

        tasks.start_soon(go)
        while not stale.server.requests:
            await anyio.sleep(0.01)


async def test_a_cancelled_plan_is_cancelled_and_no_error(stale: EmbeddedBed) -> None:
    stale.server.faults.delay(60, verb="list")
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        with anyio.move_on_after(0.2) as scope:
            await plan(cluster)
        assert scope.cancelled_caught
        stale.server.faults.clear()
        assert (await plan(cluster)).stale


async def test_it_is_not_opened_twice(stale: EmbeddedBed) -> None:
    cluster = Cluster.from_kubeconfig(stale.kubeconfig())
    async with cluster:
        with pytest.raises(UsageError, match="open already: use it as it is, or make another one"):
            await cluster.__aenter__()
        assert (await plan(cluster)).stale
    async with cluster:  # but once more after it was closed
        assert (await plan(cluster)).stale


async def test_not_by_two_tasks_at_once_either(stale: EmbeddedBed) -> None:
    cluster = Cluster.from_kubeconfig(stale.kubeconfig())
    opened = await asyncio.gather(cluster.__aenter__(), cluster.__aenter__(), return_exceptions=True)
    assert [type(o) for o in opened] == [Cluster, UsageError]
    await cluster.__aexit__(None, None, None)


async def test_one_that_failed_to_open_can_be_opened_later(stale: EmbeddedBed, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    cluster = Cluster.from_kubeconfig(path)
    with pytest.raises(ConfigError):
        await cluster.__aenter__()
    path.write_text(stale.kubeconfig().read_text())
    async with cluster:
        assert (await plan(cluster)).stale


async def test_another_event_loop_is_told_so(stale: EmbeddedBed) -> None:
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        with pytest.raises(UsageError, match="opened in another event loop"):
            await anyio.to_thread.run_sync(lambda: asyncio.run(plan(cluster)))


async def planned(client: Any) -> Plan:  # noqa: ANN401 -- either library's
    async with Cluster.from_httpx(client) as cluster:
        return await plan(cluster)


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_a_client_of_either_library_will_do(stale: EmbeddedBed, library: Any) -> None:  # noqa: ANN401
    class Theirs(library.AsyncClient):  # type: ignore[misc]
        """An embedder's own."""

    async with Theirs(base_url=stale.server.url, headers=authorization(stale)) as client:
        assert (await planned(client)).stale


def authorization(bed: EmbeddedBed) -> dict[str, str]:
    [user] = yaml.safe_load(bed.kubeconfig().read_text())["users"]
    token = user["user"].get("token")
    return {"Authorization": f"Bearer {token}"} if token else {}


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_errors_of_either_library_become_ours(library: Any) -> None:  # noqa: ANN401
    errors = [
        (library.ConnectError("refused"), "UnreachableError"),
        (library.ReadTimeout("slow"), "RequestTimeoutError"),
        (library.DecodingError("bad gzip"), "BadAnswerError"),
        (library.RemoteProtocolError("illegal status line"), "BadAnswerError"),
        (library.RemoteProtocolError("server disconnected"), "ConnectionLostError"),
        (library.ReadError("reset"), "ConnectionLostError"),
    ]
    for error, expected in errors:

        def answer(_: Any, error: Exception = error) -> None:  # noqa: ANN401
            raise error

        transport = library.MockTransport(answer)
        async with library.AsyncClient(base_url="https://a", transport=transport) as client:
            cluster = Cluster.from_httpx(client)
            async with cluster:
                with pytest.raises(MigrateError) as raised:
                    await cluster.opened.transport.send(Request("GET", "/version", {}), within=5)
        assert type(raised.value).__name__ == expected


async def test_a_client_that_is_closed_is_told_so(stale: EmbeddedBed) -> None:
    client = httpx.AsyncClient(base_url=stale.server.url)
    await client.aclose()
    with pytest.raises(UsageError, match="the httpx client is closed"):
        await planned(client)
    later = httpx.AsyncClient(base_url=stale.server.url)
    async with Cluster.from_httpx(later) as cluster:
        await later.aclose()
        with pytest.raises(ConfigError, match="closed while it was in use"):
            await plan(cluster)


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (httpx.Client(base_url="https://a"), "is a synchronous one: give an httpx.AsyncClient"),
        (httpx2.Client(base_url="https://a"), "is a synchronous one"),
        (httpx.AsyncClient(), "has no base_url"),
        ("https://a", "not str"),
        (None, "not NoneType"),
    ],
)
def test_what_is_no_async_client_is_refused_at_once(client: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match=words):
        Cluster.from_httpx(client)


def test_what_moves_no_bytes_is_no_transport() -> None:
    with pytest.raises(UsageError, match="the transport is AsyncClient, which has no aclose: see Transport"):
        Cluster.from_transport(type("AsyncClient", (), {"send": print})(), server="https://a")


async def test_an_api_client_that_is_synchronous_or_closed_is_refused(stale: EmbeddedBed) -> None:
    with pytest.raises(UsageError, match=r"takes a kubernetes_asyncio\.client\.ApiClient, not kubernetes\.ApiClient"):
        Cluster.from_api_client(kubernetes.client.ApiClient())
    configuration = kubernetes_asyncio.client.Configuration(host=stale.server.url)
    client = kubernetes_asyncio.client.ApiClient(configuration)
    await client.close()
    with pytest.raises(UsageError, match="the ApiClient is closed"):
        await Cluster.from_api_client(client).__aenter__()


async def test_a_kubeconfig_may_be_a_dict_a_text_or_cluster_apis_secret(stale: EmbeddedBed) -> None:
    text = stale.kubeconfig().read_text()
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "cluster.x-k8s.io/secret"}
    encoded = base64.b64encode(text.encode()).decode()
    for given in (
        yaml.safe_load(text),
        text,
        yaml.safe_dump(yaml.safe_load(text)).encode(),
        secret | {"data": {"value": encoded}},
        secret | {"stringData": {"value": text}},
    ):
        async with Cluster.from_kubeconfig(given) as cluster:
            assert cluster.context == "embedded"
            assert (await plan(cluster)).stale
    async with Cluster.from_kubeconfig(yaml.safe_load(text), context="embedded") as cluster:
        assert cluster.context == "embedded"
    with pytest.raises(ConfigError, match="the kubeconfig that was given: context 'other'"):
        await Cluster.from_kubeconfig(yaml.safe_load(text), context="other").__aenter__()


SECRET = "hunter2"  # noqa: S105 -- nobody's


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "it has no clusters"),
        ({"token": SECRET}, "it has no clusters: give what a kubeconfig file holds, or Cluster API's Secret"),
        ({"kind": "Secret", "data": {"value": SECRET}}, "data.value of the Secret is not base64"),
        ({"kind": "Secret", "data": {"value": base64.b64encode(b"\xff" + SECRET.encode())}}, "is not base64 of a text"),
        ({"kind": "Secret"}, "it is no kubeconfig"),
        ({"kind": "Secret", "data": None}, "it is no kubeconfig"),
        ({"kind": "Secret", "data": {"value": 5}}, "data.value of the Secret is not base64"),
        (f"a: [\n{SECRET}", "it is not valid YAML"),
        (f"just\n{SECRET}", "it is no kubeconfig"),
        (SECRET.encode(), "it is no kubeconfig"),
        (b"\xff" + SECRET.encode(), "it is not valid YAML"),
        ('{"token": "hunter2"}', "it is no kubeconfig"),
    ],
)
def test_what_is_no_kubeconfig_is_refused_and_not_quoted(given: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(ConfigError, match=words) as raised:
        Cluster.from_kubeconfig(given)
    assert SECRET not in str(raised.value)
