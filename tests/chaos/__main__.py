"""`make chaos ROUNDS=n SEED=s`: more rounds than the tests play; ends with 1 where anything was lost."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import anyio

from tests.bed import real
from tests.bed.bed import Bed, open_embedded, open_real, trust
from tests.chaos.proxy import Proxy, open_proxy
from tests.chaos.rounds import Tally, play_rounds


async def play(bed: Bed, proxy: Proxy, options: argparse.Namespace, objects: int) -> bool:
    tally = Tally()
    for seed in range(options.seed, options.seed + options.rounds):
        await play_rounds(bed, proxy, tally, range(seed, seed + 1), objects)
        tally.requests, tally.faults = proxy.requests, proxy.injected
        print(f"seed {seed}: {tally}\n", flush=True)  # noqa: T201
    return not tally.lost


async def main(options: argparse.Namespace) -> bool:
    draw = random.Random(options.seed)  # noqa: S311 -- repeatable, not secret
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.server == "embedded":
            async with open_embedded(folder) as bed, open_proxy(bed.url, None, draw) as proxy:
                return await play(bed, proxy, options, 60)
        with real.start(folder) as server:
            async with (
                open_real(server, folder) as real_bed,
                open_proxy(server.url, trust(server), draw) as proxy,
            ):
                return await play(real_bed, proxy, options, 300)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("server", choices=["embedded", "real"])
    parser.add_argument("--rounds", type=int, default=10, help="how many (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round (default: 0)")
    sys.exit(not anyio.run(main, parser.parse_args()))
