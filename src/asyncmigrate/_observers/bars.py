"""Bars of the live displays, as wide as there is room for."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_BAR_CELLS = 24
_LEAST_BAR_CELLS = 8


def bar_line(begin: str, done: tuple[int, int] | None, end: str, width: int, *, style: str = "") -> RenderableType:
    room = width - cell_len(begin) - 1 - (cell_len(end) + 1 if end else 0)
    bar = _bar(done, max(_LEAST_BAR_CELLS, min(_BAR_CELLS, room)))
    return _beside(Text(begin), bar, Text(end, style))


def named_bar(name: str, done: tuple[int, int] | None, counts: str, names: int, width: int) -> RenderableType:
    """A name, its bar, and its counts; where there is no room first the bar goes, then the end of the name."""
    room = width - 2 - names - 1 - cell_len(counts) - 1
    if room >= _LEAST_BAR_CELLS:
        padded = Text(f"  {set_cell_size(name, names)}")
        return _beside(padded, _bar(done, min(_BAR_CELLS, room)), Text(counts))
    left = width - 2 - 1 - cell_len(counts)
    if cell_len(name) > left:
        name = set_cell_size(name, max(0, left - 1)) + "…"
    return Text(f"  {name} {counts}")


def _bar(done: tuple[int, int] | None, width: int) -> ProgressBar:
    """A bar; one that just moves where the end is not known."""
    if done is None:
        return ProgressBar(total=None, width=width, pulse=True)
    return ProgressBar(total=done[1], completed=done[0], width=width)


def _beside(*parts: RenderableType) -> Table:
    line = Table.grid(padding=(0, 1, 0, 0))
    for _ in parts:
        line.add_column(no_wrap=True)
    line.add_row(*parts)
    return line
