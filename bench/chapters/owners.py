"""Server and client CPU an object: the empty patch and the patch that moves managedFields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.chapters.rewriting import Figures, divided, per_object, rates_of
from bench.measure import side, turns
from bench.owned import Owned, owned
from bench.real import GROUP, RealScene, path_of, real
from bench.results import Results, Row, at_most, number, spread

PLURALS = {1: "ones", 3: "threes", 8: "eights"}
USUAL = 3  # managedFields entries: of who applies, of a controller, and of its status
EMPTY = "empty"  # through the version that the entries are in
MOVE = "move"
STORAGE = "storage"  # the empty patch through the storage version
MOVED = "moved"  # the same where the entries are in the storage version already
RUNS = {"run, move": "move", "run, keep": "keep"}
IN_STORAGE = (MOVE, MOVED, "run, move")  # the entries are so in the end
Measured = tuple[str, dict[str, list[float]]]  # one way, and what all of them took


async def measure(results: Results, folder: Path, *, quick: bool) -> None:
    objects, rounds = (150, 2) if quick else (300, 4)
    async with real(folder) as scene:
        for entries in (USUAL,) if quick else PLURALS:
            print(f"  {entries} managedFields entries", flush=True)
            kind = await owned(scene, PLURALS[entries], objects, entries)
            ways = [MOVE, EMPTY, *((STORAGE, MOVED, *RUNS) if entries == USUAL else ())]
            await one(scene, kind, MOVE)  # warms the server up
            figures: Figures = {way: [] for way in ways}
            for sides in turns(ways, rounds):
                for way in sides:
                    figures[way].append(await one(scene, kind, way))
            compare_patches(results, figures, entries, kind.size)
            if entries == USUAL:
                compare_others(results, figures)
                compare_runs(results, figures)


async def one(scene: RealScene, kind: Owned, way: str) -> dict[str, Any]:
    """Have the objects rewritten in one way, all of them stale."""
    old = await kind.make_stale(moved=way == MOVED)
    listed, before = await kind.listed(), scene.server_cpu
    if way in RUNS:
        taken = side("ours", scene.kubeconfig(), f"{kind.plural}.{GROUP}", "--managed-fields", RUNS[way]).json()
    else:
        to = ("--to", f"{GROUP}/{kind.storage}") if way == MOVE else ()
        path = path_of(kind.plural, old if way == EMPTY else kind.storage)
        taken = side("rewriting", scene.kubeconfig(), listed, path, *to).json()
    taken |= {"server": scene.server_cpu - before, "objects": kind.objects}
    kind.check(kind.storage, kind.storage if way in IN_STORAGE else old)
    return taken


def compare_patches(results: Results, figures: Figures, entries: int, size: int) -> None:
    """The patch that moves managedFields against the empty one through the version that they are in."""
    what = f"an object of {size / 1000:.1f} KB, {entries} managedFields entr{'y' if entries == 1 else 'ies'} moved"
    against = "the empty patch through their version"
    server, client = per_object(figures, "server"), per_object(figures, "cpu")
    results.add(ratio(0.8, f"server CPU, {what}", against, (MOVE, server), (EMPTY, server)))
    sizes = [figures[way][0]["bytes"] / figures[way][0]["objects"] for way in (MOVE, EMPTY)]
    more = f"; bodies and answers of {number(sizes[0])} bytes, {number(sizes[1])} bytes"
    results.add(ratio(1.3, f"client CPU, {what}", against, (MOVE, client), (EMPTY, client), more=more))


def compare_others(results: Results, figures: Figures) -> None:
    """The empty patch through the storage version, and what it costs once managedFields are moved."""
    server = per_object(figures, "server")
    storage = (STORAGE, server)
    what = f"server CPU, {USUAL} managedFields entries moved"
    results.add(ratio(0.8, what, "the empty patch through the storage version", (MOVE, server), storage))
    what = "server CPU of an empty patch through the storage version, managedFields in it"
    results.add(ratio(1, what, "managedFields in another", (MOVED, server), storage))


def compare_runs(results: Results, figures: Figures) -> None:
    """`run` as a whole, lists and all."""
    move, keep = RUNS
    server, rates = per_object(figures, "server"), rates_of(figures)
    more = f"; {spread(rates[move], '/s')}, {spread(rates[keep], '/s')}"
    what = "server CPU of `run --managed-fields move`, an object"
    results.add(ratio(0.85, what, "`--managed-fields keep`", (move, server), (keep, server), more=more))


def ratio(goal: float, what: str, against: str, ours: Measured, theirs: Measured, *, more: str = "") -> Row:
    """A row about one way's milliseconds and another's."""
    a, b = (cpus[way] for way, cpus in (ours, theirs))
    return at_most(goal, what, against, divided(a, b), f"{spread(a, ' ms')}, {spread(b, ' ms')}{more}")
