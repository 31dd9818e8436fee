"""Results as rows and columns, before anybody has said how wide they may be; and as lines for programs.

A line for programs has every column, in the same order, whatever is in it: fields are separated by a tab, an empty one
is `-`, and only the last, the sentence, has spaces. So both `cut -f2` and `awk '$2 == "stale"'` work.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.text import Text

from asyncmigrate._output.clean import clean

_EMPTY = "-"


class Column(msgspec.Struct, frozen=True):
    """A column: `wide` ones are only shown with `-o wide`."""

    title: str
    right: bool = False
    wide: bool = False


class Cell(msgspec.Struct, frozen=True):
    """What stands in a column: as people read it, and as programs do where that differs; both are clean."""

    text: str
    style: str = ""
    plain: str = ""

    @property
    def is_blank(self) -> bool:
        """Nothing, or a zero: a column with nothing else in it need not be shown."""
        return self.text in {"", "0"}


class Row(msgspec.Struct, frozen=True):
    """A cell for each column, the first of which is a name, and a sentence that says why."""

    cells: tuple[Cell, ...]
    why: str
    routine: bool = False  # such as new or current: left out of a long table


class Sheet(msgspec.Struct, frozen=True):
    """A result: its rows, what is wrong with some of them, and counts over all."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    problems: tuple[Text, ...] = ()
    counts: tuple[Text, ...] = ()


def cell(text: str, style: str = "", plain: str = "") -> Cell:
    return Cell(clean(text), style, clean(plain))


def numeral(number: int | None) -> Cell:
    """A number, with commas for people only; None is not known."""
    return Cell("") if number is None else Cell(f"{number:,}", plain=str(number))


def plain_lines(sheet: Sheet, *, wide: bool) -> Iterator[list[tuple[str, str]]]:
    """The fields of a line for each row, for programs, each with its style."""
    shown = [i for i, column in enumerate(sheet.columns) if wide or not column.wide]
    for row in sheet.rows:
        cells = [row.cells[i] for i in shown]
        yield [*((c.plain or c.text or _EMPTY, c.style) for c in cells), (row.why or _EMPTY, "")]
