"""Options that commands share, in kubectl's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click
import msgspec

from asyncmigrate._rules.errors.secrets import Discreet

if TYPE_CHECKING:
    from asyncmigrate._cluster.cluster import Cluster

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_KIND = re.compile(r"(crds?|customresourcedefinitions?(\.apiextensions\.k8s\.io)?)/", re.IGNORECASE)


_RECURSIVE = click.option("-R", "--recursive", is_flag=True, help="Read the folders given with -f and all below them.")


class Duration(click.ParamType[float]):
    """Seconds from `30`, `30s`, `1m30s`, `500ms`; `zero` says what 0 means."""

    name = "duration"

    def __init__(self, zero: str = "no bound") -> None:
        self._zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        if isinstance(value, float):
            return value
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", value)
        if not parts or "".join(n + u for n, u in parts) != value:
            self.fail(f"{value!r} is no duration: write 30s, 1m30s, or 0 for {self._zero}", param, ctx)
        return sum(float(n) * _UNITS[u] for n, u in parts)


class Word(click.ParamType[str]):
    """Text that is not empty: to ignore `--as "$NOBODY"` would be to act as somebody else than was meant."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        if not str(value).strip():
            self.fail("it is empty: leave it out, or say which", param, ctx)
        return str(value)


class Connection(Discreet, frozen=True):
    """Which cluster, as whom, and how patient each request is; a timeout of None has no bound."""

    kubeconfig: str | None
    context: str | None
    cluster: str | None
    user: str | None
    server: str | None
    token: str | None
    as_user: str | None
    as_uid: str | None
    as_groups: tuple[str, ...]
    request_timeout: float | None
    reads_stdin: bool = False

    _hidden: ClassVar = frozenset({"kubeconfig", "token"})  # of several clusters it may be what is in one

    def open(self) -> Cluster:
        from asyncmigrate._cluster.cluster import Cluster  # noqa: PLC0415 -- keeps --help quick

        return Cluster.from_kubeconfig(
            self.kubeconfig,
            context=self.context,
            cluster=self.cluster,
            user=self.user,
            server=self.server,
            token=self.token,
            as_user=self.as_user,
            as_uid=self.as_uid,
            as_groups=self.as_groups or None,
            stdin_is_taken=self.reads_stdin,
            request_timeout=self.request_timeout,
        )


class CRDOptions(Discreet, frozen=True):
    """Which CRDs a command is about."""

    _hidden = frozenset({"files"})  # a URL may have a password

    names: tuple[str, ...]
    files: tuple[str, ...]
    recursive: bool
    selector: str
    ignore_not_found: bool = False


ALL = CRDOptions((), (), recursive=False, selector="")


def _bundle(into: str, kind: Callable[..., object], fields: dict[str, str]) -> Callable[[F], F]:
    """Gather the click parameters named in `fields` into one argument `into` of the command."""

    def decorate(command: F) -> F:
        def gathered(**params: Any) -> Any:  # noqa: ANN401 -- whatever click parsed
            return command(**params | {into: kind(**{f: params.pop(p) for f, p in fields.items()})})

        gathered.__doc__, gathered.__name__ = command.__doc__, command.__name__
        gathered.__dict__.update(command.__dict__)
        return gathered  # type: ignore[return-value]  # it takes what click gives

    return decorate


# The parameter of each field; it has the name of its flag, for so has its environment variable.
_CONNECTION_PARAMS = {f: f for f in Connection.__struct_fields__ if f != "reads_stdin"} | {
    "as_user": "as",
    "as_groups": "as_group",
}
CONNECTION_WORDS = frozenset(_CONNECTION_PARAMS.values()) - {"request_timeout"}
_CONNECTION = (
    click.option(
        "--kubeconfig", metavar="FILE", type=Word(), help="Default: $KUBECONFIG, ~/.kube/config, or the pod's."
    ),
    click.option("--cluster", metavar="NAME", type=Word(), help="The kubeconfig cluster, instead of the context's."),
    click.option("--user", metavar="NAME", type=Word(), help="The kubeconfig user, instead of the context's."),
    click.option("-s", "--server", metavar="URL", type=Word(), help="The API server, instead of the cluster's."),
    click.option("--token", metavar="TOKEN", type=Word(), help="A bearer token, instead of the user's credentials."),
    click.option("--as", "as", metavar="USER", type=Word(), help="Act as this user, with this user's rights."),
    click.option("--as-group", metavar="GROUP", type=Word(), multiple=True, help="And group. Repeatable."),
    click.option("--as-uid", metavar="UID", type=Word(), help="And uid."),
    click.option(
        "--request-timeout",
        type=Duration(),
        default="60s",
        show_default=True,
        metavar="DURATION",
        help="How long one request may take; 0 for no bound.",
    ),
)


def _context(*, several: bool) -> Callable[[F], F]:
    more = " Repeatable: each is a cluster to work on." if several else ""
    return click.option(
        "--context",
        metavar="NAME",
        type=Word(),
        multiple=several,
        help=f"The kubeconfig context; the current one by default.{more}",
    )


def connections(command: F) -> F:
    """The same as `connection` with --context more than once: `fleet_options` makes of that what it takes."""
    return _connect(command, several=True)


def connection(command: F) -> F:
    """--kubeconfig, --context, --cluster, --user, -s, --token, --as, --as-group, --as-uid, --request-timeout."""
    return _connect(command, several=False)


