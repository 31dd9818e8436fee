"""Runs the command as a user would: a process of its own, with its streams and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import msgspec

# A kubeconfig and flags of whoever runs the tests, and the width of a terminal that is not the one of the test.
_NOT_OURS = ("KUBE", "PYTEST", "ASYNCMIGRATE", "FORCE_COLOR", "COLUMNS", "LINES")


class Ended(msgspec.Struct, frozen=True):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.out)
        return decoded

    @property
    def error(self) -> str:
        """The one line that says what is wrong; there must be no other, and no traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith(("error: ", "Error: "))]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "asyncmigrate", *map(str, args)]


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment without a kubeconfig of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_OURS)}
    return kept | {"HOME": str(home), "NO_COLOR": "1"} | more


async def asyncmigrate(*args: str | Path, home: Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> Ended:
    with anyio.fail_after(60):
        done = await anyio.run_process(
            command(*args), input=stdin, check=False, env=environment(home, **env or {}), stderr=subprocess.PIPE
        )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
