"""Whatever hangs outside, SIGINT and SIGTERM end the command in good order, and within a second."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from tests.bed.bed import EmbeddedBed
from tests.command.runner import asyncmigrate, command, environment

INT, TERM = signal.SIGINT, signal.SIGTERM  # both go the same way, so that each scene has one of them
# A second, and what a busy machine needs to stop a process; what hangs here does so for a minute and more.
SOON = 5.0
# Python runs this at its start: a name server that does not answer, as getaddrinfo meets it.
SLOW_NAMES = """
import os, pathlib, socket, time
real = socket.getaddrinfo
def slow(host, *args, **kwargs):
    if host == "slow.example.test":
        pathlib.Path(os.environ["ASKED"]).touch()
        time.sleep(60)
    return real(host, *args, **kwargs)
socket.getaddrinfo = slow
"""


class SilentServer:
    """Takes connections and says what it is told to, again and again, or nothing."""

    def __init__(self, begin: bytes, again: bytes) -> None:
        self.begin, self.again = begin, again
        self.asked = anyio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        with suppress(ConnectionError):
            writer.write(self.begin)
            while not reader.at_eof():
                writer.write(self.again)
                with anyio.move_on_after(0.05):
                    await reader.read(1)
        writer.close()


@asynccontextmanager
async def silent_server(begin: bytes = b"", again: bytes = b"") -> AsyncIterator[SilentServer]:
    silent = SilentServer(begin, again)
    server = await asyncio.start_server(silent.serve, "127.0.0.1", 0)
    silent.port = server.sockets[0].getsockname()[1]
    async with server:
        yield silent


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.01)


async def assert_ends(process: anyio.abc.Process, number: signal.Signals) -> None:
    began = anyio.current_time()
    process.send_signal(number)
    try:
        with anyio.fail_after(30):
            assert await process.wait() == 130
        assert anyio.current_time() - began < SOON
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def start(*args: str | Path, home: Path, stdin: int = subprocess.DEVNULL, **env: str) -> anyio.abc.Process:
    return await anyio.open_process(
        command(*args), env=environment(home, **env), stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def kubeconfig(bed: EmbeddedBed, **cluster: str) -> Path:
    config = bed.server.kubeconfig()
    config["clusters"][0]["cluster"] |= cluster
    path = bed.folder / "elsewhere"
    path.write_text(json.dumps(config))
    return path


TRICKLE = (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"#")


@pytest.mark.parametrize(("number", "begin", "again"), [(INT, b"", b""), (TERM, *TRICKLE)], ids=["silent", "trickles"])
async def test_a_url_that_hangs(embedded: EmbeddedBed, number: signal.Signals, begin: bytes, again: bytes) -> None:
    async with silent_server(begin, again) as server:
        url = f"http://127.0.0.1:{server.port}/crds.yaml"
        process = await start("plan", "-f", url, "--kubeconfig", embedded.kubeconfig(), home=embedded.folder)
        with anyio.fail_after(30):
            await server.asked.wait()
        await assert_ends(process, number)


async def test_a_url_whose_connection_is_lost_is_exit_2(embedded: EmbeddedBed) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\napiVersion: v1\n")
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/crds.yaml"
        ended = await asyncmigrate("plan", "-f", url, "--kubeconfig", embedded.kubeconfig(), home=embedded.folder)
    assert ended.code == 2
    assert f"{url}: cannot be fetched: the connection was lost 15 bytes before the end" in ended.error


async def test_an_api_server_that_hangs(embedded: EmbeddedBed) -> None:
    async with silent_server() as server:
        path = kubeconfig(embedded, server=f"http://127.0.0.1:{server.port}")
        process = await start("plan", "--kubeconfig", path, home=embedded.folder)
        with anyio.fail_after(30):
            await server.asked.wait()
        await assert_ends(process, TERM)


async def test_a_proxy_that_hangs(embedded: EmbeddedBed) -> None:
    async with silent_server() as proxy:
        proxy_url = f"http://127.0.0.1:{proxy.port}"
        path = kubeconfig(embedded, server="https://api.example.test", **{"proxy-url": proxy_url})
        process = await start("plan", "--kubeconfig", path, home=embedded.folder)
        with anyio.fail_after(30):
            await proxy.asked.wait()
        await assert_ends(process, TERM)


async def test_a_proxy_that_hangs_is_given_up(embedded: EmbeddedBed) -> None:
    async with silent_server() as proxy:
        proxy_url = f"http://127.0.0.1:{proxy.port}"
        path = kubeconfig(embedded, server="https://api.example.test", **{"proxy-url": proxy_url})
        ended = await asyncmigrate("plan", "--request-timeout", "100ms", "--kubeconfig", path, home=embedded.folder)
    assert ended.code == 4
    assert "https://api.example.test" in ended.error


@pytest.mark.parametrize(("number", "where"), [(INT, "server"), (TERM, "proxy"), (INT, "manifest")])
async def test_a_name_server_that_does_not_answer(
    embedded: EmbeddedBed, tmp_path: Path, number: signal.Signals, where: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_NAMES)
    asked = tmp_path / "asked"
    slow = "http://slow.example.test:3128"
    cluster = {"server": {"server": slow}, "proxy": {"server": "https://api.example.test", "proxy-url": slow}}
    path = kubeconfig(embedded, **cluster.get(where, {}))
    args = ("-f", f"{slow}/crds.yaml") if where == "manifest" else ()
    python_path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    process = await start("plan", *args, "--kubeconfig", path, home=tmp_path, PYTHONPATH=python_path, ASKED=str(asked))
    await until(asked.exists)
    await assert_ends(process, number)


@pytest.mark.parametrize(("number", "terminal"), [(TERM, False), (INT, True)])
async def test_standard_input_that_never_ends(
    embedded: EmbeddedBed,
    number: signal.Signals,
    terminal: bool,  # noqa: FBT001
) -> None:
    reading, writing = pty.openpty()[::-1] if terminal else os.pipe()
    path = embedded.kubeconfig()
    process = await start("plan", "-f", "-", "--kubeconfig", path, home=embedded.folder, stdin=reading)
    os.close(reading)
    os.write(writing, b"# a comment\n")
    threads = Path(f"/proc/{process.pid}/task")
    await until(lambda: len(list(threads.iterdir())) > 1)  # the second one reads
    await assert_ends(process, number)
    os.close(writing)


@pytest.mark.parametrize(
    ("number", "args"), [(INT, ("plan", "-f")), (TERM, ("run", "-y", "--retry-failed"))], ids=["manifest", "report"]
)
async def test_a_pipe_that_never_ends(embedded: EmbeddedBed, number: signal.Signals, args: tuple[str, ...]) -> None:
    pipe = embedded.folder / "pipe"
    os.mkfifo(pipe)
    process = await start(*args, pipe, "--kubeconfig", embedded.kubeconfig(), home=embedded.folder)
    writing = await anyio.to_thread.run_sync(os.open, pipe, os.O_WRONLY)  # returns once it is opened to be read
    await assert_ends(process, number)
    os.close(writing)


@pytest.mark.parametrize("number", [INT, TERM])
async def test_what_is_printed_and_nobody_reads(embedded: EmbeddedBed, number: signal.Signals) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"#" * 65536)
    os.set_blocking(writing, True)
    process = await anyio.open_process(
        command("plan", "-vv", "--kubeconfig", embedded.kubeconfig()),
        env=environment(embedded.folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
    )
    waits = Path(f"/proc/{process.pid}/wchan")
    # Where the kernel does not tell what a process waits for, it does once it logs its first request.
    await until(lambda: "pipe_write" in waits.read_text() or bool(embedded.server.requests))
    await assert_ends(process, number)
    os.close(writing)
    os.close(reading)


async def test_a_token_file_on_a_disk_that_hangs(embedded: EmbeddedBed) -> None:
    pipe = embedded.folder / "token"
    os.mkfifo(pipe)
    config = embedded.server.kubeconfig()
    config["users"][0]["user"] = {"tokenFile": str(pipe)}
    path = embedded.folder / "elsewhere"
    path.write_text(json.dumps(config))
    process = await start("plan", "--kubeconfig", path, home=embedded.folder)
    writing = await anyio.to_thread.run_sync(os.open, pipe, os.O_WRONLY)  # returns once it is opened to be read
    await assert_ends(process, INT)
    os.close(writing)
