"""`asyncmigrate.sync`: the same names for programs that are not async, on a real connection to the embedded server."""

from __future__ import annotations

import inspect
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
import trio

import asyncmigrate
from asyncmigrate import Attempt, RetryPolicy, events, sync
from asyncmigrate.errors import BlockedError, ConfigError, UsageError
from asyncmigrate.events import Event
from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd

QUICK = RetryPolicy(first_wait=0.001, max_wait=0.002, max_seconds=5)


async def in_thread(work: Any) -> Any:  # noqa: ANN401 -- whatever it returns; the server needs the test's loop meanwhile
    return await anyio.to_thread.run_sync(work)


async def test_it_plans_runs_and_says_what_can_be_dropped(stale: EmbeddedBed) -> None:
    def script() -> None:
        with sync.Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
            assert cluster.server == stale.server.url
            assert cluster.context == "embedded"
            todo = sync.plan(cluster, names="widgets.example.com")
            assert sync.run(cluster, todo).objects.rewritten == 3
            assert sync.after_upgrade(cluster).ok
            assert sync.before_upgrade(cluster, crd("example.com", "v2", "v2")).ok
            assert sync.droppable(cluster, "widgets.example.com", version="v1").droppable

    await in_thread(script)


async def test_it_works_beside_a_running_event_loop(stale: EmbeddedBed) -> None:
    """In the loop's own thread, as in a notebook; what it asks is answered by a thread, for this one is taken."""
    del stale
    calls: list[str] = []

    class Canned:
        async def send(self, request: asyncmigrate.Request, *, within: float | None) -> asyncmigrate.Response:
            del within
            calls.append(threading.current_thread().name)
            body = b'{"kind":"CustomResourceDefinitionList","apiVersion":"v1","metadata":{},"items":[]}'
            return asyncmigrate.Response(200, {}, body if "?" in request.target else b"{}")

        async def aclose(self) -> None: ...

    with sync.Cluster.from_transport(Canned(), server="https://a") as cluster:
        assert sync.plan(cluster).crds == ()
    assert calls
    assert threading.current_thread().name not in calls


async def test_several_threads_share_a_cluster(stale: EmbeddedBed) -> None:
    def script() -> None:
        with sync.Cluster.from_kubeconfig(stale.kubeconfig()) as cluster, ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: sync.plan(cluster), range(8)))
        assert {len(p.stale) for p in found} == {1}

    await in_thread(script)


async def test_errors_come_out_bare_and_the_cluster_can_be_opened_again(stale: EmbeddedBed) -> None:
    def script() -> None:
        cluster = sync.Cluster.from_kubeconfig(stale.kubeconfig())
        with pytest.raises(UsageError, match="not open"):
            sync.plan(cluster)
        with cluster:
            with pytest.raises(BlockedError) as blocked:
                sync.before_upgrade(cluster, crd("example.com", "v3", "v1", "v3"))
            with pytest.raises(UsageError, match="open already"):
                cluster.__enter__()
        assert blocked.value.plan is not None
        with cluster:
            assert sync.plan(cluster).stale

    await in_thread(script)


def test_a_kubeconfig_that_is_not_there_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(ConfigError, match="no kubeconfig"), sync.Cluster.from_kubeconfig(tmp_path / "none"):
        pytest.fail("it is not there")
    assert set(threading.enumerate()) <= before


async def test_an_observer_that_uses_the_cluster_is_told_so_at_once(stale: EmbeddedBed) -> None:
    def script() -> None:
        with sync.Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:

            def watch(event: Event) -> None:
                del event
                sync.plan(cluster)

            with pytest.raises(RuntimeError, match="cannot be used or closed in an observer"):
                sync.plan(cluster, observers=watch)

    await in_thread(script)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_what_stops_the_program_in_an_observer_comes_out_and_all_is_closed(
    stale: EmbeddedBed, kind: type[BaseException]
) -> None:
    stop = kind(3)
    told: list[str] = []

    def watch(event: Event) -> None:
        del event
        raise stop

    def script() -> None:
        before = set(threading.enumerate())
        cluster = sync.Cluster.from_kubeconfig(stale.kubeconfig())
        with pytest.raises(kind) as raised, cluster:
            sync.plan(cluster, observers=[watch, lambda event: told.append(type(event).__name__)])
        assert raised.value is stop
        with cluster:  # it was closed, or it could not be opened again
            assert sync.plan(cluster).stale
        assert set(threading.enumerate()) <= before

    await in_thread(script)


