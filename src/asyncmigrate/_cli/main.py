"""The commands: parses what was asked for and hands it on."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click
import msgspec

from asyncmigrate._cli import in_cluster_options, options, run_options, shard_options
from asyncmigrate._cli.completing import SHELLS, complete_types, kubectl_answer, script
from asyncmigrate._cli.fleet_options import FleetOptions, connections
from asyncmigrate._cli.front import SETTINGS, Front
from asyncmigrate._cli.output_options import Format, OutputOptions, format_option, output, plain_output
from asyncmigrate._cli.watch_options import WatchOptions, watch
from asyncmigrate._options import ManagedFields, RunOptions

_EXITS = """\b
Exit codes:
  0    all done, or nothing to do
  1    something failed or is incomplete; droppable: no;
       plan --check: something is stale, blocked or failed
  2    wrong usage, or a broken manifest
  3    blocked: nothing was written
  4    the cluster cannot be reached or refuses us
  130  interrupted, or the question was not answered with yes
With several contexts the worst of theirs: 130, 2, 3, 4, 1, 0.

\b
Environment: each long flag of a command has a variable, such as
ASYNCMIGRATE_MAX_IN_FLIGHT=8 for --max-in-flight 8. A flag comes first.
"""


@click.group(
    cls=Front,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXITS,
    help="Move Kubernetes custom resources to their CRD's storage version: fast, and without ever losing one.",
)
@click.version_option(package_name="asyncmigrate", message="asyncmigrate %(version)s")
def main() -> None: ...  # reachable as `asyncmigrate`, `kubectl asyncmigrate` and `python -m asyncmigrate`


@main.command(epilog=_EXITS, context_settings=SETTINGS, short_help="Say what a migration would have to do.")
@options.choice
@options.allow_pruning
@click.option(
    "--drop", metavar="VERSION", help="Say of each CRD that has this version whether it can be dropped, and why not."
)
@click.option(
    "--check",
    is_flag=True,
    help="Exit with 1 where anything is stale, blocked or failed, or the version of --drop cannot be dropped.",
)
@watch
@output
@connections
def plan(
    *,
    choice: options.CRDOptions,
    allow_pruning: bool,
    drop: str | None,
    check: bool,
    watch: WatchOptions,
    show: OutputOptions,
    connection: options.Connection,
    fleet: FleetOptions,
) -> NoReturn:
    """Say what a migration would have to do. Nothing is written.

    With -f: before an upgrade, about the CRDs in its manifests. Without: about the live CRDs named, selected, or all.
    """
    from asyncmigrate._cli.commands import plan_command  # noqa: PLC0415 -- keeps --help quick
    from asyncmigrate._cli.show import Show  # noqa: PLC0415 -- the same

    if fleet.is_fleet:
        from asyncmigrate._cli.fleet import fleet_plan_command  # noqa: PLC0415 -- the same

        sys.exit(
            fleet_plan_command(
                fleet, connection, choice, Show(show), watch=watch, allow_pruning=allow_pruning, drop=drop, check=check
            )
        )
    sys.exit(plan_command(connection, choice, Show(show), watch, allow_pruning=allow_pruning, drop=drop, check=check))


@main.command(epilog=_EXITS, context_settings=SETTINGS, short_help="Migrate every stale CRD.")
@options.choice
@run_options.how
@click.option(
    "--clean-only",
    is_flag=True,
    help="Only move managedFields entries, of CRDs whose storedVersions are fine.",
)
@options.allow_pruning
@click.option(
    "--retry-failed",
    metavar="REPORT",
    help="Retry only what an earlier run left undone. REPORT is that run's -o json output.",
)
@options.state
@shard_options.shard
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@watch
@output
@connections
def run(
    *,
    choice: options.CRDOptions,
    how: RunOptions,
    clean_only: bool,
    allow_pruning: bool,
    retry_failed: str | None,
    state: options.StateOptions,
    shard: tuple[int, int] | None,
    yes: bool,
    watch: WatchOptions,
    show: OutputOptions,
    connection: options.Connection,
    fleet: FleetOptions,
) -> NoReturn:
    """Migrate every stale CRD: rewrite its objects in the storage version, then trim storedVersions."""
    from asyncmigrate._cli.commands import Job, run_command  # noqa: PLC0415 -- keeps --help quick
    from asyncmigrate._cli.show import Show  # noqa: PLC0415 -- the same

    if retry_failed is not None and choice != options.ALL:
        raise click.UsageError(
            "--retry-failed takes its CRDs from the report: name none, and give no -f, -R, -l or --ignore-not-found"
        )
    asks = not (yes or how.dry_run)
    if asks and not (os.isatty(0) and os.isatty(2)):
        raise click.UsageError("there is no terminal to ask on: give -y to go ahead, or --dry-run=server to rehearse")
    if clean_only and how.managed_fields is ManagedFields.KEEP:
        raise click.UsageError("--clean-only moves managedFields, and --managed-fields keep excludes that")
    excluded = {"dry_run": how.dry_run, "rewrite_all": how.rewrite_all, "retry_failed": retry_failed is not None}
    shard_options.check(shard, state, clean_only=clean_only, **excluded)
    how = msgspec.structs.replace(how, shard=shard)
    job = Job(options=how, allow_pruning=allow_pruning, clean_only=clean_only, ask=asks)
    if fleet.is_fleet:
        if shard is not None:
            raise click.UsageError("a shard goes with one context: run the shards of each cluster by themselves")
        from asyncmigrate._cli.fleet import fleet_run_command  # noqa: PLC0415 -- the same

        sys.exit(
            fleet_run_command(
                fleet, connection, choice, Show(show), job, watch=watch, state=state, retry_failed=retry_failed
            )
        )
    sys.exit(run_command(connection, choice, Show(show), watch, job, state=state, retry_failed=retry_failed))


@main.command(epilog=_EXITS, context_settings=SETTINGS, short_help="Say which old versions can be dropped, or why not.")
@options.drop
@plain_output
@options.connection
def droppable(*, drop: options.DropOptions, show: OutputOptions, connection: options.Connection) -> NoReturn:
    """Say which old versions of a CRD can be dropped from its spec.versions, and what still uses the others.

    Nothing is written. Exits with 0 if all that were asked about can be dropped, all at once, with 1 if not.
    """
    from asyncmigrate._cli.droppable import droppable_command  # noqa: PLC0415 -- keeps --help quick
    from asyncmigrate._cli.show import Show  # noqa: PLC0415 -- the same

    sys.exit(droppable_command(connection, drop, Show(show)))


@main.command(context_settings=SETTINGS, short_help="Print manifests to run it inside a cluster.")
@in_cluster_options.manifests
def manifests(*, wanted: in_cluster_options.ManifestOptions) -> NoReturn:
    """Print what `kubectl apply -f -` takes to run asyncmigrate inside a cluster: account, rights, Job or CronJob.

    For the CRDs named, or in the manifests of -f; without, for all. No cluster is asked, and nothing is changed.
    """
    from asyncmigrate._cli.in_cluster import manifests_command  # noqa: PLC0415 -- keeps --help quick

    sys.exit(manifests_command(wanted))


@main.command(context_settings=SETTINGS, short_help="Print the roles that a run needs.")
@in_cluster_options.roles
def rbac(*, wanted: in_cluster_options.ManifestOptions) -> NoReturn:
    """Print just the roles that `manifests` prints: the least rights that a run over these CRDs needs."""
    from asyncmigrate._cli.in_cluster import rbac_command  # noqa: PLC0415 -- the same

    sys.exit(rbac_command(wanted))


@main.command(context_settings=SETTINGS, short_help="Watch an upgrade on an embedded API server.")
def demo() -> NoReturn:
    """Watch an upgrade of some hundred CRDs on an embedded API server; touches no cluster."""
    from asyncmigrate._cli.demo import demo_command  # noqa: PLC0415 -- keeps --help quick

    sys.exit(demo_command())


@main.command(context_settings=SETTINGS)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(*, shell: str) -> None:
    r"""Print the completion script for a shell.

    \b
    bash:  source <(asyncmigrate completion bash)      # in ~/.bashrc
    zsh:   source <(asyncmigrate completion zsh)       # in ~/.zshrc, below compinit
    fish:  asyncmigrate completion fish | source       # in ~/.config/fish/config.fish

    It completes commands, flags, contexts, files, and the names of the CRDs on the cluster. `kubectl asyncmigrate` is
    completed by kubectl's own script.
    """
    click.echo(script(main, shell), nl=False)


@main.command(context_settings=SETTINGS, short_help="Print the version.")
@format_option([Format.TABLE, Format.JSON, Format.YAML], "How to print it.")
def version(*, output: str) -> None:
    """Print the version, and those of what it stands on."""
    from asyncmigrate._cli.version import version_text  # noqa: PLC0415 -- keeps --help quick

    click.echo(version_text(Format(output)))


complete_types(main)


def kubectl_complete() -> None:
    """`kubectl_complete-asyncmigrate`: what kubectl's own completion asks."""
    click.echo(kubectl_answer(main))
