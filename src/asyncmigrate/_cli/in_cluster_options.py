"""The options of `manifests` and `rbac`: for which CRDs, where in the cluster, and how it is run there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from asyncmigrate._cli.options import _RECURSIVE, Word, _bundle, _check_recursive, _name
from asyncmigrate._output.in_cluster import Hook
from asyncmigrate._rules.errors.secrets import Discreet

F = TypeVar("F", bound=Callable[..., Any])


class ManifestOptions(Discreet, frozen=True):
    """What `manifests` and `rbac` are asked; `rbac` has the fields up to `events` alone."""

    _hidden = frozenset({"files"})  # a URL may have a password

    names: tuple[str, ...]
    files: tuple[str, ...]
    recursive: bool
    namespace: str
    name: str
    state: str | None
    keeps_state: bool
    events: bool
    image: str | None = None
    shards: int | None = None
    schedule: str | None = None
    hook: str | None = None
    flow_schema: bool = False


_ROLE_FIELDS = {
    "names": "crd",
    "files": "filename",
    "no_state": "no_state",
} | {f: f for f in ("recursive", "namespace", "name", "state", "events")}
_JOB_FIELDS = _ROLE_FIELDS | {f: f for f in ("image", "shards", "schedule", "hook", "flow_schema")}

_ROLE_OPTIONS = (
    click.option(
        "--events",
        is_flag=True,
        help="The run records Events on the CRDs, for `kubectl describe crd`; the roles allow it to.",
    ),
    click.option(
        "--no-state",
        is_flag=True,
        help="The run keeps no state, and needs no right to: if its pod is lost, the next one begins anew.",
    ),
    click.option(
        "--state",
        metavar="configmap:NS/NAME",
        type=Word(),
        help="The ConfigMap where the run keeps how far it has got, for the next pod; by default NAME-state of --name, "
        "in its namespace.",
    ),
    click.option(
        "--name",
        metavar="NAME",
        type=Word(),
        default="asyncmigrate",
        show_default=True,
        help="What to call the Job and what goes with it. Give another if there are two in one namespace.",
    ),
    click.option(
        "-n",
        "--namespace",
        metavar="NS",
        type=Word(),
        default="default",
        show_default=True,
        help="Where the Job runs; the namespace must exist. CRDs are migrated in all namespaces.",
    ),
    _RECURSIVE,
    click.option(
        "-f",
        "--filename",
        multiple=True,
        metavar="FILE|DIR|URL|-",
        help="Manifests: for the CRDs in them, which the cluster may not have yet. Repeatable.",
    ),
    click.argument("crd", nargs=-1),
)
_JOB_OPTIONS = (
    click.option(
        "--flow-schema",
        is_flag=True,
        help="Print a FlowSchema too: the API server then serves the run in workload-low. For a namespace such as "
        "kube-system, or a cluster with flow schemas of its own.",
    ),
    click.option(
        "--hook",
        type=click.Choice([hook.value for hook in Hook]),
        help="A hook of Helm or Argo CD: `-pre` for what the old release left stale, `-post` once the new release's "
        "webhook serves; `argocd` is both.",
    ),
    click.option(
        "--schedule",
        metavar="CRON",
        type=Word(),
        help="Print a CronJob, not a Job: for CRDs that become stale on any day. Such as '30 2 * * 6', in the time "
        "zone of the cluster.",
    ),
    click.option(
        "--shards",
        type=click.IntRange(min=1, max=1000),
        metavar="N",
        help="N pods share the objects (an Indexed Job). For when one process takes too long.",
    ),
    click.option(
        "--image",
        metavar="IMAGE",
        type=Word(),
        help="The image that has asyncmigrate, as built from its Dockerfile. By default asyncmigrate:VERSION.",
    ),
)


def roles(command: F) -> F:
    """[CRD...], -f, -R, -n, --name, --state, --no-state, --events."""
    return _with(_ROLE_OPTIONS, _bundle("wanted", _options, _ROLE_FIELDS)(command))


def manifests(command: F) -> F:
    """The same, and --image, --shards, --schedule, --hook, --flow-schema."""
    return _with((*_JOB_OPTIONS, *_ROLE_OPTIONS), _bundle("wanted", _options, _JOB_FIELDS)(command))


def _with(options: tuple[Callable[[F], F], ...], command: F) -> F:
    for option in options:
        command = option(command)
    return command


def _options(*, names: tuple[str, ...], no_state: bool, **given: Any) -> ManifestOptions:  # noqa: ANN401 -- click's
    _check_recursive(given["files"], recursive=given["recursive"])
    if given["state"] is not None and no_state:
        raise click.UsageError("--state and --no-state exclude each other")
    return ManifestOptions(names=tuple(map(_name, names)), keeps_state=not no_state, **given)
