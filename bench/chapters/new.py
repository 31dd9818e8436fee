"""CRDs that are merely new: what began it all (cluster-api#11978)."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from bench import manifests, peers
from bench.measure import Taken, command, take
from bench.real import real
from bench.results import Results, Series, at_least, at_most, number, spread

READING = """
import pathlib, sys, yaml12
for path in pathlib.Path(sys.argv[1]).iterdir():
    yaml12.parse_yaml(path.read_text(), multi=True)
"""


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    counts, rounds = ((344,), 2) if quick else ((500, 1000, 2065), 3)
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    async with real(folder) as scene:
        config = scene.kubeconfig()
        unfixed = peers.peer("unfixed", "-kubeconfig", config)["seconds"]
        for count in counts:
            crds = manifests.write(folder / str(count), count)
            size = sum(f.stat().st_size for f in crds.iterdir()) / 1e6
            sides: dict[str, list[Taken]] = {"ours": [], "clusterctl": [], "reading": []}
            for _ in range(rounds if count == counts[-1] else 1):
                sides["clusterctl"].append(
                    take([peers.BUILT / "peers", "clusterctl", "-kubeconfig", config, "-f", crds])
                )
                sides["ours"].append(plan_all(config, crds, count))
                sides["reading"].append(take([sys.executable, "-c", READING, crds]))
            ours[str(count)] = sides["ours"][-1].wall
            theirs[str(count)] = sides["clusterctl"][-1].wall
    walls = {who: [t.wall for t in taken] for who, taken in sides.items()}
    what = f"{count:,} new CRDs ({size:.0f} MB, {manifests.origin()}), whole process"
    note = f"ours {spread(walls['ours'], ' s')}, theirs {spread(walls['clusterctl'], ' s')}"
    ratios = [a / b for a, b in zip(walls["ours"], walls["clusterctl"], strict=True)]
    results.add(at_most(1 / 5, what, "clusterctl's fixed migrator on the same files", ratios, note))
    ratios = [a / b for a, b in zip(walls["ours"], walls["reading"], strict=True)]
    results.add(at_most(1.2, "the same", "reading the YAML alone", ratios, f"theirs {spread(walls['reading'], ' s')}"))
    ratios = [unfixed * count / wall for wall in walls["ours"]]
    note = f"theirs {unfixed:.1f} s for each CRD; ours, the whole process"
    results.add(at_least(10_000, "the same, time waited", "the wait that clusterctl 1.8.4 had", ratios, note))
    results.add(Series("new CRDs, asyncmigrate", " s", ours), Series("new CRDs, clusterctl 1.13.6", " s", theirs))
    results.add(Series("new CRDs, clusterctl 1.8.4", " s", {number(c).replace(",", ""): unfixed * c for c in counts}))


def plan_all(config: Path, crds: Path, count: int) -> Taken:
    taken = command("plan", "-f", crds, "--kubeconfig", config, "-o", "json")
    made = msgspec.json.decode(taken.out)
    if {c["decision"] for c in made["crds"]} != {"new"} or made["requests"] != count:
        raise RuntimeError(f"not {count} new CRDs in as many requests, but {made['requests']}")
    return taken
