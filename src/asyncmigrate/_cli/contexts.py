"""The contexts of a fleet: read from the kubeconfig and from a file, checked, each cluster once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from asyncmigrate._cli.fleet_options import FleetOptions
from asyncmigrate._cluster.given_kubeconfig import given_kubeconfig
from asyncmigrate._cluster.kubeconfig_files import DEFAULT_KUBECONFIG, Kubeconfig, Source
from asyncmigrate._rules.decisions.phrases import and_words, count
from asyncmigrate.errors import ConfigError, UsageError

_MOST_BYTES = 1 << 20  # some ten thousand names
_NAMED = 5


class Contexts(msgspec.Struct, frozen=True):
    """The names to work on, those of them that go first, and what else there is to say."""

    names: tuple[str, ...]
    canary: tuple[str, ...]
    notes: tuple[str, ...]


def readable(kubeconfig: str | None) -> str | None:
    """The kubeconfig's path; or what is in it, if that can be read only once: a pipe, as of `<(sops -d ...)`.

    Raises:
        ConfigError: it cannot be read.
    """
    if kubeconfig is None or Path(kubeconfig).is_file() or not Path(kubeconfig).exists():
        return kubeconfig
    try:
        return f"{Path(kubeconfig).read_text('utf-8')}\n"  # with a line end it is no path
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{kubeconfig}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}") from None


def contexts_of(kubeconfig: str | None, fleet: FleetOptions) -> Contexts:
    """Find them. Blocking, for files are read.

    Raises:
        ConfigError: the kubeconfig is not there, or cannot be used.
        UsageError: a name is not in it, there are none, or a canary is not among them.
    """
    source = Source(given_kubeconfig(kubeconfig))
    if not source.is_there:
        named = kubeconfig or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
        raise ConfigError(f"no kubeconfig at {named}: give --kubeconfig, or set KUBECONFIG, to a file that exists")
    config = source.read()
    names = tuple(dict.fromkeys(_named(config, fleet)))
    if not names:
        listed = "standard input" if fleet.contexts_from == "-" else fleet.contexts_from
        listed = "standard input" if fleet.contexts_from == "-" else fleet.contexts_from
        what = config.where if fleet.all_contexts else listed
        raise UsageError(f"{what} names no context: there is nothing to work on")
    _check(names, config, fleet)
    return _without_twins(names, config, fleet.canary)


def _named(config: Kubeconfig, fleet: FleetOptions) -> Iterator[str]:
    yield from fleet.context
    if fleet.all_contexts:
        yield from config.contexts
    if fleet.contexts_from is not None:
        yield from _lines(fleet.contexts_from, config)


def _lines(path: str, config: Kubeconfig) -> Iterator[str]:
    """One name a line; blank ones and comments are left out. A context may have `#` in its name."""
    try:
        # Not through sys.stdin: a thread that waits in it holds a lock that the interpreter wants at its exit.
        with open(0 if path == "-" else Path(path), "rb", closefd=path != "-") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise UsageError(f"--contexts-from {path}: it is larger than {_MOST_BYTES:,} bytes: give one name a line")
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"--contexts-from {path}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise UsageError(f"--contexts-from {path}: it is not UTF-8 text: give one name a line") from None
    for line in text.splitlines():
        name = line.strip()
        if name not in config.contexts:
            name = "" if name.startswith("#") else line.partition(" #")[0].strip()
        if name:
            yield name


def _check(names: tuple[str, ...], config: Kubeconfig, fleet: FleetOptions) -> None:
    if unknown := [n for n in names if n not in config.contexts]:
        which, do = (f"context {unknown[0]!r}", "does") if len(unknown) == 1 else (f"contexts {_some(unknown)}", "do")
        raise UsageError(f"{config.where}: {which} {do} not exist: see `kubectl config get-contexts`")
    if missing := [n for n in fleet.canary if n not in names]:
        raise UsageError(f"--canary {missing[0]} is not among the contexts: {_some(list(names))}")


def _without_twins(names: tuple[str, ...], config: Kubeconfig, canary: tuple[str, ...]) -> Contexts:
    """Leave out what is the same cluster and user once more, as contexts that differ in their namespace are."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        groups.setdefault(_place(name, config), []).append(name)
    kept = {_best(group, canary): group for group in groups.values()}
    notes = [
        f"contexts {_some(group)} are one cluster with one user: it is worked on once, as {best!r}"
        for best, group in kept.items()
        if len(group) > 1
    ]
    first = tuple(best for best, group in kept.items() if set(group) & set(canary))
    return Contexts(tuple(kept), first, tuple(notes))


def _best(group: list[str], canary: tuple[str, ...]) -> str:
    return next((n for n in group if n in canary), group[0])


def _place(name: str, config: Kubeconfig) -> tuple[str, ...]:
    """Where a context leads, and as whom; just its name where that cannot be told: opening it says what is wrong."""
    context = config.contexts[name].value
    cluster = config.clusters.get(str(context.get("cluster")))
    if cluster is None or not cluster.value.get("server"):
        return (name,)
    # Behind one address a proxy may choose the cluster by the name that TLS asks for, or by the user.
    where = [str(cluster.value.get(key, "")) for key in ("server", "tls-server-name", "proxy-url")]
    return (*where, str(context.get("user", "")))


def _some(names: list[str]) -> str:
    """The names, but of very many only the first."""
    shown = [repr(n) for n in names[:_NAMED]]
    more = len(names) - _NAMED
    return and_words([*shown, count(more, "more", "more")] if more > 0 else shown)
