"""`make chaos ROUNDS=n SEED=s`: more rounds than the tests play; ends with 1 where anything was lost."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import anyio

from tests.bed import real
from tests.chaos.lanes import play_embedded, play_real
from tests.chaos.tally import Tally


async def main(options: argparse.Namespace) -> bool:
    tally = Tally()
    began = anyio.current_time()
    seeds = range(options.seed, options.seed + options.rounds)

    def report(seed: int) -> None:
        print(f"seed {seed}, {anyio.current_time() - began:.0f} s: {tally}\n", flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.server == "embedded":
            await play_embedded(tally, seeds, folder, report)
        else:
            with real.start(folder) as server:
                await play_real(tally, seeds, server, folder, report)
    return not tally.lost


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("server", choices=["embedded", "real"])
    parser.add_argument("--rounds", type=int, default=10, help="how many (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round (default: 0)")
    sys.exit(not anyio.run(main, parser.parse_args()))
