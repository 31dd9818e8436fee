"""Consoles: whether a stream is coloured, and whether it is a terminal that can be drawn on.

No other module reads NO_COLOR, FORCE_COLOR or TERM. rich would take FORCE_COLOR for a terminal, and draw bars into
a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TextIO

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

_DUMB = {"dumb", "unknown"}  # values of TERM: it cannot move the cursor


class Color(StrEnum):
    """The values of --color."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def is_colored(asked: Color, *, terminal: bool, environment: Mapping[str, str]) -> bool:
    """--color comes first, then NO_COLOR (https://no-color.org), then FORCE_COLOR (https://force-color.org)."""
    if asked is not Color.AUTO:
        return asked is Color.ALWAYS
    if environment.get("NO_COLOR"):
        return False
    if forced := environment.get("FORCE_COLOR"):
        return forced != "0"
    return terminal and environment.get("TERM") not in _DUMB


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def can_redraw(stream: TextIO) -> bool:
    """Whether lines on it can be drawn again in place."""
    return is_terminal(stream) and os.environ.get("TERM") not in _DUMB


def console_for(stream: TextIO, color: Color = Color.AUTO) -> Console:
    """A console that writes what it is given as it is: it folds nothing, and finds no markup in what others wrote."""
    terminal = is_terminal(stream)
    colored = is_colored(color, terminal=terminal, environment=os.environ)
    return Console(
        file=stream,
        force_terminal=terminal,
        force_interactive=can_redraw(stream),
        color_system="standard" if colored else None,
        no_color=False,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


def print_fields(console: Console, lines: Iterable[Sequence[tuple[str, str]]]) -> None:
    """Print lines of fields, each with its style, with tabs between them: in a Text rich makes blanks of tabs."""
    for fields in lines:
        parts = [Segment(text, Style.parse(style)) for text, style in fields]
        tabbed = [part for one in parts for part in (one, Segment("\t"))]
        console.print(Segments([*tabbed[:-1], Segment.line()]), end="")


def print_lines(console: Console, lines: Iterable[Text]) -> None:
    for line in lines:
        console.print(line)
