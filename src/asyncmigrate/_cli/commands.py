"""What `plan` and `run` do: open the cluster, show progress, print the result, and end with the right code."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click
import msgspec
import platformdirs

from asyncmigrate._cli import exits
from asyncmigrate._cli.exits import Declined, Exit
from asyncmigrate._cli.guard import guarded, loaded
from asyncmigrate._cli.options import Connection, CRDOptions, StateOptions
from asyncmigrate._cli.show import Show
from asyncmigrate._cli.watch_options import WatchOptions
from asyncmigrate._cli.watching import Watching, watched
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.planner import plan
from asyncmigrate._engine.runner import run
from asyncmigrate._engine.stores import check_file
from asyncmigrate._engine.tasks import in_thread
from asyncmigrate._manifests.given import Place
from asyncmigrate._options import PlanOptions, RunOptions
from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._output.read_unfinished import read_unfinished
from asyncmigrate._results.plan import Decision, Plan
from asyncmigrate._results.report import Report
from asyncmigrate._results.unfinished import Unfinished
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate.errors import StateError
from asyncmigrate.events import Event, Observer, RunFinished

PATIENCE = 1.0  # seconds that a person who is to be asked waits for counts; a guess: most servers take much less
_NOTHING = Report(context="", server="", seconds=0.0, crds=(), requests=0, retries=0)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the command does it: `ask` shows the plan and asks first, a `state` of None keeps none."""

    options: RunOptions = RunOptions()
    allow_pruning: bool = False
    clean_only: bool = False
    ask: bool = False
    state: str | None = None
    unfinished: tuple[Unfinished, ...] | None = None


def plan_command(
    connection: Connection,
    choice: CRDOptions,
    show: Show,
    watch: WatchOptions,
    *,
    allow_pruning: bool,
    drop: str | None,
    check: bool,
) -> Exit:
    """`asyncmigrate plan`."""

    async def body() -> Exit:
        with Watching(watch, show) as watching:
            async with open_cluster(connection) as cluster:
                with show.display(cluster) as display:
                    watchers = watching.observers(cluster)
                    made = await _plan(cluster, choice, [display, *watchers], allow_pruning=allow_pruning, drop=drop)
        show.result(made, drop=drop is not None, check=check)
        if drop is not None and all(c.droppable is None for c in made.crds):
            failed = " that could be looked up" if made.by_decision(Decision.FAILED) else ""
            show.warning(f"no CRD of this plan{failed} has {drop} in its spec.versions or status.storedVersions")
        return exits.for_plan(made, check=check, drop=drop is not None)

    return guarded(body, show, advice="nothing was changed")


def run_command(
    connection: Connection,
    choice: CRDOptions,
    show: Show,
    watch: WatchOptions,
    job: Job,
    *,
    state: StateOptions,
    retry_failed: str | None,
) -> Exit:
    """`asyncmigrate run`."""

    async def body(watching: Watching) -> Exit:
        chosen, told = choice, msgspec.structs.replace(job, state=await state_of(state, show))
        if retry_failed is not None:
            left = await in_thread(lambda: read_unfinished(retry_failed))  # it may be a pipe
            if not left:
                show.note(f"{retry_failed} has nothing left to do")
                show.result(_NOTHING)
                return Exit.OK
            told = msgspec.structs.replace(told, unfinished=left)
            chosen = msgspec.structs.replace(choice, names=tuple(u.name for u in left))
        return await _plan_and_run(connection, chosen, show, watching, told)

    return guarded(watched(body, watch, show), show)


async def _plan_and_run(connection: Connection, choice: CRDOptions, show: Show, watching: Watching, job: Job) -> Exit:
    async with open_cluster(connection) as cluster:
        observers = watching.observers(cluster)
        with show.display(cluster) as display:
            most = job.options.max_in_flight
            made = await _plan(
                cluster,
                choice,
                [display, *observers],
                allow_pruning=job.allow_pruning,
                clean_only=job.clean_only,
                counts_within=PATIENCE if job.ask else 0,  # what a run meets it finds out by itself
                max_in_flight=most,
            )
        is_held = bool(made.blocked) and not job.options.skip_blocked
        if job.ask and made.stale and not is_held:
            await _confirm(made, show)
        return await run_and_print(cluster, made, show, job, observers)


async def state_of(state: StateOptions, show: Show) -> str | None:
    """The state to use; the default one is done without where it cannot be used, with a word about it."""
    if not state.kept:
        return None
    if state.file is not None:
        return state.file
    try:
        path = platformdirs.user_state_path("asyncmigrate") / "state.json"
        await check_file(path)
    except RuntimeError:  # neither HOME nor a passwd entry, as in a container with a user ID of its own
        show.warning(words.not_saved("there is no home directory; give --state, or --no-state"))
        return None
    except StateError as error:
        show.warning(words.not_saved(str(error)))
        return None
    return str(path)


async def run_and_print(cluster: Cluster, made: Plan, show: Show, job: Job, observers: Sequence[Observer] = ()) -> Exit:
    """Run a plan and print its report, also when interrupted: then with what was done by then."""
    last: list[Report] = []

    def keep(event: Event) -> None:
        if isinstance(event, RunFinished):
            last.append(event.report)

    try:
        with show.display(cluster) as display:
            await run(
                cluster,
                made,
                unfinished=job.unfinished,
                state=job.state,
                observers=[display, keep, *observers],
                **msgspec.structs.asdict(job.options),
            )
    finally:
        for report in last:
            show.result(report)
    return exits.for_report(last[0], skip_blocked=job.options.skip_blocked)


@asynccontextmanager
async def open_cluster(connection: Connection) -> AsyncIterator[Cluster]:
    """Open the cluster that the options name."""
    async with connection.open() as cluster:
        loaded()
        yield cluster


async def _plan(
    cluster: Cluster,
    choice: CRDOptions,
    observers: Sequence[Observer],
    *,
    allow_pruning: bool,
    clean_only: bool = False,
    drop: str | None = None,
    counts_within: float | None = PlanOptions().counts_within,
    max_in_flight: int = PlanOptions().max_in_flight,
) -> Plan:
    return await plan(
        cluster,
        manifests=[Place(f) for f in choice.files] or None,
        recursive=choice.recursive,
        names=choice.names,
        selector=choice.selector,
        ignore_not_found=choice.ignore_not_found,
        allow_pruning=allow_pruning,
        clean_only=clean_only,
        drop=drop,
        counts_within=counts_within,
        max_in_flight=max_in_flight,
        observers=observers,
    )


async def _confirm(made: Plan, show: Show) -> None:
    """Show the plan and ask.

    Raises:
        Declined: the answer is not yes.
    """
    show.plan_to_confirm(made)
    await ask(f"migrate {count(len(made.stale), 'CRD')} on {made.server}? [y/N] ")


async def ask(question: str) -> None:
    """Ask on the terminal.

    Raises:
        Declined: the answer is not yes.
    """
    click.echo(clean(question), err=True, nl=False)
    # Read past sys.stdin and in a thread that nobody waits for, so that Ctrl-C ends the question too.
    answer = await in_thread(lambda: os.read(0, 1024))
    if answer.strip().lower() not in {b"y", b"yes"}:
        raise Declined("nothing was written")
