"""Which part of the objects a run is to do: --shard, --shards."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from asyncmigrate._cli.options import StateOptions, _bundle
from asyncmigrate._rules.decisions.shard import Shard
from asyncmigrate.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_INDEX = "JOB_COMPLETION_INDEX"  # which Kubernetes gives to each pod of an Indexed Job


def shard(command: F) -> F:
    """--shard, --shards."""
    command = _bundle("shard", _shard, {"one": "shard", "count": "shards"})(command)
    for option in (
        click.option(
            "--shards",
            metavar="N",
            type=int,
            help=f"The same in a pod of an Indexed Job with N completions, which has its index in ${_INDEX}.",
        ),
        click.option(
            "--shard",
            metavar="I/N",
            help="Do part I of N, from 0/N, where one process is too slow: each runs with the same --state, and "
            "the last one to be done trims.",
        ),
    ):
        command = option(command)
    return command


def _shard(one: str | None, count: int | None) -> tuple[int, int] | None:
    if one is not None and count is not None:
        raise click.UsageError("--shard and --shards exclude each other")
    try:
        if one is not None:
            found = Shard.parse(one)
        elif count is not None:
            found = Shard.of((_index(), count))
        else:
            return None
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    return found.index, found.count


def _index() -> int:
    given = os.environ.get(_INDEX)
    if given is None:
        raise click.UsageError(f"--shards is for pods of an Indexed Job, and ${_INDEX} is not set: give --shard I/N")
    if not (given.isascii() and given.isdecimal() and len(given) < 10):  # noqa: PLR2004 -- no number needs more
        raise click.UsageError(f"${_INDEX} is {given!r}, which is no index: give --shard I/N")
    return int(given)


def check(shard: tuple[int, int] | None, state: StateOptions, **others: bool) -> None:
    """Refuse what a shard excludes; `others` are flags, by their names in Python, and whether they are given."""
    if shard is None:
        return
    for name, is_given in others.items():
        if is_given:
            flag = name.replace("_", "-")
            raise click.UsageError(f"--{flag} goes over all objects, or over none: leave out --shard, or --{flag}")
    if state.file is None:
        raise click.UsageError(
            "a shard needs a state that all shards share: --state configmap:NS/NAME, or on one machine --state FILE"
        )
