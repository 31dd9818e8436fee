"""The bytes of manifests: files, patterns, folders, http(s) URLs and standard input, each within a bound."""

from __future__ import annotations

import glob
import io
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from asyncmigrate._manifests.limits import MOST_BYTES, too_large
from asyncmigrate._manifests.text import unpacked
from asyncmigrate._rules.errors.secrets import shown_source
from asyncmigrate.errors import ManifestError

STDIN = "-"
# What kubectl reads in a folder, and the same with gzip.
SUFFIXES = (".yaml", ".yml", ".json", ".yaml.gz", ".yml.gz", ".json.gz")
_CHUNK = 1 << 20
_SHOWN_CHARACTERS = 200  # characters of a name that is too long


class Source(msgspec.Struct, frozen=True, eq=False):
    """Where a text came from, to read it once more.

    `kept` is a compressed copy of what comes only once, or may differ the next time: of standard input, pipes and URLs.
    YAML's is a tenth of it. It is no temporary file, for there may be no place for one.
    """

    name: str
    kept: bytes | None = None

    def read(self) -> bytes:
        """The bytes, once more.

        Raises:
            ManifestError: it is a file that has gone, or cannot be read any more.
        """
        if self.kept is not None:
            return zlib.decompress(self.kept)
        try:
            return _read(self.name)
        except OSError as error:
            problem = f"cannot be read a second time, for its schemas: {error.strerror or error}"
            raise ManifestError(problem, source=self.name) from error


def is_url(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def kept(name: str, text: bytes) -> Source:
    """A text that cannot be read once more."""
    return Source(name, zlib.compress(text, level=1))


def source_of(name: str, raw: bytes) -> Source:
    """What to remember of bytes whose CRDs may have to be read once more."""
    is_file = name != STDIN and not is_url(name) and os.path.isfile(name)  # noqa: PTH113
    return Source(name) if is_file else kept(name, raw)


def texts(source: str, *, recursive: bool) -> Iterator[tuple[str, bytes]]:
    """Each file of a source: its name, as it may be shown, and its bytes, without gzip.

    Raises:
        ManifestError: it cannot be read, or is larger than `MOST_BYTES`.
    """
    if source == STDIN:
        # Not through sys.stdin: a thread that waits in it holds a lock that the interpreter wants at its exit.
        yield source, unpacked(_all_of(0, source), source)
    elif is_url(source):
        yield _fetched(source)
    else:
        for path in _files(source, recursive=recursive):
            try:
                yield path, _read(path)
            except OSError as error:
                raise _cannot_read(path, error) from error


def folder_left_out(source: str, *, recursive: bool) -> str:
    """A folder with manifests that is not read: one below without -R, a link to one with it. Hidden ones may be."""
    if not Path(source).is_dir():
        return ""
    for found in _folders(Path(source), below=recursive):
        if found.is_symlink() or not recursive:
            manifests = (p for p in found.rglob("*") if p.name.endswith(SUFFIXES))
            if next(manifests, None) is not None:
                return str(found)
    return ""


def _folders(folder: Path, *, below: bool) -> Iterator[Path]:
    paths = folder.rglob("*") if below else folder.iterdir()
    return (p for p in sorted(paths, key=str) if p.is_dir() and not p.name.startswith("."))


def _fetched(url: str) -> tuple[str, bytes]:
    from asyncmigrate._manifests import urls  # noqa: PLC0415 -- a sixth of our import time, and rarely needed

    body = urls.fetch(url, shown_source(url))
    return shown_source(url), unpacked(body, shown_source(url))


def _files(source: str, *, recursive: bool) -> Iterator[str]:
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116 -- a name may be no path at all
    except FileNotFoundError as error:
        found = sorted(glob.glob(source, include_hidden=True)) if glob.has_magic(source) else []  # noqa: PTH207
        if not found:
            raise ManifestError(_nothing_at(source), source=shown_source(source)) from error
        for name in found:
            yield from _files(name, recursive=recursive)
        return
    except (OSError, ValueError) as error:  # a name too long, a folder on the way that may not be searched, a NUL
        raise _cannot_read(source, error) from error
    if stat.S_ISDIR(mode):
        yield from sorted(_in_folder(source, recursive=recursive))
    else:
        yield source


def _nothing_at(source: str) -> str:
    if "://" in source:
        return "neither a file nor an http or https URL"
    return "no file has a name like this" if glob.has_magic(source) else "no such file or folder"


def _in_folder(folder: str, *, recursive: bool) -> Iterator[str]:
    def refused(error: OSError) -> None:  # os.walk would leave the folder out in silence
        raise _cannot_read(str(error.filename or folder), error)

    for where, folders, files in os.walk(folder, onerror=refused):
        if not recursive:
            folders.clear()
        for path in (os.path.join(where, name) for name in files if name.endswith(SUFFIXES)):  # noqa: PTH118
            if os.path.isfile(path) or not os.path.exists(path):  # noqa: PTH110, PTH113 -- a link to nothing is an error
                yield path


def _read(path: str) -> bytes:
    with io.FileIO(path) as file:
        if stat.S_ISREG((found := os.fstat(file.fileno())).st_mode):
            if found.st_size > MOST_BYTES:
                raise too_large(path, MOST_BYTES)
            return unpacked(file.readall(), path)
        return unpacked(_all_of(file.fileno(), path), path)


def _all_of(descriptor: int, source: str) -> bytes:
    """What comes out of a pipe or a device, which may have no end."""
    found = bytearray()
    while chunk := os.read(descriptor, _CHUNK):
        found += chunk
        if len(found) > MOST_BYTES:
            raise too_large(source, MOST_BYTES)
    return bytes(found)


def _cannot_read(path: str, error: Exception) -> ManifestError:
    path = shown_source(path)  # what was meant for a URL, and is none
    if isinstance(error, FileNotFoundError):
        return ManifestError("no such file or folder", source=path)
    said = (isinstance(error, OSError) and error.strerror) or str(error)
    return ManifestError(
        f"cannot be read: {said}", source=path if len(path) <= _SHOWN_CHARACTERS else f"{path[:_SHOWN_CHARACTERS]}…"
    )
