"""Manifests from URLs: what is fetched, and one line for each way in which that fails, in time and within bounds."""

from __future__ import annotations

import gc
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from asyncmigrate._manifests.reader import Reader
from asyncmigrate._manifests.sources import texts
from asyncmigrate._manifests.urls import fetch
from asyncmigrate.errors import ManifestError
from tests.unit.manifest_texts import WIDGETS

BODY = WIDGETS.encode()


class Site:
    """A server that answers every request with the same bytes, whatever they are."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answer: Iterator[bytes] | Callable[[bytes], bytes] = iter(())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def url(self, path: str = "/crds.yaml") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    asked = connection.recv(65_536)
                    self.requests.append(asked)
                    if callable(self.answer):
                        connection.sendall(self.answer(asked))
                    else:
                        for piece in self.answer:
                            connection.sendall(piece)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


def ok(body: bytes, *headers: str) -> bytes:
    head = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 200 OK\r\n{head}Connection: close\r\n\r\n".encode() + body


def names(url: str) -> list[str]:
    return [found.crd.name for found in Reader([url]).next_batch()]


def told(url: str, **bounds: float) -> str:
    with pytest.raises(ManifestError) as caught:
        fetch(url, url, **bounds)  # type: ignore[arg-type]  # most and within
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{url}: ")


@pytest.mark.parametrize(
    "answer",
    [
        ok(BODY),
        ok(gzip.compress(BODY)),
        ok(gzip.compress(BODY), "Content-Encoding: gzip"),
        b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    ],
    ids=["as it is", "a file with gzip", "sent with gzip", "without a length"],
)
def test_what_a_url_answers_is_read(site: Site, answer: bytes) -> None:
    site.answer = lambda _: answer
    assert names(site.url("/crds.yaml.gz")) == ["widgets.example.com"]


def test_a_path_may_have_spaces_and_any_letters(site: Site) -> None:
    site.answer = lambda _: ok(BODY)
    assert names(site.url("/a b/ä%20.yaml?ref=c d&x=%2F#end")) == ["widgets.example.com"]
    assert site.requests[0].startswith(b"GET /a%20b/%C3%A4%20.yaml?ref=c%20d&x=%2F HTTP/1.1\r\n")


def test_the_password_of_a_url_is_sent_to_its_host_and_never_shown(site: Site) -> None:
    elsewhere = Site()
    elsewhere.answer = lambda _: ok(BODY)
    site.answer = lambda _: f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url()}\r\n\r\n".encode()
    try:
        [found] = Reader([f"http://user:s%40cret@127.0.0.1:{site.port}/a"]).next_batch()
    finally:
        elsewhere.close()
    assert found.source == f"http://127.0.0.1:{site.port}/a"
    assert b"Authorization: Basic dXNlcjpzQGNyZXQ=" in site.requests[0]
    assert b"Authorization" not in elsewhere.requests[0]
    for wrong in (
        f"http://user:s3cret@127.0.0.1:{site.port}x/",
        "http://user:s3cret@127.0.0.1:abc/",
        "http://u:s3cret@[::/",
    ):
        with pytest.raises(ManifestError) as caught:
            list(texts(wrong, recursive=False))
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "cannot be fetched: Remote end closed connection without response"),
        (b"HTTP/1.1 404 Not\x1b[31m Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404 Not\x1b[31m Found"),
        (b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", "HTTP 302 The HTTP server returned"),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "Redirection to url 'file:///etc/passwd' is"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/a\r\n\r\n", "cannot be fetched: unknown url type: ftp"),
        (ok(BODY).replace(b"h: ", b"h: 9"), "the connection was lost 9,000 bytes before"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc",
            "cannot be fetched: the connection was lost",
        ),
        (ok(BODY, *(f"X-{n}: y" for n in range(101))), "cannot be fetched: got more than 100 headers"),
        (ok(BODY, f"X: {'y' * 70_000}"), "cannot be fetched: got more than 65536 bytes when reading header line"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot be fetched: "),
        (ok(BODY, "Content-Encoding: br"), "cannot be fetched: it comes encoded as 'br', which is not read"),
    ],
)  # fmt: skip
def test_what_a_server_does_wrong_is_told_in_a_line(site: Site, answer: bytes, words: str) -> None:
    site.answer = lambda _: answer
    said = told(site.url())
    assert said.startswith("cannot be fetched: ")
    assert words in said


@pytest.mark.parametrize(
    "target",
    [
        "http://user:hunter2@127.0.0.1:1/",
        "http://user:hunter2/@127.0.0.1:1/",
        "ftp://user:hunter2@127.0.0.1/",
        "http://user:hunter2@[::/",
    ],
)
def test_a_redirect_s_password_is_in_no_error(site: Site, target: str) -> None:
    site.answer = lambda _: f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
    assert "hunter2" not in told(site.url())
    gc.collect()  # what is left open warns now, and in this test


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:abc/", "its port is no number up to 65535"),
        ("http://127.0.0.1:99999/", "its port is no number up to 65535"),
        ("http://[::1/", "its host name is malformed"),
        ("http:///x", "no host given"),
        ("http://a\x1b[0m\nb/", ""),
        ("http://a" + "b" * 300 + ".example/", ""),
        ("http://..../", ""),
    ],
)
def test_a_url_that_is_none_is_told_in_a_line(url: str, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        fetch(url, "it")
    assert str(caught.value).startswith("it: cannot be fetched: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_answer_without_end_ends_at_the_bound(site: Site) -> None:
    site.answer = iter([b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 100_000] * 1_000])
    assert told(site.url(), most=1 << 20) == "larger than 1 MiB: is that the right file? If it is, split it"


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_trickles_ends_in_time(site: Site, begin: bytes) -> None:
    ended = threading.Event()

    def trickle() -> Iterator[bytes]:
        yield begin
        while not ended.wait(0.05):
            yield b"x"

    site.answer = trickle()
    began = time.monotonic()
    try:
        assert told(site.url(), within=0.5) == "cannot be fetched: no end within 0.5 s"
    finally:
        ended.set()
    assert time.monotonic() - began < 5


@pytest.fixture
def proxied(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site is the proxy that the environment names; nothing else of the environment counts."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://me:hunter2@127.0.0.1:{site.port}")
    site.answer = lambda _: ok(BODY)
    return site


def test_a_url_is_fetched_through_the_environment_s_proxy(proxied: Site) -> None:
    assert names("http://manifests.invalid/crds.yaml") == ["widgets.example.com"]
    [asked] = proxied.requests
    assert asked.startswith(b"GET http://manifests.invalid/crds.yaml HTTP/1.1\r\n")
    assert b"basic bwu6ahvudgvymg==" in asked.lower()


def test_a_url_that_no_proxy_excepts_is_fetched_directly(proxied: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*.invalid,10.0.0.0/8")  # which urllib's own rules do not know
    assert "cannot be fetched" in told("http://manifests.invalid/crds.yaml")
    assert not proxied.requests


def test_a_proxy_s_password_stays_with_the_proxy(proxied: Site) -> None:
    proxied.answer = lambda asked: (
        ok(BODY)
        if asked.startswith(b"GET /")
        else f"HTTP/1.1 302 Found\r\nLocation: {proxied.url()}\r\nConnection: close\r\n\r\n".encode()
    )
    assert names("http://manifests.invalid/crds.yaml") == ["widgets.example.com"]
    through, direct = proxied.requests
    assert b"authorization" in through.lower()
    assert b"authorization" not in direct.lower()


@pytest.mark.parametrize("scheme", ["https", "socks5"])
def test_a_proxy_that_is_not_spoken_here_is_named(proxied: Site, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"{scheme}://me:hunter2@127.0.0.1:{proxied.port}")
    message = told("http://manifests.invalid/crds.yaml")
    assert (
        message == f"cannot be fetched: the proxy is of the kind {scheme}, which -f cannot use: download the file first"
    )


def test_a_proxy_that_is_none_is_named_without_its_password(proxied: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:hunter2@127.0.0.1:abc")
    message = told("http://manifests.invalid/crds.yaml")
    assert "HTTP_PROXY is not the address of a proxy" in message
    assert "hunter2" not in message
    assert not proxied.requests


def test_a_server_s_error_is_tried_again_as_kubectl_does(site: Site) -> None:
    answers = iter([b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n", ok(BODY)])
    site.answer = lambda _: next(answers)
    assert names(site.url()) == ["widgets.example.com"]
    assert len(site.requests) == 2


def test_a_server_s_error_that_stays_is_told_after_three_tries(site: Site) -> None:
    site.answer = lambda _: b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n"
    assert told(site.url()) == "cannot be fetched: HTTP 502 Bad Gateway"
    assert len(site.requests) == 3


def test_what_the_client_did_wrong_is_not_tried_again(site: Site) -> None:
    site.answer = lambda _: b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
    assert told(site.url()) == "cannot be fetched: HTTP 404 Not Found"
    assert len(site.requests) == 1
