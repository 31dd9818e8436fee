"""The migrator of a round: runs until one is done, the first of which may be killed."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import anyio

from asyncmigrate import Cluster, CRDReport, Outcome, Plan, RetryPolicy, plan, run
from asyncmigrate.errors import WrongAddressError
from asyncmigrate.events import Event, ObjectSettled, Settled
from tests.chaos.scene import Scene
from tests.command.runner import command, environment

_PATIENT = RetryPolicy(first_wait=0.02, max_wait=1.0, max_seconds=20)
_RUNS = 30  # that a round may take; most take one or two


class Migrator:
    """Goes through the proxy, and keeps a record of its runs in a file."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._state = scene.bed.folder / f"state-{scene.seed}.json"
        self.reasons: list[str] = []  # that its runs have ended with
        self._kubeconfig = scene.proxy.write_kubeconfig(scene.bed.folder / f"kubeconfig-{scene.seed}")

    async def warm_up(self) -> None:
        """Plan once, before anything is late: the first time loads modules, and nothing else happens meanwhile."""
        async with self._scene.bed.cluster() as cluster:
            await plan(cluster, names=[self._scene.name])

    async def migrate(self) -> None:
        for _ in range(_RUNS):
            await self._scene.may_run.wait()
            found = await self._run()
            self.reasons.append(found.reason)
            # Current: the answer to an earlier run's trim was lost, and what it wrote was not.
            if found.outcome is Outcome.MIGRATED or found.reason == "StoredAsStorageVersion":
                return
        raise AssertionError(f"seed {self._scene.seed}: not migrated after {_RUNS} runs: {self.reasons}")

    async def _run(self) -> CRDReport:
        scene = self._scene
        scene.tally.runs += 1
        asked = scene.denials.asked() if scene.denials else {}
        gone: set[str] = set()

        def note(event: Event) -> None:
            if isinstance(event, ObjectSettled) and event.how is Settled.GONE:
                gone.add(event.name)

        async with Cluster.from_kubeconfig(self._kubeconfig, request_timeout=10) as cluster:
            made = await self._plan(cluster)
            report = await run(
                cluster,
                made,
                settle=scene.settle,
                rate=scene.setting.rate,
                state=self._state,
                max_in_flight=8,
                retry_policy=_PATIENT,
                webhook_policy=_PATIENT,
                observers=[note],
            )
        scene.tally.proven += report.objects.proven
        [found] = report.crds
        for name in sorted(gone.intersection(scene.objects)):
            scene.lost(f"{name} counts as gone, and is there")
        for problem in scene.denials.problems(asked, found) if scene.denials else ():
            scene.lost(problem)
        return found

    async def _plan(self, cluster: Cluster) -> Plan:
        """Plan as a person would: a first answer that is no API server's ends a plan at once, and one tries again."""
        while True:
            with suppress(WrongAddressError):
                return await plan(cluster, names=[self._scene.name], retry_policy=_PATIENT)

    async def run_until_killed(self) -> None:
        """The command in a process of its own, which ends with kill -9 somewhere in the middle."""
        scene = self._scene
        scene.tally.runs += 1
        args = ("run", scene.name, "-y", "--settle", f"{scene.settle}s", "--state", self._state, "--rate", "300")
        process = await anyio.open_process(
            command(*args, "--kubeconfig", self._kubeconfig),
            env=environment(scene.bed.folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wanted = scene.draw.randrange(len(scene.objects))
        with anyio.move_on_after(20):
            while process.returncode is None and await scene.count_stored(in_v2=True) < wanted:
                await anyio.sleep(0.02)
        if process.returncode is None:
            process.kill()
        await process.wait()
        await process.aclose()
