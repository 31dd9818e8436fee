"""Several clusters, where each line or log names its own: a display for each, and who has ended."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from asyncmigrate._observers.display import Display, Plain
from asyncmigrate._observers.lines import Printer
from asyncmigrate._output.clean import clean
from asyncmigrate._output.fleet import ended_line
from asyncmigrate.events import ClusterEvent, ClusterFinished, Event, FleetStarted


class Prefixed:
    """Prints lines of one cluster: `name: line`."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = clean(name)

    def print(self, line: str, /) -> None:
        self._console.print(f"{self._name}: {line}")


class ByCluster(Plain):
    """Hands each cluster's events to a display that `make` makes for it; says on `printer`, if any, who has ended."""

    def __init__(self, make: Callable[[str], Display], printer: Printer | Console | None) -> None:
        self._make = make
        self._printer = printer
        self._displays: dict[str, Display] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case FleetStarted():
                self._displays.clear()
            case ClusterEvent(cluster=name, event=inner):
                if name not in self._displays:
                    self._displays[name] = self._make(name)
                self._displays[name](inner)
            case ClusterFinished(result=result):
                (self._displays.pop(result.name, None) or self._make(result.name))(event)
                if self._printer is not None:
                    self._printer.print(clean(ended_line(result)))
