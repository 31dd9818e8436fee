"""Starts a server process, waits until it is ready, and always stops it: by its id, and with us if we are killed."""

from __future__ import annotations

import ctypes
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """One that stays free until a server has started: from 32768 on, the kernel gives ports to any connection."""
    while True:
        port = 16384 + secrets.randbelow(16384)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """One process and its log."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self._command = [str(c) for c in command]
        self._log = log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            return subprocess.Popen(
                self._command,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 -- one prctl; this process has few threads when it starts
            )

    @property
    def program(self) -> Path:
        return Path(self._command[0])

    def kill(self) -> None:
        """End it as a lost machine would, with nothing said to anyone."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        self.process = self._start()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > until:
                tail = self._log.read_text(errors="replace")[-3000:]
                self.stop()
                raise RuntimeError(f"{self.process.args!r} did not get ready:\n{tail}")
            time.sleep(0.05)

    def stop(self, *, seconds: float = 10) -> None:
        self.go_on()  # a paused process takes no other signal
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
