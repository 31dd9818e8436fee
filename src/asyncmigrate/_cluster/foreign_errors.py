"""Other libraries' errors in our words, told by their shape: none of these libraries is imported here.

What has a status code and is from one of these libraries stands for an HTTP response: the ApiException of the
kubernetes clients, httpx, aiohttp, requests, urllib, kr8s, kopf. What has none is told by the names of its classes.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from asyncmigrate._cluster.error_status import read_status
from asyncmigrate.errors import (
    APIError,
    ConnectionLostError,
    MigrateError,
    NotFoundError,
    RequestTimeoutError,
    TLSError,
    TransportError,
    UnreachableError,
)

_LIBRARIES = frozenset(
    {
        *("aiohttp", "http", "httpcore", "httpcore2", "httpx", "httpx2", "kopf", "kr8s", "kubernetes"),
        *("kubernetes_asyncio", "requests", "urllib", "urllib3"),
    }
)
# Names of classes that cannot get better, though their bases can: what we send is wrong, or we are not to trust them.
_FOR_GOOD = frozenset({"LocalProtocolError", "ResponseError", "ServerFingerprintMismatch"})
_WRAPPERS = frozenset({"MaxRetryError", "URLError"})  # what they are for is in `reason`
# Status codes that stand in words only: what a proxy answers to CONNECT in http.client's words and in httpcore's, and
# what urllib3 gave up on, for its `Retry(status_forcelist=...)`.
_TOLD_CODES = (
    (frozenset({"OSError"}), re.compile(r"Tunnel connection failed: (\d{3})\b")),
    (frozenset({"ProxyError"}), re.compile(r"(\d{3})\b")),
    (frozenset({"ResponseError"}), re.compile(r"too many (\d{3}) error responses")),
)
_TLS = frozenset({"SSLError", "ClientSSLError", "ClientConnectorCertificateError"})
_MOST_LINKS = 10  # of a chain of causes, which may lead round in a circle
# Names of classes, the first that an error has among its own and its bases. What comes first is the more special.
_KINDS: tuple[tuple[frozenset[str], type[TransportError]], ...] = (
    (_TLS, TLSError),
    (
        frozenset({"Timeout", "TimeoutException", "TimeoutError", "ServerTimeoutError", "APITimeoutError"}),
        RequestTimeoutError,
    ),
    (
        frozenset({"ConnectError", "ProxyError", "ClientConnectorError", "NewConnectionError", "MaxRetryError"}),
        UnreachableError,
    ),
    (
        frozenset(
            {
                "BadStatusLine",
                "ChunkedEncodingError",
                "ClientConnectionError",
                "ClientPayloadError",
                "ConnectionClosedError",
                "ConnectionError",
                "ContentTooShortError",
                "IncompleteRead",
                "NetworkError",
                "ProtocolError",
                "RemoteProtocolError",
            }
        ),
        ConnectionLostError,
    ),
)
_UNREACHABLE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH})
_ERROR_CODES = range(400, 600)


def in_our_words(error: BaseException) -> MigrateError | None:
    """The error as one of ours; None where nothing is known of it. One of ours stays what it is."""
    if isinstance(error, MigrateError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return _worst(in_our_words(e) for e in error.exceptions)
    code = _code(error) or _told_code(error)
    if code in _ERROR_CODES:
        status = read_status(code, _headers(error), _body(error), now=time.time())
        return (NotFoundError if code == HTTPStatus.NOT_FOUND else APIError)(status, doing="call")
    kind = None if code else _kind(error)
    return None if kind is None else kind(str(error) or type(error).__name__)


def _worst(errors: Iterable[MigrateError | None]) -> MigrateError | None:
    """Of several errors that came together the one to go by: an unknown one, else one with the longest Retry-After."""
    known: list[MigrateError] = []
    for error in errors:
        if error is None:
            return None
        known.append(error)
    return max(known, key=lambda e: (e.status.retry_after or 0.0) if isinstance(e, APIError) else 0.0)


def _code(error: BaseException) -> int:
    """The HTTP status that it tells of; 0 where there is none. Who knows what another library's `code` means."""
    response = _of(error, "response")
    for holder in (response, error):
        if not _names(holder):
            continue
        for name in ("status_code", "status", "code"):
            found = _of(holder, name)
            if type(found) is int or isinstance(found, HTTPStatus):
                return int(found)
    return 0


def _told_code(error: BaseException) -> int:
    """The HTTP status that is in its words, or in those of an error that it is about."""
    for link in _about(error):
        names = {c.__name__ for c in type(link).__mro__}
        for kinds, words in _TOLD_CODES:
            if names & kinds and (told := words.match(str(link))):
                return int(told[1])
    return 0


def _about(error: BaseException) -> Iterator[BaseException]:
    """An error of one of the libraries, or of the system's, and those that it was made of."""
    link: object = error if _names(error) or isinstance(error, OSError) else None
    for _ in range(_MOST_LINKS):
        if not isinstance(link, BaseException):
            return
        yield link
        inner = (_of(link, "reason"), _of(link, "original_error"), *link.args)
        link = next((e for e in inner if isinstance(e, BaseException)), link.__cause__)


def _headers(error: BaseException) -> Mapping[str, str]:
    """Its headers, with names in lower case."""
    for holder in (_of(error, "response"), error):
        items = _of(_of(holder, "headers"), "items")
        if callable(items):
            return {str(name).lower(): str(value) for name, value in items()}
    return {}


def _body(error: BaseException) -> bytes:
    for body in (_of(error, "body"), _of(_of(error, "response"), "content")):
        if isinstance(body, str):
            return body.encode("utf-8", "replace")
        if isinstance(body, bytes):
            return body
    return b""


def _of(holder: object, name: str) -> Any:  # noqa: ANN401 -- anything
    """An attribute, or None: httpx raises for the content of a response that was not read, others for worse."""
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 -- any library's
        return None


def _kind(error: BaseException) -> type[TransportError] | None:
    for link in _about(error):
        error = link
        if not (_names(link) & _WRAPPERS and isinstance(_of(link, "reason"), BaseException)):
            break
    names = _names(error)
    if names & _FOR_GOOD:
        return None
    for kinds, ours in _KINDS:
        if names & kinds:
            return TLSError if _has_tls_cause(error) else ours
    return _system_kind(error)


def _system_kind(error: BaseException) -> type[TransportError] | None:
    match error:
        case TimeoutError():
            return RequestTimeoutError
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return ConnectionLostError
        case ssl.SSLError():
            return TLSError
        case ConnectionRefusedError() | socket.gaierror():
            return UnreachableError
        case ConnectionError():
            return ConnectionLostError
        case OSError(errno=number) if number in _UNREACHABLE:
            return UnreachableError
    return None


def _names(holder: object) -> set[str]:
    """The names of its classes that are one of the libraries' own."""
    return {c.__name__ for c in type(holder).__mro__ if c.__module__.partition(".")[0] in _LIBRARIES}


def _has_tls_cause(error: BaseException) -> bool:
    """A certificate that is not trusted gets no better; httpx and urllib3 say so only in what caused their error."""
    link: BaseException | None = error
    for _ in range(_MOST_LINKS):
        if isinstance(link, ssl.SSLCertVerificationError) or (link and _names(link) & _TLS):
            return True
        reason = _of(link, "reason")  # urllib3's MaxRetryError
        link = reason if isinstance(reason, BaseException) else link and (link.__cause__ or link.__context__)
    return False
