"""Other libraries' errors, as these raise them: what of it can get better, and after how long."""

from __future__ import annotations

import errno
import io
import socket
import ssl
from email.message import Message
from typing import Any
from urllib.error import HTTPError

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
