"""Which proxy leads to a server, as Go says it; and that nobody ever sees a proxy's password."""

from __future__ import annotations

import base64
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.abc
import pytest

from asyncmigrate import Cluster, RetryPolicy, plan
from asyncmigrate._cluster.translate import one_line
from asyncmigrate._rules.decisions.proxies import environment_proxy, read_proxy, uses_proxy
from asyncmigrate.errors import ConfigError, MigrateError, UnreachableError
from tests.bed.bed import EmbeddedBed
from tests.bed.processes import free_port

ONCE = RetryPolicy(max_tries=1)
PASSWORD = "p%40ss%2Fw0rd"  # noqa: S105 -- to be looked for where it must not be
SHOWN = ("p%40ss", "p@ss", "w0rd")
API = "https://api.example.com:6443"


@pytest.mark.parametrize(
    ("server", "environment", "expected"),
    [
        (API, {"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        (API, {"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower"}, "http://upper:80"),
        (API, {"HTTPS_PROXY": "", "https_proxy": "http://lower"}, "http://lower:80"),
        (API, {"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        (API, {"HTTPS_PROXY": "proxy"}, "http://proxy:80"),
        (API, {"HTTPS_PROXY": "10.0.0.1:3128"}, "http://10.0.0.1:3128"),
        (API, {"HTTPS_PROXY": f"user:{PASSWORD}@proxy:3128"}, "http://proxy:3128"),
        (API, {"HTTPS_PROXY": "https://proxy"}, "https://proxy:443"),
        (API, {"HTTPS_PROXY": "socks5://[::1]"}, "socks5://[::1]:1080"),
        (API, {"HTTP_PROXY": "http://proxy"}, None),
        (API, {"ALL_PROXY": "http://proxy"}, None),
        ("http://api.example.com", {"HTTPS_PROXY": "http://proxy"}, None),
        ("http://api.example.com", {"HTTP_PROXY": "http://proxy"}, "http://proxy:80"),
        (API, {"HTTPS_PROXY": "http://proxy", "NO_PROXY": ".example.com"}, None),
        (API, {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "other", "no_proxy": ".example.com"}, "http://proxy:80"),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://proxy"}, None),
        (API, {}, None),
    ],
)
def test_the_environment_names_the_proxy(server: str, environment: dict[str, str], expected: str | None) -> None:
    found = environment_proxy(server, environment)
    assert (found.url if found else None) == expected


@pytest.mark.parametrize(
    ("server", "no_proxy", "used"),
    [
        ("https://example.com", "example.com", False),
        ("https://api.example.com", "example.com", False),
        ("https://notexample.com", "example.com", True),
        ("https://example.com", ".example.com", True),
        ("https://api.example.com", ".example.com", False),
        ("https://api.corp", "*.corp", False),
        ("https://corp", "*.corp", True),
        ("https://a.b.corp", "*.corp", False),
        ("https://API.Corp", "api.CORP", False),
        ("https://api.corp:6443", "api.corp:6443", False),
        ("https://api.corp:6443", "api.corp:443", True),
        ("https://api.corp", "api.corp:443", False),
        ("http://api.corp", "api.corp:80", False),
        ("https://api.corp:6443", "*.corp:6443", False),
        ("https://10.1.2.3:6443", "10.0.0.0/8", False),
        ("https://11.1.2.3:6443", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.99/24", False),
        ("https://10.1.2.3", "10.0.0.0/255.0.0.0", True),
        ("https://10.1.2.3:6443", "10.1.2.3", False),
        ("https://10.1.2.3:6443", "10.1.2.3:6443", False),
        ("https://10.1.2.3:6443", "10.1.2.3:80", True),
        ("https://10.1.2.3", "10.1.2", True),
        ("https://[fd00::5]:6443", "fd00::/8", False),
        ("https://[fd00::5]:6443", "fd00::5", False),
        ("https://[fd00::5]:6443", "[fd00::5]:6443", False),
        ("https://[fd00::5]:6443", "[fd00::5]:1", True),
        ("https://[::ffff:10.1.2.3]", "10.0.0.0/8", False),
        ("https://api.corp", "*", False),
        ("https://api.corp", " , ,x , *", False),
        ("https://api.corp", "corp,", False),
        ("https://api.corp", ":443, /8, *., [", True),
        ("https://localhost:6443", "", False),
        ("https://127.1.2.3:6443", "", False),
        ("https://[::1]:6443", "", False),
        ("https://localhost.example.com", "", True),
        ("https://bücher.example", "xn--bcher-kva.example", False),
        ("https://www.bücher.example", "*.bücher.example", False),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(server: str, no_proxy: str, used: bool) -> None:  # noqa: FBT001
    assert uses_proxy(urlsplit(server), no_proxy) is used


@pytest.mark.parametrize(
    "address",
    [
        f"http://user:{PASSWORD}@proxy:port",
        "http://user:p@ss/w0rd@proxy:3128",
        "http://user:80/w0rd@proxy:3128",
        "http://user:80#w0rd@proxy:3128",
        "http://user:80?w0rd@proxy:3128",
        "http://user:w0rd@[::1",
        "http://user:w0rd@",
        "http://",
        "http://a b:w0rd@proxy",
        "http://user:w0rd@pro xy",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY is not the address of a proxy") as caught:
        environment_proxy(API, {"HTTPS_PROXY": address})
    assert not any(word in "".join(traceback.format_exception(caught.value)) for word in SHOWN)


@pytest.mark.parametrize("scheme", ["socks4", "ftp", "socks4a"])
def test_another_kind_of_proxy_is_refused_by_name(scheme: str) -> None:
    with pytest.raises(ConfigError, match=f"of the kind {scheme}: use http, https or socks5"):
        read_proxy(f"{scheme}://proxy", "proxy-url")


def test_credentials_are_kept_apart_and_decoded() -> None:
    found = read_proxy(f"http://us%3Aer:{PASSWORD}@proxy", "proxy-url")
    assert (found.url, found.username, found.password) == ("http://proxy:80", "us:er", "p@ss/w0rd")
    assert not any(word in repr(found) for word in SHOWN)


def test_a_cgi_program_does_not_use_what_its_client_may_have_set() -> None:
    with pytest.raises(ConfigError, match="CGI"):
        environment_proxy("http://api.example.com", {"HTTP_PROXY": "http://proxy", "REQUEST_METHOD": "GET"})


def test_no_credentials_of_a_url_get_into_a_message() -> None:
    error = ValueError("407, url='http://user:p@ss/w0rd@proxy:3128' and http://plain/")
    assert one_line(error) == "407, url='http://proxy:3128' and http://plain/"


class Stranger:
    """A proxy or server that reads what comes first, and answers each of some questions."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.heard = b""
        self.port = free_port()

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            for answer in self.answers:
                self.heard += await stream.receive()
                await stream.send(answer)


@asynccontextmanager
async def listening(stranger: Stranger) -> AsyncIterator[Stranger]:
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=stranger.port) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, stranger.serve)
        yield stranger
        tasks.cancel_scope.cancel()


def through(proxy: str, server: str = API) -> dict[str, Any]:
    return {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, "proxy-url": proxy}}],
    }


@pytest.mark.parametrize("server", [API, API.replace("https", "http")])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_says_no_is_named_without_its_password(scheme: str, server: str) -> None:
    answers = [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"] if scheme == "http" else [b"\x05\x02", b"\x01\x01"]
    async with listening(Stranger(*answers)) as stranger:
        address = f"{scheme}://user:{PASSWORD}@127.0.0.1:{stranger.port}"
        seen: list[object] = []
        async with Cluster.from_kubeconfig(through(address, server)) as cluster:
            with pytest.raises(MigrateError) as caught:
                await plan(cluster, retry_policy=ONCE, observers=[seen.append])
        said = "".join(traceback.format_exception(caught.value)) + repr(seen) + cluster_words(caught.value)
        assert not any(word in said for word in SHOWN)
    if scheme == "http":
        assert base64.b64encode(b"user:p@ss/w0rd") in stranger.heard
    else:
        assert b"p@ss/w0rd" in stranger.heard


def cluster_words(error: BaseException) -> str:
    return repr(error) + str(error) + repr(error.__cause__) + repr(vars(error))


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_a_proxy_that_is_not_there_is_one_line(scheme: str) -> None:
    address = f"{scheme}://user:{PASSWORD}@127.0.0.1:{free_port()}"
    async with Cluster.from_kubeconfig(through(address)) as cluster:
        with pytest.raises(UnreachableError) as caught:
            await plan(cluster)
    assert not any(word in "".join(traceback.format_exception(caught.value)) for word in SHOWN)


async def test_a_socks5_proxy_leads_to_the_server_and_looks_its_name_up(embedded: EmbeddedBed) -> None:
    asked: list[bytes] = []

    async def serve(client: anyio.abc.SocketStream) -> None:
        async with client:
            await client.receive()
            await client.send(b"\x05\x00")
            asked.append(await client.receive())
            async with await anyio.connect_tcp("127.0.0.1", urlsplit(embedded.url).port or 0) as server:
                await client.send(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(pump, client, server)
                    await pump(server, client)
                    tasks.cancel_scope.cancel()

    given = embedded.server.kubeconfig()
    given["clusters"][0]["cluster"]["server"] = "http://api.inside.example:8080"
    port = free_port()
    given["clusters"][0]["cluster"]["proxy-url"] = f"socks5h://127.0.0.1:{port}"
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        async with Cluster.from_kubeconfig(given) as cluster:
            await plan(cluster)
        tasks.cancel_scope.cancel()
    assert b"api.inside.example" in asked[0]


async def pump(source: anyio.abc.SocketStream, sink: anyio.abc.SocketStream) -> None:
    try:
        async for chunk in source:
            await sink.send(chunk)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return