async def test_an_observer_that_closes_the_cluster_is_refused_and_leaves_no_thread(stale: EmbeddedBed) -> None:
    def script() -> None:
        before = set(threading.enumerate())
        with sync.Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
            with pytest.raises(RuntimeError, match="cannot be used or closed in an observer"):
                sync.plan(cluster, observers=lambda _: cluster.__exit__(None, None, None))
            assert sync.plan(cluster).stale
        assert set(threading.enumerate()) <= before

    await in_thread(script)


async def test_an_async_observer_is_refused_by_its_name(stale: EmbeddedBed) -> None:
    def script() -> None:
        with sync.Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
            with pytest.raises(UsageError, match="observer _async is async"):
                sync.plan(cluster, observers=_async)  # type: ignore[arg-type]
            with pytest.raises(UsageError, match="observers is 5"):
                sync.plan(cluster, observers=5)  # type: ignore[arg-type]

    await in_thread(script)


FORKS = """
import os, sys, signal
from asyncmigrate import sync
from asyncmigrate.errors import UsageError
signal.alarm(30)
cluster = sync.Cluster.from_kubeconfig(sys.argv[1])
with cluster:
    if child := not os.fork():
        signal.alarm(20)
        for use in (lambda: sync.plan(cluster), cluster.__enter__):
            try:
                use()
            except UsageError as error:
                print(error, flush=True)
    else:
        print("child ended", os.waitstatus_to_exitcode(os.wait()[1]), len(sync.plan(cluster).stale))
if child:
    with sync.Cluster.from_kubeconfig(sys.argv[1]) as cluster:
        print("opened anew", len(sync.plan(cluster).stale))
"""


async def test_a_child_is_told_to_open_a_cluster_of_its_own(stale: EmbeddedBed) -> None:
    """As in a worker of Celery or gunicorn, which are forked."""
    done = await anyio.run_process([sys.executable, "-c", FORKS, str(stale.kubeconfig())])
    refused = "the cluster was opened before this process was forked: open one in each process"
    assert done.stdout.decode().splitlines() == [refused, refused, "opened anew 1", "child ended 0 1"]


STOPS = """
from asyncmigrate import sync
class Stops:
    async def send(self, request, *, within):
        raise SystemExit(3)
    async def aclose(self): ...
with sync.Cluster.from_transport(Stops(), server="https://a") as cluster:
    sync.plan(cluster)
"""


async def test_what_stops_the_program_in_a_transport_stops_it() -> None:
    """It ends the event loop, for it comes out of a task of that."""
    with anyio.fail_after(20):
        done = await anyio.run_process([sys.executable, "-c", STOPS], check=False)
    assert done.returncode == 3
    assert b"UsageError" not in done.stderr


async def test_a_cluster_that_nobody_closes_keeps_no_process(stale: EmbeddedBed) -> None:
    script = "import sys; from asyncmigrate import sync; c = sync.Cluster.from_kubeconfig(sys.argv[1]).__enter__()"
    with anyio.fail_after(20):
        await anyio.run_process([sys.executable, "-c", f"{script}; sync.plan(c)", str(stale.kubeconfig())])


async def test_leaving_ends_what_another_thread_runs(stale: EmbeddedBed) -> None:
    stale.server.faults.hang(60, verb="patch")
    sent = threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, events.CRDStarted):
            sent.set()

    def script() -> None:
        with ThreadPoolExecutor(1) as threads:
            with sync.Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
                todo = sync.plan(cluster, counts_within=0)
                running = threads.submit(sync.run, cluster, todo, observers=watch)
                assert sent.wait(10)
            with pytest.raises(UsageError, match="closed while run was using it"):
                running.result(10)

    await in_thread(script)


