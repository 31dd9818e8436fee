"""Writes the events to a file as they happen, one JSON object a line, so that a kill loses a moment's at most."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from asyncmigrate._observers.background import Background
from asyncmigrate._observers.event_lines import Lines
from asyncmigrate.errors import UsageError
from asyncmigrate.events import Event, Observer

_FLUSH_SECONDS = 0.1  # what a kill loses
_MOST_BYTES = 32 * 1024 * 1024  # that wait for a slow disk, some 100,000 events: memory has a bound
_NEW_FILE = 0o666  # less what the umask takes


class EventFile:
    """A file that events are appended to. `lost` is told, once, if it cannot be written any more.

    Raises:
        UsageError: it cannot be opened.
    """

    def __init__(self, path: str, lost: Callable[[str], None]) -> None:
        self._file = _open(path)
        self._lost = lost
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # that wait
        self._given_up = False
        self._lock = threading.Lock()
        self._thread = Background(self._write, self._give_up, seconds=_FLUSH_SECONDS)

    def observer(self, context: str) -> Observer:
        """An observer of the events of one cluster."""
        lines = Lines(context)

        def take(event: Event) -> None:
            if not self._given_up:
                self._put(lines.line_of(event))

        return take

    def _put(self, line: bytes) -> None:
        with self._lock:
            self._lines.append(line)
            self._bytes += len(line)
            too_many = self._bytes > _MOST_BYTES
        if too_many:
            self._give_up("it does not take what is written in time")

    def _write(self) -> None:
        while self._lines and not self._given_up:
            with self._lock:
                data = memoryview(b"".join(self._lines))
                self._lines.clear()
            while data:
                written = os.write(self._file, data)
                data = data[written:]
                with self._lock:
                    self._bytes -= written

    def _give_up(self, why: str) -> None:
        with self._lock:
            first, self._given_up = not self._given_up, True
            self._lines.clear()
        if first:
            self._lost(why)

    def close(self, *, interrupted: bool) -> None:
        """Write what is left."""
        if self._thread.close(interrupted=interrupted):
            os.close(self._file)


def _open(path: str) -> int:
    if path in {"", "-"}:
        raise UsageError("--events-file takes a file; a program can read a pipe, such as one of mkfifo")
    try:
        # A pipe that nobody reads would make us wait here; without a reader the kernel says so instead.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, _NEW_FILE)
        os.set_blocking(file, True)
        if stat.S_ISREG(os.fstat(file).st_mode):
            _end_last_line(path, file)
    except OSError as error:
        why = "nobody reads this pipe" if error.errno == errno.ENXIO else str(error.strerror).lower()
        raise UsageError(f"--events-file {path} cannot be written: {why}; name another file") from error
    return file


def _end_last_line(path: str, file: int) -> None:
    """A run that was killed may have left half a line, to which ours must not be added."""
    if not os.fstat(file).st_size or not os.access(path, os.R_OK):
        return
    with Path(path).open("rb") as found:
        found.seek(-1, os.SEEK_END)
        whole = found.read() == b"\n"
    if not whole:
        os.write(file, b"\n")
