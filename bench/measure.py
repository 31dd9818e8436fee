"""Runs one side in a process of its own, and reads what it and the servers took from the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

_TICKS = os.sysconf("SC_CLK_TCK")


class Taken(msgspec.Struct, frozen=True):
    """What a process took as a whole.

    Attributes:
        wall: seconds.
        cpu: seconds of it and of what it waited for.
        peak: MB resident at most.
        out: what it printed.
    """

    wall: float
    cpu: float
    peak: float
    out: bytes

    def json(self) -> dict[str, Any]:
        """The last line it printed."""
        found: dict[str, Any] = msgspec.json.decode(self.out.splitlines()[-1])
        return found


def cpu_of(pids: Iterable[int]) -> float:
    """Seconds of CPU that processes have taken so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def take(command: Sequence[str | Path], *, good: frozenset[int] = frozenset({0})) -> Taken:
    """Run a command to its end; it must end well, or the figures would be another job's."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        with subprocess.Popen([str(c) for c in command], stdout=out, stderr=err, stdin=subprocess.DEVNULL) as process:
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                raise
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        out.seek(0)
        err.seek(0)
        if process.returncode not in good:
            tail = err.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{tail}")
        return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read())


def side(name: str, *args: object) -> Taken:
    """Run one of bench.sides."""
    return take([sys.executable, "-m", "bench.sides", name, *map(str, args)])


def command(*args: object, good: frozenset[int] = frozenset({0})) -> Taken:
    """Run `python -m asyncmigrate`."""
    return take([sys.executable, "-m", "asyncmigrate", *map(str, args)], good=good)
