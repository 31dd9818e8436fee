"""What `plan` and `run` do: open the cluster, show progress, print the result, and end with the right code."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO

import anyio
import click
import msgspec
import platformdirs
from anyio.abc import TaskGroup

from asyncmigrate._cli import exits
from asyncmigrate._cli.exits import Exit
from asyncmigrate._cli.options import Connection, CRDOptions, StateOptions
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.planner import plan
from asyncmigrate._engine.run_state import open_state
from asyncmigrate._engine.runner import run
from asyncmigrate._engine.tasks import UnwaitedThreads, in_thread, open_tasks
from asyncmigrate._manifests.given import Place
from asyncmigrate._observers.display import Display
from asyncmigrate._observers.progress import Lines, Live
from asyncmigrate._options import PlanOptions, RunOptions
from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._output.read_json import read_unfinished
from asyncmigrate._output.tables import console_for, plan_table, report_table
from asyncmigrate._results.plan import Decision, Plan
from asyncmigrate._results.report import Report
from asyncmigrate._results.unfinished import Unfinished
from asyncmigrate.errors import MigrateError, StateError
from asyncmigrate.events import Event, RunFinished


class OutputOptions(msgspec.Struct, frozen=True):
    """How to print: `output` is table or json; `verbose` counts the -v."""

    output: str
    verbose: int

    def result(self, result: Plan | Report, *, stream: TextIO | None = None) -> None:
        """Print a plan or report, on stdout unless told otherwise."""
        stream = stream or sys.stdout
        if self.output == "json":
            click.echo(result.to_json(), file=stream)
        else:
            console_for(stream).print(plan_table(result) if isinstance(result, Plan) else report_table(result))

    def display(self) -> Display:
        """What to show while it lasts: logs where asked for, else a live display, or lines off a terminal."""
        if self.verbose:
            from asyncmigrate._observers.logs import Logs  # noqa: PLC0415 -- structlog takes 0.2 s to import

            return Logs(requests=self.verbose > 1)
        console = console_for(sys.stderr)
        return Live(console) if console.is_terminal else Lines(console)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the command does it: `ask` shows the plan and asks first, a `state` of None keeps none."""

    options: RunOptions = RunOptions()
    allow_pruning: bool = False
    clean_only: bool = False
    ask: bool = False
    state: Path | None = None
    unfinished: tuple[Unfinished, ...] | None = None


def plan_command(
    connection: Connection,
    choice: CRDOptions,
    show: OutputOptions,
    *,
    allow_pruning: bool,
    drop: str | None,
    check: bool,
) -> Exit:
    """`asyncmigrate plan`."""

    async def body() -> Exit:
        async with open_cluster(connection) as cluster:
            with show.display() as display:
                made = await _plan(cluster, choice, display, allow_pruning=allow_pruning, drop=drop)
        show.result(made)
        if drop is not None and all(c.droppable is None for c in made.crds):
            failed = " that could be looked up" if made.by_decision(Decision.FAILED) else ""
            said = f"no CRD of this plan{failed} has {drop} in its spec.versions or status.storedVersions"
            click.echo(clean(said), err=True)
        return exits.for_plan(made, check=check, drop=drop is not None)

    return guarded(body)


def run_command(
    connection: Connection,
    choice: CRDOptions,
    show: OutputOptions,
    job: Job,
    *,
    state: StateOptions,
    retry_failed: str | None,
) -> Exit:
    """`asyncmigrate run`."""

    async def body() -> Exit:
        chosen, told = choice, msgspec.structs.replace(job, state=await _state_file(state))
        if retry_failed is not None:
            left = await in_thread(lambda: read_unfinished(retry_failed))  # it may be a pipe
            if not left:
                click.echo(clean(f"{retry_failed} has nothing left to do"), err=True)
                return Exit.OK
            told = msgspec.structs.replace(told, unfinished=left)
            chosen = msgspec.structs.replace(choice, names=tuple(u.name for u in left))
        return await _plan_and_run(connection, chosen, show, told)

    return guarded(body)


