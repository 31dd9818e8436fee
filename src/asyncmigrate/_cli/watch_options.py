"""How a run can be watched: --events-file, --metrics-file, --metrics-port, --metrics-address. Cheap to import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from asyncmigrate._cli.options import _bundle

LOOPBACK = "127.0.0.1"
_MOST_PORT = 65535

F = TypeVar("F", bound=Callable[..., Any])


class WatchOptions(msgspec.Struct, frozen=True):
    """Where events and metrics go; None for nowhere."""

    events_file: str | None = None
    metrics_file: str | None = None
    metrics_port: int | None = None
    metrics_address: str = LOOPBACK

    @property
    def has_metrics(self) -> bool:
        return self.metrics_file is not None or self.metrics_port is not None

    @property
    def metrics_flag(self) -> str:
        """The flag that asks for metrics."""
        return "--metrics-file" if self.metrics_file is not None else "--metrics-port"


def watch(command: F) -> F:
    """--events-file, --metrics-file, --metrics-port, --metrics-address."""
    command = _bundle("watch", _watch, {f: f for f in WatchOptions.__struct_fields__})(command)
    for option in (
        click.option(
            "--metrics-address",
            metavar="HOST",
            help="Where --metrics-port listens, such as 0.0.0.0 in a pod; by default on this machine alone.",
        ),
        click.option(
            "--metrics-port",
            type=click.IntRange(0, _MOST_PORT),
            metavar="N",
            help="Serve metrics for Prometheus on this port while it lasts; 0 takes a free one. For long runs.",
        ),
        click.option(
            "--metrics-file",
            metavar="FILE",
            help="Write metrics to FILE, now and then and in the end. For short runs, by node exporter's textfile "
            "collector.",
        ),
        click.option(
            "--events-file",
            metavar="FILE",
            help="Append each event to FILE as a line of JSON. For a record of each object, or a program that follows.",
        ),
    ):
        command = option(command)
    return command


def _watch(
    events_file: str | None, metrics_file: str | None, metrics_port: int | None, metrics_address: str | None
) -> WatchOptions:
    if metrics_address is not None and metrics_port is None:
        raise click.UsageError("--metrics-address goes with --metrics-port")
    if metrics_address is not None and not metrics_address.strip():
        raise click.UsageError("--metrics-address is empty: leave it out, or say where to listen")
    return WatchOptions(events_file, metrics_file, metrics_port, metrics_address or LOOPBACK)
