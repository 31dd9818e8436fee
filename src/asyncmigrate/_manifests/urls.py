"""Fetches a manifest from an http or https URL, through proxies of the environment, bounded in bytes and seconds.

A server's error (5xx) is tried again twice, a second apart, as `kubectl apply -f URL` does.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead, InvalidURL
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import (
    BaseHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    UnknownHandler,
)

from asyncmigrate._manifests.limits import MOST_BYTES, too_large
from asyncmigrate._rules.decisions.proxies import environment_proxy
from asyncmigrate._rules.errors.secrets import on_one_line
from asyncmigrate.errors import ConfigError, ManifestError

_STEP_SECONDS = 30  # for each piece of it
_WHOLE_SECONDS = 300
_TRIES = 3
_PAUSE_SECONDS = 1.0
_CHUNK = 1 << 20
_NO_PORT = "its port is no number up to 65535; in a password, / ? and # are written %2F %3F and %23"
_KEPT = "%/:?#[]@!$&'()*+,;=~"  # of a path and query, where the rest may be written plainly


def fetch(url: str, shown: str, *, most: int = MOST_BYTES, within: float = _WHOLE_SECONDS) -> bytes:
    """The body of the answer, as it came; errors name the URL as `shown`.

    Raises:
        ManifestError: it cannot be had, or is larger than `most` bytes, or takes longer than `within` seconds.
    """
    got: list[bytes] = []
    failed: list[Exception] = []

    def attempt() -> None:
        try:
            got.append(_get_again(url, most, within))
        except Exception as error:  # noqa: BLE001 -- raised below, in the thread that asked
            failed.append(error)

    # Each read has a time limit of its own, which each byte starts anew, and headers are many reads: the whole is
    # waited for from outside.
    thread = threading.Thread(target=attempt, name="fetch a manifest", daemon=True)
    thread.start()
    thread.join(within)
    if got:
        return got[0]
    error = failed[0] if failed else TimeoutError(_too_slow(within))
    if isinstance(error, OverflowError):
        raise too_large(shown, most) from error
    if isinstance(error, ConfigError):
        raise ManifestError(f"cannot be fetched: {error}", source=shown) from error
    if isinstance(error, OSError | ValueError | HTTPException):
        raise ManifestError(f"cannot be fetched: {_reason(error)}", source=shown) from error
    raise error


def _get_again(url: str, most: int, within: float) -> bytes:
    until = time.monotonic() + within
    for _ in range(1, _TRIES):
        try:
            return _get(url, most, until, within)
        except HTTPError as error:
            if error.code < HTTPStatus.INTERNAL_SERVER_ERROR or time.monotonic() + _PAUSE_SECONDS > until:
                raise
        time.sleep(_PAUSE_SECONDS)
    return _get(url, most, until, within)


def _get(url: str, most: int, until: float, within: float) -> bytes:
    try:
        answer = _opener().open(_request(url), timeout=_STEP_SECONDS)
    except HTTPError as error:
        error.close()
        raise
    with answer:
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip", "x-gzip"}:  # gzip shows by its first bytes
            raise ValueError(f"it comes encoded as {encoding!a}, which is not read")
        return _body(answer, most, until, within)


class _Redirects(HTTPRedirectHandler):
    """Closes the answer also where it redirects to what is no URL, which urllib finds out before it would."""

    def http_error_302(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:  # noqa: ANN401 -- urllib's
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except BaseException:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class _Proxies(BaseHandler):
    """Goes through the proxy that Go, and so kubectl, would take; urllib's own rules know no CIDR and no `*.corp`."""

    handler_order = 100  # before those that open connections

    def http_open(self, request: Request) -> None:
        """Turn the request to its proxy, and let the next handler open it."""
        proxy = environment_proxy(f"{request.type}://{request.host}", os.environ)
        if proxy is None:
            return
        if proxy.scheme != "http":
            raise ConfigError(f"the proxy is of the kind {proxy.scheme}, which -f cannot use: download the file first")
        if proxy.username is not None:
            basic = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
            request.add_unredirected_header("Proxy-Authorization", f"Basic {basic}")
        request.set_proxy(proxy.url.removeprefix("http://"), proxy.scheme)

    https_open = http_open


def _opener() -> OpenerDirector:
    """No ftp: and file: URLs: a redirect could lead there."""
    opener = OpenerDirector()
    for handler in (
        _Proxies,
        UnknownHandler,
        HTTPHandler,
        HTTPSHandler,
        HTTPDefaultErrorHandler,
        _Redirects,
        HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _request(url: str) -> Request:
    try:
        parts, credentials = _split(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(_no_url(error)) from None
    parts = parts._replace(path=quote(parts.path, safe=_KEPT), query=quote(parts.query, safe=_KEPT), fragment="")
    request = Request(urlunsplit(parts), headers={"User-Agent": "asyncmigrate"})  # noqa: S310 -- http or https
    if credentials:
        basic = base64.b64encode(unquote(credentials).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {basic}")  # not for another host to see
    return request


def _split(url: str) -> tuple[Any, str]:
    """The parts of a URL without `user:password@`, and that."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=host), credentials if at else ""


def _body(answer: HTTPResponse, most: int, until: float, within: float) -> bytes:
    body = bytearray()
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > most:
            raise OverflowError
        if time.monotonic() > until:
            raise TimeoutError(_too_slow(within))
    if answer.length:  # read1 does not mind
        raise ConnectionError(f"the connection was lost {answer.length:,} bytes before the end")
    return bytes(body)


def _too_slow(within: float) -> str:
    return f"no end within {within:g} s"


def _no_url(error: Exception) -> str:
    """Not in Python's words, which quote what it takes for the port or the host: it may be a piece of a password."""
    return _NO_PORT if "port" in str(error).lower() else "its host name is malformed"


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        # Those of redirects have several lines.
        return f"HTTP {error.code} {on_one_line(error.reason)}"
    if isinstance(error, InvalidURL):
        return _no_url(error)  # a redirect may lead to one
    if isinstance(error, IncompleteRead):
        return "the connection was lost before the end"
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, OSError) and reason.strerror:
        reason = reason.strerror
    return on_one_line(str(reason)) or type(error).__name__
