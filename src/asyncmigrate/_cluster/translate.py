"""What went wrong below HTTP, in our words: each transport brings only the table of its library's errors."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, Iterator

from asyncmigrate._cluster.transport import MOST_BYTES
from asyncmigrate._rules.errors.secrets import on_one_line
from asyncmigrate.errors import (
    BadAnswerError,
    ConnectionLostError,
    RequestTimeoutError,
    TLSError,
    UnreachableError,
)


def one_line(error: BaseException) -> str:
    """What an error of a library says, without the credentials of any URL in it."""
    return on_one_line(str(error)) or type(error).__name__


def unreachable(base: str, words: str) -> UnreachableError:
    return UnreachableError(f"{base} cannot be reached: {words}")


def no_answer(base: str, within: float | None) -> RequestTimeoutError:
    return RequestTimeoutError(f"{base}: no answer within {within or 0:g} s")


def connection_lost(base: str, words: str) -> ConnectionLostError:
    return ConnectionLostError(f"{base}: the connection was lost: {words}")


def not_http(base: str, words: str) -> BadAnswerError:
    return BadAnswerError(f"{base}: the answer is not HTTP: {words}")


def not_decompressed(base: str, words: str) -> BadAnswerError:
    return BadAnswerError(f"{base}: the answer cannot be decompressed: {words}")


def no_trust(base: str, words: str) -> TLSError:
    return TLSError(f"{base}: no trust between client and server: {words}")


def links(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def distrust(error: BaseException) -> str | None:
    """What TLS said, where an error means that one side does not trust the other."""
    for link in links(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return str(link)
        if isinstance(link, ssl.SSLError) and "ALERT" in (link.reason or ""):
            return str(link)
    return None


async def whole_body(chunks: AsyncIterable[bytes], base: str) -> bytes:
    """The whole of an answer, as long as it is no larger than any API server's."""
    found: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MOST_BYTES:
            raise BadAnswerError(f"{base}: the answer is larger than {MOST_BYTES:,} bytes, as no API server's is")
        found.append(chunk)
    return b"".join(found)
