"""Runs the command on a pseudo-terminal of a given width, and types an answer once it asks."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import anyio

from tests.command.runner import environment

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROWS = 40


def _take_terminal() -> None:
    """Make the pseudo-terminal the controlling one, so that a typed Ctrl-C is a SIGINT."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def on_terminal(
    args: list[str], home: Path, *, columns: int = 200, answer: bytes = b"", once: str = "[y/N]", **env: str
) -> tuple[int, str]:
    """The exit code, and what was shown, raw; `answer` is typed as soon as `once` is there."""
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    process = subprocess.Popen(
        args,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(home, TERM="xterm", **env),
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 -- one ioctl
    )
    os.close(slave)
    try:
        with anyio.fail_after(60):
            shown = await _read(master, answer, once.encode())
        return await anyio.to_thread.run_sync(process.wait), shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(master)


async def _read(master: int, answer: bytes, once: bytes) -> bytes:
    shown = b""
    while True:
        try:
            await anyio.wait_readable(master)
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            return shown
        if not chunk:
            return shown
        shown += chunk
        if once in shown and answer:
            os.write(master, answer)
            answer = b""


def lines_of(shown: str) -> list[str]:
    """What was shown, without colours and cursor movements."""
    return ESCAPES.sub("", shown.replace("\r", "")).splitlines()
