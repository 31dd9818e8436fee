"""Runs one side in a process of its own, and reads what it and the servers took from the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_LOOK_AGAIN = 0.005  # seconds
_TICKS = os.sysconf("SC_CLK_TCK")


class Taken(msgspec.Struct, frozen=True):
    """What a process took as a whole.

    Attributes:
        wall: seconds.
        cpu: seconds of it and of what it waited for.
        peak: MB resident at most, but for its last moments.
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


def peak_of(pid: int) -> float:
    """MB resident at most so far; 0 where the process has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def take(command: Sequence[str | Path], *, good: frozenset[int] = frozenset({0})) -> Taken:
    """Run a command to its end; it must end well, or the figures would be another job's."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        peak = 0.0
        with subprocess.Popen([str(c) for c in command], stdout=out, stderr=err, stdin=subprocess.DEVNULL) as process:
            try:
                # What the kernel tells at the end includes what we ourselves took when the process was made.
                while not (done := os.wait4(process.pid, os.WNOHANG))[0]:
                    peak = peak_of(process.pid) or peak
                    time.sleep(_LOOK_AGAIN)
                _, status, usage = done
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
        return Taken(wall, usage.ru_utime + usage.ru_stime, peak, out.read())


def turns(sides: Iterable[T], rounds: int) -> Iterator[list[T]]:
    """The sides of each round, in turn another one first: who comes first may be at a disadvantage."""
    order = list(sides)
    for number in range(rounds):
        first = number % len(order)
        yield order[first:] + order[:first]


def side(name: str, *args: object) -> Taken:
    """Run one of bench.sides."""
    return take([sys.executable, "-m", "bench.sides", name, *map(str, args)])


def command(*args: object, good: frozenset[int] = frozenset({0})) -> Taken:
    """Run `python -m asyncmigrate`."""
    return take([sys.executable, "-m", "asyncmigrate", *map(str, args)], good=good)
