"""The state file: a small record of each CRD whose migration has begun, so that a killed run goes on where it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from asyncmigrate._state.content import Change, NotAState, State, decoded, encoded
from asyncmigrate.errors import StateError

LOCK_SECONDS = 5.0  # for the lock: another run holds it while it writes the file, for milliseconds
_LOCK_PAUSE = 0.02


class StateFile:
    """A state in a file that several runs may share. Files block: use it from a thread.

    The file is replaced as a whole, so that a crash leaves the old one or the new one.

    Raises:
        StateError: the file cannot be read or written, or is something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _expanded(path)

    def update(self, change: Change) -> State:
        """Change what is in the file, as it is by then; what leaves it as it is writes nothing."""
        with self._named_errors("used"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                before = self._read()
                after = change(before)
                if after != before:
                    with self._named_errors("written"):
                        self._replace(encoded(after))
                return after

    def _read(self) -> State:
        try:
            return decoded(self.path.read_bytes())
        except FileNotFoundError:
            return State()
        except NotAState as error:
            message = f"{self.path} is no asyncmigrate state file, and is left as it is: remove it or name another"
            raise StateError(message) from error

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