def _connect(command: F, *, several: bool) -> F:
    command = _bundle("connection", _connection, _CONNECTION_PARAMS)(command)
    kubeconfig, *others = _CONNECTION
    for option in (*reversed(others), _context(several=several), kubeconfig):
        command = option(command)
    # kubectl has it, and some people give it everywhere.
    refused = click.option(
        "-n", "--namespace", hidden=True, expose_value=False, callback=_refuse_namespace, metavar="NAMESPACE"
    )
    return refused(command)


def _refuse_namespace(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.BadParameter("a CRD is migrated in all namespaces, or not at all: leave it out", ctx, param)


def _connection(*, request_timeout: float, **words: Any) -> Connection:  # noqa: ANN401 -- whatever click parsed
    ctx = click.get_current_context(silent=True)  # there is none while a command line is completed
    stdin = "-" in ctx.params.get("filename", ()) if ctx else False
    return Connection(**words, request_timeout=request_timeout or None, reads_stdin=stdin)


def connection_of(params: dict[str, Any]) -> Connection:
    """The connection that a command line names so far, for its completion."""
    taken = {field: params.get(name) for field, name in _CONNECTION_PARAMS.items()}
    context = taken["context"]
    if isinstance(context, tuple):  # of several clusters the first one
        taken["context"] = next(iter(context), None)
    return _connection(**taken | {"as_groups": taken["as_groups"] or ()})


def choice(command: F) -> F:
    """[CRD...], -f, -R, -l, --ignore-not-found."""
    fields = {"names": "crd", "files": "filename"} | {f: f for f in ("recursive", "selector", "ignore_not_found")}
    command = _bundle("choice", _choice, fields)(command)
    for option in (
        click.option(
            "--ignore-not-found",
            is_flag=True,
            help="A CRD that is named, and not on the cluster, is new. For hooks that run before a new release.",
        ),
        click.option(
            "-l",
            "--selector",
            default="",
            metavar="SELECTOR",
            help="Only CRDs with these labels, such as `app=web,tier!=cache`.",
        ),
        _RECURSIVE,
        click.option(
            "-f",
            "--filename",
            multiple=True,
            metavar="FILE|DIR|URL|-",
            help="Manifests of an upgrade to come: what they hold is looked up on the cluster. Repeatable.",
        ),
        click.argument("crd", nargs=-1),
    ):
        command = option(command)
    return command


def _choice(
    names: tuple[str, ...], files: tuple[str, ...], *, recursive: bool, selector: str, ignore_not_found: bool
) -> CRDOptions:
    _check_recursive(files, recursive=recursive)
    return CRDOptions(tuple(map(_name, names)), files, recursive, selector, ignore_not_found)


def _check_recursive(files: tuple[str, ...], *, recursive: bool) -> None:
    if recursive and not files:
        raise click.UsageError("-R goes with -f")


def _name(named: str) -> str:
    """A CRD's name, which may be written as `crd/NAME`."""
    return _KIND.sub("", named, count=1)


class DropOptions(msgspec.Struct, frozen=True):
    """What `droppable` is asked: about which CRD, which of its versions (None for all), and where to look."""

    name: str
    version: str | None
    owners: bool
    files: tuple[str, ...]
    recursive: bool


def drop(command: F) -> F:
    """CRD, --version, --owners, -f, -R."""
    fields = {"name": "crd", "version": "version", "owners": "owners", "files": "filename", "recursive": "recursive"}
    command = _bundle("drop", _drop, fields)(command)
    for option in (
        _RECURSIVE,
        click.option(
            "-f",
            "--filename",
            multiple=True,
            metavar="FILE|DIR|URL|-",
            help="Manifests that may still use an old version. Repeatable.",
        ),
        click.option(
            "--owners",
            is_flag=True,
            help="Look for owner references, too. This lists the metadata of every object in the cluster.",
        ),
        click.option("--version", metavar="VERSION", help="Only this version; by default all but the storage version."),
        click.argument("crd"),
    ):
        command = option(command)
    return command


def _drop(name: str, version: str | None, files: tuple[str, ...], *, owners: bool, recursive: bool) -> DropOptions:
    _check_recursive(files, recursive=recursive)
    return DropOptions(_name(name), version, owners, files, recursive)


class StateOptions(msgspec.Struct, frozen=True):
    """Where to keep how far a run has got: a file or ConfigMap, or by default the user's state folder; or nowhere."""

    file: str | None
    kept: bool


def state(command: F) -> F:
    """--state, --no-state."""
    command = _bundle("state", _state, {"file": "state", "no_state": "no_state"})(command)
    for option in (
        click.option("--no-state", is_flag=True, help="Keep no state: a killed run begins anew."),
        click.option(
            "--state",
            metavar="FILE|configmap:NS/NAME",
            help="Where to keep how far each CRD has got, so that a killed run goes on where it was; "
            "by default in your state folder. A ConfigMap serves pods, and shards on several machines.",
        ),
    ):
        command = option(command)
    return command


def _state(file: str | None, *, no_state: bool) -> StateOptions:
    if file is not None and no_state:
        raise click.UsageError("--state and --no-state exclude each other")
    return StateOptions(file, kept=not no_state)


def allow_pruning(command: F) -> F:
    """--allow-pruning."""
    return click.option(
        "--allow-pruning",
        is_flag=True,
        help="Migrate CRDs even if that removes fields which the storage version's schema lacks.",
    )(command)
