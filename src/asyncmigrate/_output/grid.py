"""Lays a sheet out for a terminal of some width: no name is ever folded, and a sentence is only between its words.

What does not fit moves: first the sentence goes below its row; then the cells of rows with the longest names go below
these names, and where that would be most rows, all cells do. Columns with nothing in them are left out. Only a word
longer than the terminal is wide goes over its edge: the terminal breaks it, and it is one word again when copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from asyncmigrate._output.sheet import Cell, Column, Row, Sheet

_GAP = "  "
_INDENT = "  "
_WHY = Column("WHY")
_NO_WIDTH = 1 << 30  # with -o wide lines are as long as they need to be


def grid(sheet: Sheet, width: int, *, wide: bool = False) -> list[Text]:
    """The lines of a sheet's rows. With `wide` every column is shown, each row on one line, however long."""
    rows = sheet.rows
    if not rows:
        return []
    shown = [i for i, column in enumerate(sheet.columns) if wide or _is_needed(column, [r.cells[i] for r in rows], i)]
    columns = [sheet.columns[i] for i in shown]
    cells = [[row.cells[i] for i in shown] for row in rows]
    if wide:
        width = _NO_WIDTH
    has_why = any(r.why for r in rows)
    with_why = [*columns, _WHY] if has_why else columns
    everything = [[*found, *([Cell(row.why)] if has_why else [])] for found, row in zip(cells, rows, strict=True)]
    if _width_of(with_why, everything) <= width:
        return list(_aligned(with_why, everything))
    room = width - _width_of(columns[1:], [found[1:] for found in cells]) - len(_GAP)  # for names
    fitting = [cell_len(found[0].text) <= room for found in cells]
    if 2 * sum(fitting) < len(fitting) or room < cell_len(columns[0].title):
        return list(_stacked(columns, cells, rows, width))
    below = [found if fits else [Cell(""), *found[1:]] for fits, found in zip(fitting, cells, strict=True)]
    header, *lines = _aligned(columns, below)
    return [header, *_with_sentences(lines, fitting, rows, width)]


def wrapped(text: Text, width: int) -> list[Text]:
    """A text on lines of at most `width` cells, broken between words; a word that is longer has a line of its own.

    Its style is kept where it has one for all of it. It goes on below its beginning, two blanks further in.
    """
    indent = text.plain[: len(text.plain) - len(text.plain.lstrip(" "))]
    lines, line = [], indent
    begun = False
    for word in text.plain.split():
        if begun and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line, begun = indent + _INDENT, False
        line += f" {word}" if begun else word
        begun = True
    return [Text(found, text.style) for found in [*lines, line]]


def _is_needed(column: Column, cells: Sequence[Cell], position: int) -> bool:
    return position == 0 or (not column.wide and not all(c.is_blank for c in cells))


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[Cell]]) -> list[int]:
    found = [[cell_len(c.title), *(cell_len(row[i].text) for row in cells)] for i, c in enumerate(columns)]
    return [max(lengths) for lengths in found]


def _width_of(columns: Sequence[Column], cells: Sequence[Sequence[Cell]]) -> int:
    return sum(_widths(columns, cells)) + len(_GAP) * (len(columns) - 1)


def _aligned(columns: Sequence[Column], cells: Sequence[Sequence[Cell]]) -> Iterator[Text]:
    """The header and a line for each row; no line ends in blanks."""
    widths = _widths(columns, cells)
    header = [Cell(c.title, "bold") for c in columns]
    for row in (header, *cells):
        line = Text()
        for column, found, width in zip(columns, row, widths, strict=True):
            if line:
                line.append(_GAP)
            blanks = " " * (width - cell_len(found.text))
            line.append(blanks if column.right else "").append(found.text, found.style)
            line.append("" if column.right else blanks)
        line.rstrip()
        yield line


def _with_sentences(lines: list[Text], fitting: list[bool], rows: Sequence[Row], width: int) -> Iterator[Text]:
    """The lines with the names that did not fit above them, and each row's sentence below."""
    for line, fits, row in zip(lines, fitting, rows, strict=True):
        if not fits:
            yield Text(row.cells[0].text)
        yield line
        yield from _sentence(row, width)


def _sentence(row: Row, width: int) -> list[Text]:
    return wrapped(Text(_INDENT + row.why, "dim"), width) if row.why else []


def _stacked(
    columns: Sequence[Column], cells: Sequence[Sequence[Cell]], rows: Sequence[Row], width: int
) -> Iterator[Text]:
    """Each row as its name, and below it what there is to say of it."""
    for found, row in zip(cells, rows, strict=True):
        yield Text(found[0].text, "bold")
        line = Text(_INDENT)
        for column, one in zip(columns[1:], found[1:], strict=True):
            if one.is_blank:
                continue
            said = _item(column, one, is_first=column is columns[1])
            if cell_len(line.plain) > len(_INDENT) and cell_len(line.plain) + len(_GAP) + cell_len(said.plain) > width:
                yield line
                line = Text(_INDENT)
            if len(_INDENT) + cell_len(said.plain) > width:
                yield from wrapped(Text(_INDENT + said.plain, said.style), width)
                continue
            line = line.append(_GAP if line.plain.strip() else "").append_text(said)
        if line.plain.strip():
            yield line
        yield from _sentence(row, width)


def _item(column: Column, found: Cell, *, is_first: bool) -> Text:
    """What a cell says without its header: `stale`, `storage v1`, `3 rewritten`."""
    said = Text(found.text, found.style)
    if is_first:
        return said
    title = column.title.lower()
    if found.text == "1":
        title = title.removesuffix("s")
    return said.append(f" {title}") if column.right else Text(f"{title} ").append_text(said)
