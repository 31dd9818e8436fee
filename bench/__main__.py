"""`python -m bench [--quick] [CHAPTER...]`: measures everything, each as a ratio from one run on one machine."""

from __future__ import annotations

import argparse
import importlib
import inspect
import tempfile
import time
from pathlib import Path

import anyio

from bench.results import Results, machine

# In the order of the table; those of the first kind need the test bed's servers and the peers.
CHAPTERS = (
    "new",
    "rewriting",
    "far",
    "wire",
    "owners",
    "proven",
    "window",
    "many",
    "shards",
    "live",
    "start",
    "embedded",
    "hanging",
    "neighbours",
    "memory",
)
QUICK = ("new", "rewriting", "start", "embedded", "hanging")
OUT = Path(__file__).parents[1] / ".build" / "bench"


async def main(chapters: list[str], out: Path, *, quick: bool) -> None:
    results = Results(machine())
    began = time.monotonic()
    for name in chapters:
        print(f"{name} ({time.monotonic() - began:.0f} s so far)", flush=True)
        chapter = importlib.import_module(f"bench.chapters.{name}")
        with tempfile.TemporaryDirectory() as folder:
            await chapter.measure(results, Path(folder), quick=quick)
        results.write(out)
    print(f"\n{results.markdown}\n{time.monotonic() - began:.0f} s; also in {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=inspect.getdoc(main))
    parser.add_argument("chapters", nargs="*", choices=[*CHAPTERS, []], metavar="CHAPTER", help=", ".join(CHAPTERS))
    parser.add_argument("--quick", action="store_true", help="fewer objects and rounds, and without the slow peers")
    parser.add_argument("--out", type=Path, help="where results.json and results.md go; in .build/bench")
    args = parser.parse_args()
    # What README quotes is all from one run, and not from few objects.
    out = args.out or (OUT / "quick" if args.quick else OUT / "some" if args.chapters else OUT)
    anyio.run(lambda: main(args.chapters or list(QUICK if args.quick else CHAPTERS), out, quick=args.quick))
