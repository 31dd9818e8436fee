"""The text of manifests: files, folders, http(s) URLs and standard input."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from asyncmigrate.errors import ManifestError

STDIN = "-"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})  # what kubectl reads in a folder
_URL_SECONDS = 30


def is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def texts(source: str, *, recursive: bool) -> Iterator[tuple[str, bytes]]:
    if source == STDIN:
        yield source, _read_stdin()
    elif is_url(source):
        yield source, _fetch(source)
    elif Path(source).is_dir():
        for path in sorted(Path(source).rglob("*") if recursive else Path(source).iterdir(), key=str):
            if path.suffix in SUFFIXES and path.is_file():
                yield str(path), _read(path)
    else:
        yield source, _read(Path(source))


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
    from urllib.error import URLError  # noqa: PLC0415 -- with the next a sixth of our import time, and rarely needed
    from urllib.request import urlopen  # noqa: PLC0415

    try:
        with urlopen(url, timeout=_URL_SECONDS) as answer:  # noqa: S310 -- the scheme is http or https
            body: bytes = answer.read()
            return body
    except (URLError, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) and not hasattr(error, "code") else error
        raise ManifestError(f"cannot be fetched: {reason}", source=url) from error
