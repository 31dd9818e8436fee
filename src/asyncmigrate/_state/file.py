"""The state file: a small record of each CRD whose migration has begun, so that a killed run goes on where it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import TextIO

import msgspec

from asyncmigrate._rules.safety.resume import Record
from asyncmigrate.errors import StateError

_API_VERSION = "asyncmigrate/v1"
_KIND = "State"
LOCK_SECONDS = 5.0  # for the lock: another run holds it while it writes the file, for milliseconds
_LOCK_PAUSE = 0.02


class _Content(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    records: dict[str, Record]


class StateFile:
    """Records by cluster and CRD, in a file that several runs may share. Files block: use it from a thread.

    What `put` and `drop` change is in the file only after `save`, which takes up what other runs wrote meanwhile. The
    file is replaced as a whole, so that a crash leaves the old one or the new one.

    Raises:
        StateError: the file cannot be read or written, or is something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _expanded(path)
        self._changes: dict[str, Record | None] = {}
        self._changing, self._saving = Lock(), Lock()
        with self._named_errors("used"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._records = self._read()

    def get(self, key: str) -> Record | None:
        """The record as of the opening or the last `save`, with our own changes."""
        return self._changes[key] if key in self._changes else self._records.get(key)

    def put(self, record: Record) -> None:
        with self._changing:
            self._changes[record.key] = record

    def drop(self, key: str) -> None:
        with self._changing:
            self._changes[key] = None

    def save(self) -> None:
        """Write our changes, if any, into the newest file; a save that another thread has begun is waited for."""
        with self._saving:
            with self._changing:
                changes, self._changes = self._changes, {}
            if not changes:
                return
            try:
                with self._named_errors("written"), self._locked():
                    records = self._read() | changes
                    self._records = {k: r for k, r in records.items() if r is not None}
                    self._replace(msgspec.json.encode(_Content(_API_VERSION, _KIND, self._records)))
            except StateError:
                with self._changing:
                    self._changes = changes | self._changes
                raise

    def _read(self) -> dict[str, Record]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            content = msgspec.json.decode(data, type=_Content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._not_ours() from error
        if (content.api_version, content.kind) != (_API_VERSION, _KIND):
            raise self._not_ours()
        return content.records

    def _not_ours(self) -> StateError:
        return StateError(f"{self.path} is no asyncmigrate state file, and is left as it is: remove it or name another")

    def _replace(self, data: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other runs out while the file is read, changed and replaced; the lock file stays behind, empty."""
        with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
            until = time.monotonic() + LOCK_SECONDS
            while not _has_locked(lock):
                if time.monotonic() >= until:
                    message = f"the state file {self.path} is locked by another process"
                    raise StateError(f"{message}: wait for it, or give another --state")
                time.sleep(_LOCK_PAUSE)
            yield

    @contextlib.contextmanager
    def _named_errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            message = f"the state file {self.path} cannot be {doing}: {why}; name another, or keep none"
            raise StateError(message) from error


def _expanded(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        message = f"the state file {os.fspath(path)} cannot be found: there is no home directory; give its whole path"
        raise StateError(message) from error


def _has_locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
