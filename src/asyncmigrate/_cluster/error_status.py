"""Error answers to a Status, whether they hold one or not; and what a server said as one harmless line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec

from asyncmigrate._model import Status
from asyncmigrate._rules.errors.causes import is_denial
from asyncmigrate._rules.errors.secrets import on_one_line, shown_source

# Deep nesting is the reader's to survive, not ours to have.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Details(msgspec.Struct, rename="camel"):
    name: str = ""
    kind: str = ""
    group: str = ""
    retry_after_seconds: float = 0


class _Metadata(msgspec.Struct):
    continue_: str = msgspec.field(default="", name="continue")


class _Answer(msgspec.Struct):
    kind: str
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None
    metadata: _Metadata | None = None


_REDIRECTS = range(300, 400)
_ABOUT_THE_PATH = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
_SNIFFED = 2000  # bytes that a page of HTML shows itself by
_TAGS = re.compile(rb"<(style|script)\b.*?(</\1>|$)|<[^>]*(>|$)", re.DOTALL | re.IGNORECASE)
_decode = msgspec.json.Decoder(_Answer).decode


def read_status(code: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Status:
    """Read an error answer, with or without a Status in it; `now` is seconds since the epoch, for Retry-After dates."""
    after = _retry_after(headers.get("retry-after"), now)
    try:
        answer = _decode(body)
    except UNDECODABLE:
        answer = None
    if answer is None or answer.kind != "Status":
        return Status(
            code=code, reason=_reason(code), message=excerpt(body) or "no message", retry_after=after, is_whole=False
        )
    details = answer.details or _Details()
    if after is None and details.retry_after_seconds:
        after = details.retry_after_seconds
    return Status(
        code=code,
        reason=answer.reason or _reason(code),
        message=_one_line(answer.message) or "no message",
        retry_after=after,
        details_name=details.name,
        details_kind=details.kind,
        details_group=details.group,
        continue_token=answer.metadata.continue_ if answer.metadata else "",
    )


def foreign(response_code: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """What no API server answers, in words: a redirect, or a page of HTML in place of JSON.

    An error of the server's side (5xx) or 429 may come from what stands in front of it, with a page of its own: that
    says nothing about the address.
    """
    if response_code in _REDIRECTS:
        target = _target(headers.get("location", ""))
        return f"with a redirect to {excerpt(target.encode(), 100) or 'nowhere'}"
    is_html = "html" in headers.get("content-type", "") or body[:_SNIFFED].lstrip()[:1] == b"<"
    if is_html and (response_code < HTTPStatus.BAD_REQUEST or response_code in _ABOUT_THE_PATH):
        return f"with a page of HTML ({excerpt(_TAGS.sub(b' ', body[:_SNIFFED]), 60)})"
    return None


def _target(location: str) -> str:
    """Where a redirect leads, without credentials and query; it may leave out the scheme."""
    bare = shown_source(f"http:{location}").removeprefix("http:") if location[:2] == "//" else shown_source(location)
    return re.split(r"[?#]", bare)[0]


def speaks_of_the_path(code: int) -> bool:
    """Tell a code that comes from a wrong address, too: most often `Client sent an HTTP request to an HTTPS server`."""
    return code in _ABOUT_THE_PATH


def is_answer(body: bytes) -> bool:
    """Tell whether a good answer is an object of Kubernetes', as all are that an API server gives.

    One that has been cut off is taken for one: the next try may bring all of it.
    """
    try:
        return bool(_decode(body).kind)
    except msgspec.ValidationError:
        return False
    except UNDECODABLE:
        return body.startswith(b"{")


def is_denied(body: bytes) -> bool:
    """Tell whether an error answer is what admission says of one request."""
    return is_denial(read_status(0, {}, body, now=0.0).message)


def _reason(code: int) -> str:
    """A CamelCase reason for a code that came without one, such as priority and fairness' plain-text 429."""
    try:
        return HTTPStatus(code).phrase.title().replace(" ", "").replace("-", "").replace("'", "")
    except ValueError:
        return "UnknownStatus"


def _retry_after(value: str | None, now: float) -> float | None:
    """RFC 9110: seconds, or a date; what is neither is ignored."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def excerpt(body: bytes, limit: int = 200) -> str:
    """The start of a body on one line, with nothing in it that could upset a terminal."""
    text = _one_line(body[: limit * 4].decode("utf-8", "replace"))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _one_line(text: str) -> str:
    line = on_one_line(text)
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)
