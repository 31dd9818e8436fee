"""Which clusters a command works on, where they are several: --context more than once, and what goes with that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec
from click.core import ParameterSource

from asyncmigrate._cli import options
from asyncmigrate._rules.decisions.fleet import MAX_CLUSTERS

F = TypeVar("F", bound=Callable[..., Any])

_OF_ONE = ("server", "token", "cluster", "user")  # each cluster has its own, and a token goes to no other


class FleetOptions(msgspec.Struct, frozen=True):
    """The clusters: by their contexts, all that the kubeconfig has, or those that a file names; and in which order."""

    context: tuple[str, ...] = ()
    all_contexts: bool = False
    contexts_from: str | None = None
    max_clusters: int = MAX_CLUSTERS
    canary: tuple[str, ...] = ()
    stop_after: int | None = None

    @property
    def is_fleet(self) -> bool:
        """Several contexts were asked for, even if there should be just one."""
        return len(self.context) > 1 or self.all_contexts or self.contexts_from is not None


def connections(command: F) -> F:
    """The flags of `options.connection` with --context more than once, --all-contexts, --contexts-from and the rest."""
    inner = options.connections(command)

    def split(**params: Any) -> Any:  # noqa: ANN401 -- whatever click parsed
        fleet = _fleet(**{field: params.pop(field) for field in FleetOptions.__struct_fields__})
        _check(fleet, params)
        only = None if fleet.is_fleet else next(iter(fleet.context), None)
        return inner(**params, context=only, fleet=fleet)

    split.__doc__, split.__name__ = command.__doc__, command.__name__
    split.__dict__.update(inner.__dict__)
    found: Any = split
    for option in reversed(_OPTIONS):
        found = option(found)
    return found  # type: ignore[no-any-return]  # it takes what click gives


_OPTIONS = (
    click.option("--all-contexts", is_flag=True, help="Work on the clusters of all contexts of the kubeconfig."),
    click.option(
        "--contexts-from",
        metavar="FILE|-",
        help="Work on the clusters of the contexts that a file names, one a line; `#` begins a comment.",
    ),
    click.option(
        "--max-clusters",
        type=click.IntRange(min=1),
        default=MAX_CLUSTERS,
        show_default=True,
        metavar="N",
        help="With several contexts: so many clusters at once. Each has its own --max-in-flight and --rate.",
    ),
    click.option(
        "--canary",
        multiple=True,
        metavar="NAME",
        type=options.Word(),
        help="With several contexts: this one goes first, and the rest begin only if it ends with exit code 0. "
        "Repeatable: all must.",
    ),
    click.option(
        "--stop-after",
        type=click.IntRange(min=1),
        metavar="N",
        help="With several contexts: begin no more clusters once N have failed.",
    ),
)


def _fleet(**fields: Any) -> FleetOptions:  # noqa: ANN401 -- the parameters of these names
    """The options; of those that exclude each other a flag comes before an environment variable."""
    ctx = click.get_current_context()
    given = {n for n in ("context", "all_contexts", "contexts_from") if fields[n]}
    typed = {n for n in given if ctx.get_parameter_source(n) is not ParameterSource.ENVIRONMENT}
    for name in given - typed if typed else ():
        fields[name] = () if name == "context" else None if name == "contexts_from" else False
    return FleetOptions(**fields)


def _check(fleet: FleetOptions, params: dict[str, Any]) -> None:
    """Refuse what makes no sense together.

    Raises:
        click.UsageError: it does not.
    """
    if fleet.all_contexts and (fleet.context or fleet.contexts_from is not None):
        raise click.UsageError("--all-contexts takes them all: leave --context and --contexts-from out")
    if fleet.canary and not fleet.is_fleet:
        raise click.UsageError("--canary goes with several contexts: give --context more than once, or --all-contexts")
    if not fleet.is_fleet:
        return
    if params["show"].format.is_for_ci:
        raise click.UsageError(f"-o {params['show'].format} goes with one context: run it once for each")
    for name in _OF_ONE:
        if params.get(name) is not None:
            raise click.UsageError(f"--{name} goes with one context: each cluster has its own in the kubeconfig")
    # What names the CRDs is taken out of `params` before this.
    if fleet.contexts_from == "-" and "-" in click.get_current_context().params.get("filename", ()):
        raise click.UsageError("standard input is read once: for --contexts-from, or for -f")
