"""One round of chaos: a stale CRD is migrated through faults while others write, and the stored bytes are the judge."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec

from asyncmigrate import Cluster, Outcome, RetryPolicy, plan, run
from tests.bed.bed import Bed, EmbeddedBed, RealBed
from tests.bed.scenes import Manifest, crd, obj
from tests.chaos.proxy import Proxy
from tests.chaos.writers import Writer
from tests.command.runner import command, environment

PATIENT = RetryPolicy(first_wait=0.02, max_wait=1.0, max_seconds=20)
_RUNS = 12  # that a round may take; most take one or two
_WRITERS = 3

# What happens once in the middle of a round, beside the proxy's faults and the writers.
_MOVES = ("storage moved there and back", "storage moved under the trim")
EMBEDDED_EVENTS = ("nothing", "killed migrator", "spec changed", *_MOVES, "tokens expired")
REAL_EVENTS = ("killed migrator", "killed API server", "paused etcd", "spec changed", *_MOVES)


class Tally(msgspec.Struct):
    """What all rounds came to."""

    rounds: int = 0
    runs: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    events: Counter[str] = msgspec.field(default_factory=Counter)
    writes: int = 0
    requests: int = 0
    proven: int = 0
    objects: int = 0
    lost: list[str] = msgspec.field(default_factory=list)

    def __str__(self) -> str:
        faults = ", ".join(f"{n} {fault}" for fault, n in sorted(self.faults.items()) if fault)
        events = ", ".join(f"{n} {event}" for event, n in sorted(self.events.items()))
        return (
            f"{self.rounds} rounds, {self.runs} runs; in the middle: {events}\n"
            f"{self.requests} requests, {sum(self.faults.values())} faults: {faults}\n"
            f"{self.writes} writes by others; {self.proven} objects proven by an earlier run's record\n"
            f"{self.objects} objects checked in the store; lost: {'; '.join(self.lost) or 'nothing'}"
        )


class Round:
    """One CRD, from stale to migrated."""

    def __init__(self, bed: Bed, proxy: Proxy, tally: Tally, seed: int, objects: int) -> None:
        self._bed = bed
        self._proxy = proxy
        self._tally = tally
        self._seed = seed
        self._draw = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        self._objects = objects
        self._plural = f"chaos{seed}s"
        self._name = f"{self._plural}.{bed.group}"
        self._state = bed.folder / f"state-{seed}.json"
        self._crd = self._manifest("v2")
        self._move_under_trim = False
        # A real API server takes a new storage version up through its watch, while others write.
        self._settle = 0.0 if isinstance(bed, EmbeddedBed) else 1.0

    def _manifest(self, storage: str, **more: str) -> Manifest:
        return crd(self._bed.group, storage, "v1", "v2", plural=self._plural, labels=more)

    async def play(self, happening: str) -> None:
        tally, proxy = self._tally, self._proxy
        before = self._manifest("v1")
        await self._bed.apply_crd(before)
        await self._bed.create(before, *(obj(before, "v1", f"w-{n:04}") for n in range(self._objects)))
        writers = [Writer(self._bed, before, n, random.Random(self._seed + n)) for n in range(_WRITERS)]  # noqa: S311
        proxy.share = self._draw.choice((0.0, 0.05, 0.15, 0.3))
        proxy.judge = self._judge_trim
        async with anyio.create_task_group() as tasks:
            for writer in writers:
                tasks.start_soon(writer.write_for_ever)
            await self._bed.apply_crd(self._crd, settled=False)
            async with anyio.create_task_group() as happenings:
                happenings.start_soon(self._happen, happening)
                await self._migrate(killed=happening == "killed migrator")
            await self._migrate(killed=False)  # what happened after the last trim may call for another
            tasks.cancel_scope.cancel()
        tally.rounds += 1
        tally.events[happening] += 1
        tally.writes += sum(w.writes for w in writers)
        await self._judge(writers)

    # The migrator

    async def _migrate(self, *, killed: bool) -> None:
        if killed:
            await self._migrate_until_killed()
        for _ in range(_RUNS):
            self._tally.runs += 1
            if await self._migrate_once():
                return
        raise AssertionError(f"seed {self._seed}: not migrated after {_RUNS} runs")

    async def _migrate_once(self) -> bool:
        kubeconfig = self._proxy.write_kubeconfig(self._bed.folder / "kubeconfig-chaos")
        async with Cluster.from_kubeconfig(kubeconfig, request_timeout=10) as cluster:
            made = await plan(cluster, names=[self._name], retry_policy=PATIENT)
            report = await run(
                cluster,
                made,
                settle=self._settle,
                state=self._state,
                max_in_flight=8,
                retry_policy=PATIENT,
                webhook_policy=PATIENT,
            )
        self._tally.proven += report.objects.proven
        [found] = report.crds
        # Current: the answer to an earlier run's trim was lost, and what it wrote was not.
        return found.outcome is Outcome.MIGRATED or found.reason == "StoredAsStorageVersion"

    async def _migrate_until_killed(self) -> None:
        """The command in a process of its own, which ends with kill -9 somewhere in the middle."""
        self._tally.runs += 1
        kubeconfig = self._proxy.write_kubeconfig(self._bed.folder / "kubeconfig-chaos")
        args = ("run", self._name, "-y", "--settle", f"{self._settle}s", "--state", self._state, "--rate", "300")
        process = await anyio.open_process(
            command(*args, "--kubeconfig", kubeconfig),
            env=environment(self._bed.folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wanted = self._draw.randrange(self._objects)
        with anyio.move_on_after(20):
            while process.returncode is None and self._stored_in("v2") < wanted:
                await anyio.sleep(0.02)
        if process.returncode is None:
            process.kill()
        await process.wait()
        await process.aclose()

    # What happens in the middle

    async def _happen(self, happening: str) -> None:
        await anyio.sleep(self._draw.random() * (0.4 if self._settle == 0 else 2.5))
        bed = self._bed
        with anyio.CancelScope(shield=True):
            match happening:
                case "spec changed":
                    changed = self._manifest("v2")
                    changed["spec"]["names"]["shortNames"] = [f"c{self._seed}"]
                    await bed.apply_crd(changed, settled=False)
                case "storage moved there and back":
                    await self._move_there_and_back()
                case "storage moved under the trim":
                    self._move_under_trim = True
                case "tokens expired":
                    bed.forget_old_revisions()
                case "killed API server" if isinstance(bed, RealBed):
                    bed.server.apiserver.kill()
                    bed.server.apiserver.start_again()
                    await anyio.to_thread.run_sync(lambda: bed.server.apiserver.wait_until(bed.server.is_ready))
                case "paused etcd" if isinstance(bed, RealBed):
                    bed.server.store.pause()
                    await anyio.sleep(2)
                    bed.server.store.go_on()

    async def _move_there_and_back(self) -> None:
        await self._bed.apply_crd(self._manifest("v1"), settled=False)
        await anyio.sleep(0.05)  # for others to write in the other version
        await self._bed.apply_crd(self._crd, settled=False)

    # Judging

    def _stored_in(self, version: str) -> int:
        return sum(json.loads(d)["apiVersion"].endswith(f"/{version}") for d in self._bed.stored(self._name).values())

    async def _judge_trim(self) -> Callable[[], None]:
        if self._move_under_trim:
            self._move_under_trim = False
            await self._move_there_and_back()
        # Where storage moved and others wrote while the trim was on its way, the server refuses it, and all is well.
        old = self._stored_in("v1")

        def taken() -> None:
            if old:
                self._tally.lost.append(f"seed {self._seed}: a trim while {old} objects were stored in v1")

        return taken

    async def _judge(self, writers: list[Writer]) -> None:
        stored = {name: json.loads(data) for (_, name), data in self._bed.stored(self._name).items()}
        self._tally.objects += len(stored)
        lost = self._tally.lost
        where = f"seed {self._seed}"
        if (versions := await self._bed.stored_versions(self._name)) != ["v2"]:
            lost.append(f"{where}: storedVersions is {versions}")
        lost.extend(
            f"{where}: {n} is stored in {o['apiVersion']}" for n, o in stored.items() if o["apiVersion"][-2:] != "v2"
        )
        expected = {name: size for w in writers for name, size in w.expected.items()}
        expected |= {f"w-{n:04}": 1 for n in range(self._objects)}
        found = {name: o["spec"]["size"] for name, o in stored.items()}
        lost.extend(
            f"{where}: {name} has {found.get(name)} where {expected.get(name)} was written"
            for name in sorted(found.keys() | expected.keys())
            if found.get(name) != expected.get(name)
        )


def events_of(bed: Bed) -> tuple[str, ...]:
    return REAL_EVENTS if isinstance(bed, RealBed) else EMBEDDED_EVENTS


async def play_rounds(bed: Bed, proxy: Proxy, tally: Tally, seeds: range, objects: int) -> None:
    """Play a round for each seed; each kind of event comes up in turn."""
    events = events_of(bed)
    for seed in seeds:
        await Round(bed, proxy, tally, seed, objects).play(events[seed % len(events)])
        await bed.clean_up()
        bed.made.clear()


def folder_for(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
