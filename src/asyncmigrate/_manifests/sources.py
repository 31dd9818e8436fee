"""The text of manifests: files, folders, http(s) URLs and standard input."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from asyncmigrate.errors import ManifestError

if TYPE_CHECKING:
    from http.client import HTTPResponse

STDIN = "-"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})  # what kubectl reads in a folder
_URL_SECONDS = 30  # for each piece of it
_URL_WHOLE_SECONDS = 300
_CHUNK = 1 << 20


class Source(msgspec.Struct, frozen=True, eq=False):
    """Where a text came from, to read it once more.

    `kept` is a compressed copy of what comes only once, or may differ the next time: of standard input, pipes and URLs.
    YAML's is a tenth of it. It is no temporary file, for there may be no place for one.
    """

    name: str
    kept: bytes | None = None

    def read(self) -> bytes:
        """The text, once more.

        Raises:
            ManifestError: it is a file that has gone, or cannot be read any more.
        """
        if self.kept is not None:
            return zlib.decompress(self.kept)
        try:
            return Path(self.name).read_bytes()
        except OSError as error:
            problem = f"cannot be read a second time, for its schemas: {error.strerror or error}"
            raise ManifestError(problem, source=self.name) from error


def is_url(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def kept(name: str, text: bytes) -> Source:
    """A text that cannot be read once more."""
    return Source(name, zlib.compress(text, level=1))


def source_of(name: str, text: bytes) -> Source:
    """What to remember of a text whose CRDs may have to be read once more."""
    is_file = name != STDIN and not is_url(name) and Path(name).is_file()
    return Source(name) if is_file else kept(name, text)


def texts(source: str, *, recursive: bool) -> Iterator[tuple[str, bytes]]:
    if source == STDIN:
        yield source, _read_stdin()
    elif is_url(source):
        yield source, _fetch(source)
    elif Path(source).is_dir():
        for path in sorted(_paths(source, recursive=recursive), key=str):
            if path.suffix in SUFFIXES and path.is_file():
                yield str(path), _read(path)
    else:
        yield source, _read(Path(source))


def _paths(folder: str, *, recursive: bool) -> Iterator[Path]:
    def refused(error: OSError) -> None:  # os.walk would leave the folder out in silence
        raise ManifestError(f"cannot be read: {error.strerror or error}", source=str(error.filename or folder))

    for where, folders, files in os.walk(folder, onerror=refused):
        if not recursive:
            folders.clear()
        yield from (Path(where, name) for name in files)


def _read_stdin() -> bytes:
    # Not through sys.stdin: a thread that waits in it holds a lock that the interpreter wants at its exit.
    chunks = []
    while chunk := os.read(0, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ManifestError("no such file or folder", source=str(path)) from None
    except OSError as error:
        raise ManifestError(f"cannot be read: {error.strerror or error}", source=str(path)) from error


def _fetch(url: str) -> bytes:
    from http.client import HTTPException  # noqa: PLC0415 -- these are a sixth of our import time, and rarely needed
    from urllib.error import URLError  # noqa: PLC0415
    from urllib.request import urlopen  # noqa: PLC0415

    try:
        with urlopen(url, timeout=_URL_SECONDS) as answer:  # noqa: S310 -- the scheme is http or https
            return _whole(answer)
    except (URLError, OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) and not hasattr(error, "code") else error
        raise ManifestError(f"cannot be fetched: {reason}", source=url) from error


def _whole(answer: HTTPResponse) -> bytes:
    """A body, as long as it does not trickle in for ever: each read has its own time limit, and starts it anew."""
    until = time.monotonic() + _URL_WHOLE_SECONDS
    chunks = []
    while chunk := answer.read1(_CHUNK):
        chunks.append(chunk)
        if time.monotonic() > until:
            raise TimeoutError(f"no end within {_URL_WHOLE_SECONDS} s")
    if answer.length:  # read1 does not mind
        raise ConnectionError(f"the connection was lost {answer.length} bytes before the end")
    return b"".join(chunks)
