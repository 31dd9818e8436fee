"""Other libraries' errors in our words, told by their shape: none of these libraries is imported here.

What has a status code stands for an HTTP response: the ApiException of the kubernetes clients, httpx, aiohttp,
requests, urllib, kr8s, kopf. What has none is told by the names of its classes and the library that they are from.
"""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
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

_LIBRARIES = frozenset({"aiohttp", "httpcore", "httpcore2", "httpx", "httpx2", "kr8s", "requests", "urllib3"})
# Names of classes, the first that an error has among its own and its bases. What comes first is the more special.
_KINDS: tuple[tuple[frozenset[str], type[TransportError]], ...] = (
    (frozenset({"SSLError", "ClientSSLError", "ClientConnectorCertificateError"}), TLSError),
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
                "ChunkedEncodingError",
                "ClientConnectionError",
                "ClientPayloadError",
                "ConnectionError",
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
    code = _code(error)
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
    """The HTTP status that it tells of; 0 where there is none."""
    response = getattr(error, "response", None)
    found = [getattr(response, name, None) for name in ("status_code", "status")]
    found += [getattr(error, name, None) for name in ("status", "status_code", "code")]
    return next((int(c) for c in found if type(c) is int or isinstance(c, HTTPStatus)), 0)


def _headers(error: BaseException) -> Mapping[str, str]:
    """Its headers, with names in lower case."""
    for holder in (getattr(error, "response", None), error):
        headers = getattr(holder, "headers", None)
        try:
            return {str(name).lower(): str(value) for name, value in headers.items()}  # type: ignore[union-attr]
        except AttributeError:
            continue
    return {}


def _body(error: BaseException) -> bytes:
    for holder, name in ((error, "body"), (getattr(error, "response", None), "content")):
        try:
            body: Any = getattr(holder, name, None)
        except Exception:  # noqa: BLE001 -- httpx's of a response that was not read; it may be any library's
            body = None
        if isinstance(body, str):
            return body.encode("utf-8", "replace")
        if isinstance(body, bytes):
            return body
    return b""


def _kind(error: BaseException) -> type[TransportError] | None:
    if isinstance(error, ssl.SSLError):
        return TLSError
    names = {c.__name__ for c in type(error).__mro__ if c.__module__.partition(".")[0] in _LIBRARIES}
    for kinds, ours in _KINDS:
        if names & kinds:
            return TLSError if _has_tls_cause(error) else ours
    match error:
        case TimeoutError():
            return RequestTimeoutError
        case ConnectionRefusedError() | socket.gaierror():
            return UnreachableError
        case ConnectionError():
            return ConnectionLostError
        case OSError(errno=number) if number in _UNREACHABLE:
            return UnreachableError
    return None


def _has_tls_cause(error: BaseException) -> bool:
    """A certificate that is not trusted gets no better; httpx says so only in what caused its ConnectError."""
    seen: BaseException | None = error
    for _ in range(10):
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        reason = getattr(seen, "reason", None)  # urllib3's MaxRetryError
        seen = seen and (seen.__cause__ or seen.__context__ or (reason if isinstance(reason, BaseException) else None))
    return False
