"""How long the command takes to start."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measure import Taken, command, take
from bench.real import GROUP, real
from bench.results import Results, at_most, spread

ROUNDS = 7


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    rounds = 3 if quick else ROUNDS
    async with real(folder) as scene:
        await scene.add("starts", 1, 1000)
        config = scene.kubeconfig()
        python = walls(lambda: take([sys.executable, "-c", "pass"]), rounds)
        helping = walls(lambda: command("--help"), rounds)
        planning = walls(lambda: command("plan", f"starts.{GROUP}", "--kubeconfig", config), rounds)
    more = [wall - statistics.median(python) for wall in helping]
    results.add(at_most(0.3, "`asyncmigrate --help`, seconds more", "`python -c pass`", more, spread(helping, " s")))
    results.add(at_most(1.5, "`plan` of one CRD, seconds", "the clock", planning))


def walls(what: Callable[[], Taken], rounds: int) -> list[float]:
    what()  # reads the files once
    return [what().wall for _ in range(rounds)]