async def _plan_and_run(connection: Connection, choice: CRDOptions, show: OutputOptions, job: Job) -> Exit:
    async with open_cluster(connection) as cluster:
        with show.display() as display:
            most = job.options.max_in_flight
            made = await _plan(
                cluster,
                choice,
                display,
                allow_pruning=job.allow_pruning,
                clean_only=job.clean_only,
                counts=job.ask,  # for whoever is asked: what a run meets it finds out by itself
                max_in_flight=most,
            )
        if job.ask and made.stale and not await _confirmed(made, show):
            click.echo("nothing was written", err=True)
            return Exit.OK
        return await run_and_print(cluster, made, show, job)


async def _state_file(state: StateOptions) -> Path | None:
    """The state file to use; the default one is done without where it cannot be used, with a word about it."""
    if not state.kept:
        return None
    if state.file is not None:
        return Path(state.file)
    path = platformdirs.user_state_path("asyncmigrate") / "state.json"
    try:
        await open_state(path)
    except StateError as error:
        click.echo(clean(words.not_saved(str(error))), err=True)
        return None
    return path


async def run_and_print(cluster: Cluster, made: Plan, show: OutputOptions, job: Job) -> Exit:
    """Run a plan and print its report, also when interrupted: then with what was done by then."""
    last: list[Report] = []

    def keep(event: Event) -> None:
        if isinstance(event, RunFinished):
            last.append(event.report)

    try:
        with show.display() as display:
            await run(
                cluster,
                made,
                unfinished=job.unfinished,
                state=job.state,
                observers=[display, keep],
                **msgspec.structs.asdict(job.options),
            )
    finally:
        for report in last:
            show.result(report)
    return exits.for_report(last[0], skip_blocked=job.options.skip_blocked)


def guarded(body: Callable[[], Awaitable[Exit]], *, advice: str = "run again to do the rest") -> Exit:
    """Run a command's body: errors become one line and a code, SIGINT and SIGTERM end it in good order."""

    async def main() -> Exit:
        code = Exit.INTERRUPTED
        asyncio.get_running_loop().set_default_executor(UnwaitedThreads())
        async with open_tasks() as tasks:
            await tasks.start(_stop_on_signals, tasks)
            code = await body()
            tasks.cancel_scope.cancel()
        return code

    gc.disable()  # until all is loaded: see loaded()
    try:
        code = anyio.run(main)
    except MigrateError as error:
        click.echo(clean(f"error: {error}"), err=True)
        return exits.for_error(error)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # click ends in silence
        click.echo(clean(f"error: {error.strerror or error}"), err=True)
        return Exit.FAILED
    finally:
        gc.enable()
    if code is Exit.INTERRUPTED:
        click.echo(f"interrupted: {advice}", err=True)
    return code


async def _stop_on_signals(tasks: TaskGroup, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def open_cluster(connection: Connection) -> AsyncIterator[Cluster]:
    """Open the cluster that the options name."""
    async with Cluster.from_kubeconfig(
        connection.kubeconfig, context=connection.context, request_timeout=connection.request_timeout
    ) as cluster:
        loaded()
        yield cluster


def loaded() -> None:
    """Have garbage collections leave alone what a connection loads, a thousand modules: most of their cost is there."""
    gc.freeze()
    gc.enable()


async def _plan(
    cluster: Cluster,
    choice: CRDOptions,
    display: Display,
    *,
    allow_pruning: bool,
    clean_only: bool = False,
    drop: str | None = None,
    counts: bool = True,
    max_in_flight: int = PlanOptions().max_in_flight,
) -> Plan:
    return await plan(
        cluster,
        manifests=[Place(f) for f in choice.files] or None,
        recursive=choice.recursive,
        names=choice.names,
        selector=choice.selector,
        allow_pruning=allow_pruning,
        clean_only=clean_only,
        drop=drop,
        counts=counts,
        max_in_flight=max_in_flight,
        observers=[display],
    )


async def _confirmed(made: Plan, show: OutputOptions) -> bool:
    OutputOptions("table", show.verbose).result(made, stream=sys.stderr)
    click.echo(clean(f"migrate {len(made.stale)} CRD(s) on {made.server}? [y/N] "), err=True, nl=False)
    # Read past sys.stdin and in a thread that nobody waits for, so that Ctrl-C ends the question too.
    answer = await in_thread(lambda: os.read(0, 1024))
    return answer.strip().lower() in {b"y", b"yes"}
