"""The live display of a fleet on a terminal: a bar over all clusters, and a row for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from asyncmigrate._observers.bars import bar_line, named_bar
from asyncmigrate._observers.on_screen import OnScreen
from asyncmigrate._observers.tally import Tally
from asyncmigrate._output import words
from asyncmigrate._output.clean import clean
from asyncmigrate._output.fleet import ended_line, result_word
from asyncmigrate._rules.decisions.phrases import count
from asyncmigrate.events import ClusterEvent, ClusterFinished, ClusterStarted, Event, StateNotSaved

_LINES_AROUND = 4  # the bar above the rows, the line below them, and what stays free


class FleetLive(OnScreen):
    """What happens on each cluster."""

    def __init__(self, console: Console, clusters: Sequence[str]) -> None:
        self._screen = _Screen(clusters)
        super().__init__(console, self._screen)

    def __call__(self, event: Event) -> None:
        screen = self._screen
        match event:
            case ClusterStarted(cluster=name):
                screen.tallies[name] = Tally()
            case ClusterEvent(cluster=name, event=StateNotSaved(error=error)):
                self._say(f"{name}: {words.not_saved(error)}", "yellow")
            case ClusterEvent(cluster=name, event=inner) if name in screen.tallies:
                screen.tallies[name](inner)
            case ClusterFinished(result=result):
                screen.tallies.pop(result.name, None)
                screen.ended[result.name] = (result_word(result), result.ok)
                if not result.ok:
                    self._say(ended_line(result), "yellow")


class _Screen:
    """What is drawn: rich asks for it, from a thread of its own, as often as it draws."""

    def __init__(self, clusters: Sequence[str]) -> None:
        self._clusters = clusters
        self.tallies: dict[str, Tally] = {}  # of the clusters at work
        self.ended: dict[str, tuple[str, bool]] = {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1  # the last column would make some terminals begin a new line
        room = max(1, options.size.height - _LINES_AROUND)
        yield Group(*self.drawn(width, room))

    def drawn(self, width: int, room: int) -> Iterator[RenderableType]:
        """The lines of the display; where there is no room for all rows, those of clusters at work come first."""
        tallies, ended = dict(self.tallies), dict(self.ended)
        failed = sum(not ok for _, ok in ended.values())
        bad = f"{words.number(failed)} failed" if failed else ""
        yield bar_line("fleet", (len(ended), len(self._clusters)), bad, width, style="bold red")
        waiting = [n for n in self._clusters if n not in tallies and n not in ended]
        names = [*self._clusters]
        if len(names) > room:
            names = [*tallies, *waiting, *reversed(ended)][:room]
        cells = max((cell_len(clean(n)) for n in names), default=0)
        for name in names:
            yield _row(name, tallies.get(name), ended.get(name), cells, width)
        if hidden := len(self._clusters) - len(names):
            yield Text(f"  … {count(hidden, 'more cluster')}: {len(ended)} ended, {len(waiting)} waiting", "dim")


def _row(name: str, tally: Tally | None, ended: tuple[str, bool] | None, cells: int, width: int) -> RenderableType:
    if tally is None:
        word, is_ok = ended or ("waiting", False)
        padded = clean(name) + " " * (cells - cell_len(clean(name)))
        line = Text(f"  {padded} {word}", "green" if is_ok else "bold red" if ended else "dim")
        line.truncate(width, overflow="ellipsis")
        return line
    done, total = tally.done.total(), tally.total.total()
    bad = f", {tally.failures}" if tally.failures else ""
    if total:
        said = f"{words.number(done)} of {count(total, 'object')}{bad}"
        return named_bar(clean(name), (done, total), said, cells, width)
    said = "waiting for --settle" if tally.settling else "running" if tally.stale else tally.decided
    return named_bar(clean(name), None, said if tally.decisions else "opening", cells, width)