async def test_ctrl_c_ends_a_run_in_good_order(stale: EmbeddedBed, tmp_path: Path) -> None:
    stale.server.faults.hang(60, verb="patch", name="w-1")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from asyncmigrate import events, sync\n"
        "def watch(event):\n"
        "    if isinstance(event, (events.ObjectSettled, events.RunFinished)):\n"
        "        print(type(event).__name__, flush=True)\n"
        "try:\n"
        "    with sync.Cluster.from_kubeconfig(sys.argv[1]) as cluster:\n"
        "        sync.run(cluster, sync.plan(cluster, counts_within=0), observers=[watch])\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    args = [sys.executable, str(script), str(stale.kubeconfig())]
    async with await anyio.open_process(args) as process:
        assert process.stdout
        said = ""
        with anyio.fail_after(60):
            while "ObjectSettled" not in said:
                said += (await process.stdout.receive()).decode()
        process.send_signal(signal.SIGINT)
        with anyio.fail_after(20):
            async for chunk in process.stdout:
                said += chunk.decode()
            assert await process.wait() == 0
    assert said.split() == ["ObjectSettled", "RunFinished", "interrupted"]


def test_clusters_are_told_apart() -> None:
    with pytest.raises(UsageError, match=r"none of asyncmigrate\.sync"):
        sync.plan(asyncmigrate.Cluster.from_kubeconfig())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"a cluster of asyncmigrate\.sync"):
        anyio.run(asyncmigrate.plan, sync.Cluster.from_kubeconfig())  # type: ignore[arg-type]


def test_the_names_are_those_of_the_async_ones_with_their_docstrings() -> None:
    for name in sync.__all__:
        ours, theirs = getattr(sync, name), getattr(asyncmigrate, name)
        assert ours.__doc__, name
        if name not in {"Cluster", "retry"}:
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
            assert not inspect.iscoroutinefunction(ours)
    made = {n for n, _ in inspect.getmembers(asyncmigrate.Cluster, inspect.ismethod)}
    assert {n for n in made if not hasattr(sync.Cluster, n)} == {"from_api_client"}


class Flaky:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> int:
        if self.errors:
            raise self.errors.pop(0)
        return 42


def test_retry_calls_in_this_thread_until_it_succeeds() -> None:
    seen: list[Attempt] = []
    request = httpx.Request("GET", "https://a")
    busy = httpx.HTTPStatusError("", request=request, response=httpx.Response(503, request=request))
    assert sync.retry(Flaky(busy, TimeoutError()), policy=QUICK, on_retry=seen.append) == 42
    assert [a.number for a in seen] == [1, 2]
    with pytest.raises(ValueError, match="final"):
        sync.retry(Flaky(ValueError("final")), policy=QUICK)


def test_retry_decorates_a_function_with_arguments() -> None:
    flaky = Flaky(ConnectionResetError())

    @sync.retry(policy=QUICK)
    def add(a: int, *, b: int) -> int:
        return flaky() + a + b

    assert add(1, b=2) == 45
    assert add.__name__ == "add"


async def _async(_: object = None) -> bool:
    return True


@pytest.mark.parametrize(
    "use",
    [
        lambda: sync.retry(_async),
        lambda: sync.retry()(_async),
        lambda: sync.retry(Flaky(), retry_on=_async),
        lambda: sync.retry(Flaky(), on_retry=_async),
    ],
    ids=["call", "decorated", "filter", "on_retry"],
)
def test_an_async_function_is_refused_at_once(use: Any) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match="is async"):
        use()


def test_trio_is_told_what_to_do_and_a_thread_of_it_works(tmp_path: Path) -> None:
    async def opens() -> None:
        async with asyncmigrate.Cluster.from_kubeconfig(tmp_path / "none"):
            pytest.fail("it is not there")

    with pytest.raises(UsageError, match=r"needs asyncio.*asyncmigrate\.sync in a thread"):
        trio.run(opens)

    def blocks() -> None:
        with sync.Cluster.from_kubeconfig(tmp_path / "none"):
            pytest.fail("it is not there")

    with pytest.raises(ConfigError, match="no kubeconfig"):
        trio.run(trio.to_thread.run_sync, blocks)
