"""How `run` works, by flags: --dry-run, --max-in-flight, --rate, --settle and the others that are RunOptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from asyncmigrate._cli.options import Duration, _bundle
from asyncmigrate._options import ManagedFields, RunOptions

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULTS = RunOptions()
_OPTIONS = (
    click.option(
        "--dry-run",
        type=click.Choice(["none", "server"]),
        default="none",
        help="`server` rehearses: every write is sent with dryRun=All, and nothing changes.",
    ),
    click.option(
        "--max-in-flight",
        type=click.IntRange(min=1),
        default=_DEFAULTS.max_in_flight,
        show_default=True,
        metavar="N",
        help="Requests under way at once, over all CRDs; beside them at most half as many that get no answer for long.",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(min=0, min_open=True),
        metavar="N",
        help="At most N objects a second, over all CRDs; as many as the server takes by default.",
    ),
    click.option(
        "--settle",
        type=Duration("no wait"),
        default=f"{_DEFAULTS.settle:g}s",
        show_default=True,
        metavar="DURATION",
        help="Wait until a CRD's storage version moved so long ago: writes that began before that may be stored in the "
        "old version for up to 34 s. 0 only if nothing writes.",
    ),
    click.option(
        "--proof-margin",
        type=Duration("no margin"),
        default=f"{_DEFAULTS.proof_margin:g}s",
        show_default=True,
        metavar="DURATION",
        help="Skip objects that were written at least this long after their CRD last changed. Allows for slow API "
        "servers and clock differences; never less than --settle.",
    ),
    click.option("--rewrite-all", is_flag=True, help="Rewrite every object, even if it is known to be current."),
    click.option(
        "--webhook-wait",
        type=Duration("no retry"),
        default=f"{_DEFAULTS.webhook_policy.max_seconds:g}s",
        show_default=True,
        metavar="DURATION",
        help="How long to retry where a webhook does not answer; rotating its certificates takes 60 to 90 s. "
        "0: no retry.",
    ),
    click.option(
        "--managed-fields",
        type=click.Choice(["move", "keep"]),
        default=_DEFAULTS.managed_fields.value,
        show_default=True,
        help="Move managedFields entries to the storage version too, so that server-side apply still works once an old "
        "version is dropped; or keep them.",
    ),
    click.option(
        "--skip-blocked",
        is_flag=True,
        help="Migrate the other CRDs if some are blocked. Without this, nothing is written.",
    ),
    click.option(
        "--events",
        is_flag=True,
        help="Record a Kubernetes Event about each CRD that was migrated, or could not be, for `kubectl describe crd`. "
        "For runs that nobody watches, such as Jobs. Needs the rights to create and patch events in namespace default.",
    ),
)
_SAME = ("max_in_flight", "rate", "settle", "proof_margin", "rewrite_all", "skip_blocked")  # flag and field


def how(command: F) -> F:
    """Gather the flags of RunOptions into `how`."""
    names = (*_SAME, "dry_run", "webhook_wait", "managed_fields", "events")
    command = _bundle("how", _run_options, {n: n for n in names})(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _run_options(
    *,
    dry_run: str,
    webhook_wait: float,
    managed_fields: str,
    events: bool,
    **same: Any,  # noqa: ANN401 -- whatever click parsed
) -> RunOptions:
    return RunOptions(
        dry_run=dry_run == "server",
        managed_fields=ManagedFields(managed_fields),
        webhook_policy=msgspec.structs.replace(_DEFAULTS.webhook_policy, max_seconds=webhook_wait),
        record_events=events,
        **same,
    )
