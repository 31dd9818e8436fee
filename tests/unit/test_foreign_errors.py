"""Other libraries' errors, as these raise them: what of it can get better, and after how long."""

from __future__ import annotations

import errno
import http.client
import io
import socket
import ssl
from email.message import Message
from typing import Any
from urllib.error import ContentTooShortError, HTTPError, URLError

import aiohttp
import httpx
import httpx2
import kr8s
import kubernetes.client
import kubernetes_asyncio.client
import pytest
import urllib3.exceptions
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

import requests
from asyncmigrate import is_transient
from asyncmigrate._engine.retry import retry_after

AFTER = {"Retry-After": "7"}
DENIED = b'{"kind":"Status","code":500,"message":"admission webhook \\"a\\" denied the request: no"}'
BUSY = b'{"kind":"Status","code":429,"reason":"TooManyRequests","message":"later","details":{"retryAfterSeconds":3}}'
UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")


def kubernetes_error(code: int | None, body: bytes = b"", headers: dict[str, str] | None = None) -> Exception:
    error = kubernetes.client.ApiException(status=code, reason="")
    error.body, error.headers = body.decode(), headers
    return error


def kubernetes_asyncio_error(code: int, **headers: str) -> Exception:
    error: Any = kubernetes_asyncio.client.ApiException(status=code, reason="")
    error.headers = CIMultiDictProxy(CIMultiDict(headers))
    return error  # type: ignore[no-any-return]


def httpx_error(code: int, library: Any = httpx) -> Exception:  # noqa: ANN401 -- either module
    request = library.Request("GET", "https://a")
    response = library.Response(code, headers=AFTER, request=request)
    return library.HTTPStatusError("", request=request, response=response)  # type: ignore[no-any-return]


def aiohttp_error(code: int) -> Exception:
    info = aiohttp.RequestInfo(URL("https://a"), "GET", CIMultiDictProxy(CIMultiDict()), URL("https://a"))
    return aiohttp.ClientResponseError(info, (), status=code, headers=CIMultiDict(AFTER))


def requests_error(code: int) -> Exception:
    response = requests.Response()
    response.status_code, response.raw = code, io.BytesIO()
    response.headers.update(AFTER)
    return requests.HTTPError(response=response)


def urllib_error(code: int) -> Exception:
    headers = Message()
    headers["Retry-After"] = "7"
    return HTTPError("https://a", code, "", headers, io.BytesIO())


def kr8s_error(code: int) -> Exception:
    request = httpx.Request("GET", "https://a")
    return kr8s.ServerError("", response=httpx.Response(code, headers=AFTER, request=request))


WITH_CODE = [
    lambda code: kubernetes_error(code, headers=AFTER),
    lambda code: kubernetes_asyncio_error(code, **AFTER),
    httpx_error,
    lambda code: httpx_error(code, httpx2),
    aiohttp_error,
    requests_error,
    urllib_error,
    kr8s_error,
]
NAMES = ["kubernetes", "kubernetes_asyncio", "httpx", "httpx2", "aiohttp", "requests", "urllib", "kr8s"]
TRANSIENT = {408, 425, 429, 500, 502, 503, 504, *range(520, 530)}


@pytest.mark.parametrize("make", WITH_CODE, ids=NAMES)
def test_a_code_means_the_same_whoever_tells_it(make: Any) -> None:  # noqa: ANN401 -- one of the above
    for code in range(400, 600):
        error = make(code)
        assert is_transient(error) == (code in TRANSIENT), code
        assert retry_after(error) == 7


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def connector_error(cause: OSError) -> Exception:
    key = aiohttp.client_reqrep.ConnectionKey("a", 443, True, True, None, None, None)  # noqa: FBT003
    return aiohttp.ClientConnectorError(key, cause)


def gave_up(reason: Exception) -> Exception:
    return urllib3.exceptions.MaxRetryError(None, "/", reason)  # type: ignore[arg-type]


def proxy_error(code: int) -> Exception:
    return urllib3.exceptions.ProxyError("Unable to connect to proxy", OSError(f"Tunnel connection failed: {code} x"))


