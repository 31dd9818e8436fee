"""Opens what a run is watched by, before the work begins, and closes it after: the events file and the metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from asyncmigrate._cli.exits import Exit
from asyncmigrate._cli.show import Show
from asyncmigrate._cli.watch_options import WatchOptions
from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate.errors import UsageError
from asyncmigrate.events import ClusterEvent, ClusterFinished, ClusterStarted, Event, FleetFinished, Observer

if TYPE_CHECKING:
    from asyncmigrate._observers.event_file import EventFile
    from asyncmigrate._observers.metrics import Metrics


class _Writer(Protocol):
    def close(self, *, interrupted: bool) -> None: ...


class Watching:
    """The observers beside the display, for as long as its scope lasts.

    Raises:
        UsageError: on entering: a file cannot be written, or a port is taken.
    """

    def __init__(self, options: WatchOptions, show: Show) -> None:
        self._options = options
        self._show = show
        self._events: EventFile | None = None
        self._metrics: Metrics | None = None
        self._writers: list[_Writer] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        _check_different(self._options, self._show)
        options = self._options
        try:
            if options.has_metrics:
                self._open_metrics()
            if options.events_file is not None:
                self._open_events(options.events_file)
            if self._metrics is not None and options.metrics_file is not None:
                self._write_metrics(self._metrics, options.metrics_file)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        for writer in self._writers:
            writer.close(interrupted=kind is not None)

    def observers(self, cluster: Cluster) -> list[Observer]:
        """The observers of one cluster's plan and run."""
        return self._observers_of(cluster.context, lambda: cluster.in_flight)

    def _observers_of(self, context: str, in_flight: Callable[[], int], *, is_part: bool = False) -> list[Observer]:
        """The same for one that need not be open yet, and may be part of a fleet."""
        found: list[Observer] = []
        if self._events is not None:
            found.append(self._events.observer(context))
        if self._metrics is not None:
            found.append(self._metrics.add(in_flight, is_part=is_part))
        return found

    def fleet_observer(self, in_flight: Callable[[str], int]) -> Observer:
        """One observer of several clusters, each by its context. What is about all of them has none."""
        found: dict[str, list[Observer]] = {}
        whole = [] if self._events is None else [self._events.observer("")]

        def watch(event: Event) -> None:
            name = cluster_of(event)
            if isinstance(event, FleetFinished) and self._metrics is not None:
                self._metrics.fleet_ended(event)
            if name and name not in found:
                found[name] = self._observers_of(name, lambda: in_flight(name), is_part=True)
            for observer in found[name] if name else whole:
                observer(event.event if isinstance(event, ClusterEvent) else event)

        return watch

    def _open_events(self, path: str) -> None:
        from asyncmigrate._observers.event_file import EventFile  # noqa: PLC0415 -- only where asked for

        self._events = EventFile(path, self._lost("events", path))
        self._writers.append(self._events)

    def _open_metrics(self) -> None:
        options = self._options
        try:
            from asyncmigrate._observers.metrics import Metrics, last_success_in  # noqa: PLC0415 -- only where asked for
        except ModuleNotFoundError as error:
            raise UsageError(
                f"{options.metrics_flag} needs prometheus-client: pip install 'asyncmigrate[metrics]'"
            ) from error
        from asyncmigrate._observers.metrics_file import check_metrics_file  # noqa: PLC0415 -- the same

        path = options.metrics_file
        earlier = "" if path is None else check_metrics_file(path)
        self._metrics = Metrics(last_success=last_success_in(earlier))
        if options.metrics_port is not None:
            self._serve(self._metrics, options.metrics_address, options.metrics_port)

    def _write_metrics(self, metrics: Metrics, path: str) -> None:
        from asyncmigrate._observers.metrics_file import MetricsFile  # noqa: PLC0415 -- only where asked for

        self._writers.append(MetricsFile(path, metrics, self._lost("metrics", path)))

    def _serve(self, metrics: Metrics, address: str, port: int) -> None:
        from asyncmigrate._observers.metrics_server import MetricsServer  # noqa: PLC0415 -- only where asked for

        try:
            server = MetricsServer(metrics, address, port)
        except (OSError, UnicodeError) as error:  # a name of a host may be none
            why = str(getattr(error, "strerror", None) or error).lower()
            raise UsageError(
                f"--metrics-port {port}: cannot listen at {address}: {why}; give another port or address"
            ) from error
        self._stack.callback(server.close)
        self._show.note(f"metrics are at {server.url}")

    def _lost(self, what: str, path: str) -> Callable[[str], None]:
        def tell(why: str) -> None:
            self._show.warning(f"warning: {what} can no longer be written to {path}; the work goes on: {why}")

        return tell


def cluster_of(event: Event) -> str:
    """The cluster of a fleet that an event is about; empty if it is about all."""
    if isinstance(event, ClusterFinished):
        return event.result.name
    return event.cluster if isinstance(event, ClusterStarted | ClusterEvent) else ""


def watched(
    body: Callable[[Watching], Awaitable[Exit]], options: WatchOptions, show: Show
) -> Callable[[], Awaitable[Exit]]:
    """What a command does, watched for as long as that lasts."""

    async def whole() -> Exit:
        with Watching(options, show) as watching:
            return await body(watching)

    return whole


def _check_different(options: WatchOptions, show: Show) -> None:
    given = {
        "--report": show.options.report,
        "--metrics-file": options.metrics_file,
        "--events-file": options.events_file,
    }
    seen: dict[Path, str] = {}
    for flag, path in given.items():
        if path is not None and (first := seen.setdefault(Path(path).absolute(), flag)) != flag:
            raise UsageError(f"{first} and {flag} name the same file {path}: name another")