GET_BETTER = [
    TimeoutError(),
    ConnectionResetError(),
    ConnectionRefusedError(),
    BrokenPipeError(),
    OSError(errno.EHOSTUNREACH, "no route"),
    socket.gaierror(socket.EAI_AGAIN, "later"),
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.PoolTimeout("full"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("disconnected"),
    httpx.ProxyError("502"),
    httpx2.ConnectError("refused"),
    httpx2.ReadTimeout("slow"),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ServerTimeoutError(),
    aiohttp.ClientPayloadError(),
    connector_error(ConnectionRefusedError(111, "refused")),
    requests.ConnectionError(),
    requests.ReadTimeout(),
    requests.exceptions.ChunkedEncodingError(),
    urllib3.exceptions.ProtocolError(),
    urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.NewConnectionError(None, "refused")),  # type: ignore[arg-type]
    kr8s.APITimeoutError(),
    kr8s.ConnectionClosedError("closed"),
    URLError(ConnectionRefusedError()),
    URLError(TimeoutError()),
    URLError(OSError("Tunnel connection failed: 503 Service Unavailable")),
    ContentTooShortError("half", ("", Message())),
    http.client.IncompleteRead(b""),
    http.client.BadStatusLine("x"),
    gave_up(urllib3.exceptions.ResponseError("too many 503 error responses")),
    requests.exceptions.ProxyError(gave_up(proxy_error(502))),
    httpx.ProxyError("no route to it"),
    kubernetes_error(429, BUSY),
    ExceptionGroup("", [TimeoutError(), ConnectionResetError()]),
]
DO_NOT = [
    ValueError(),
    KeyError("status"),
    FileNotFoundError(2, "no such file"),
    PermissionError(),
    UNTRUSTED,
    ssl.SSLError(1, "bad"),
    caused(httpx.ConnectError("certificate"), UNTRUSTED),
    httpx.InvalidURL("bad"),
    httpx.UnsupportedProtocol("ftp"),
    httpx.DecodingError("bad gzip"),
    httpx.TooManyRedirects("again"),
    aiohttp.InvalidURL("bad"),
    aiohttp.TooManyRedirects(aiohttp_error(302).request_info, ()),  # type: ignore[attr-defined]
    requests.exceptions.SSLError(),
    requests.exceptions.InvalidURL(),
    requests.exceptions.JSONDecodeError("", "", 0),
    requests.HTTPError(),
    urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.SSLError()),  # type: ignore[arg-type]
    httpx.LocalProtocolError("Illegal header value"),
    httpx2.LocalProtocolError("Illegal header value"),
    aiohttp.ServerFingerprintMismatch(b"a", b"b", "h", 1),
    httpx.ProxyError("407 Proxy Authentication Required"),
    requests.exceptions.ProxyError(gave_up(proxy_error(407))),
    gave_up(proxy_error(407)),
    gave_up(urllib3.exceptions.ResponseError("too many redirects")),
    gave_up(urllib3.exceptions.ResponseError("too many 404 error responses")),
    URLError(UNTRUSTED),
    URLError("unknown url type: x"),
    URLError(OSError("Tunnel connection failed: 407 Proxy Authentication Required")),
    http.client.InvalidURL("bad"),
    kubernetes_error(0),
    kubernetes_error(None),
    kubernetes_error(500, DENIED),
    kr8s.NotFoundError(),
    ExceptionGroup("", [TimeoutError(), ValueError()]),
]


@pytest.mark.parametrize("error", GET_BETTER, ids=lambda e: type(e).__name__)
def test_what_can_get_better(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", DO_NOT, ids=lambda e: type(e).__name__)
def test_what_cannot(error: Exception) -> None:
    assert not is_transient(error)


def test_retry_after_in_a_status_counts_too_and_of_a_group_the_longest() -> None:
    assert retry_after(kubernetes_error(429, BUSY)) == 3
    assert retry_after(ExceptionGroup("", [kubernetes_error(429, BUSY), httpx_error(503), TimeoutError()])) == 7


class Strange(Exception):  # noqa: N818 -- it is strange
    """Attributes that look like an error's of HTTP, and are none."""

    status = "503"
    code = True
    headers = "Retry-After"
    response = None


def test_attributes_of_other_meaning_are_none() -> None:
    assert not is_transient(Strange())
    assert retry_after(Strange()) is None


class Domain(Exception):  # noqa: N818 -- it is one
    """Of a library that nobody knows: what its numbers mean is not known either."""

    def __init__(self, **told: object) -> None:
        vars(self).update(told)


@pytest.mark.parametrize("name", ["code", "status", "status_code"])
def test_a_code_of_no_known_library_means_nothing(name: str) -> None:
    assert not is_transient(Domain(**{name: 503}))


def test_a_known_librarys_response_tells_whoever_raises_it() -> None:
    assert is_transient(Domain(response=httpx.Response(503)))
    assert not is_transient(Domain(response=httpx.Response(404)))


def test_an_error_while_another_was_handled_is_not_that_one() -> None:
    error = httpx.ConnectError("refused")
    error.__context__ = httpx.ProxyError("407 Proxy Authentication Required")
    assert is_transient(error)
