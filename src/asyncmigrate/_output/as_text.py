"""A Plan or a Report as plain text: the tables that the command prints, without colours."""

from __future__ import annotations

import io

from rich.console import Console

from asyncmigrate._output.tables import plan_table, report_table
from asyncmigrate._results.plan import Plan
from asyncmigrate._results.report import Report


def as_text(result: Plan | Report, width: int) -> str:
    out = io.StringIO()
    # Neither FORCE_COLOR nor a terminal has a say: it is for a log, a ticket or a web page.
    console = Console(
        file=out, width=width, color_system=None, force_terminal=False, highlight=False, markup=False, emoji=False
    )
    console.print(plan_table(result) if isinstance(result, Plan) else report_table(result))
    # Cells are padded to their column's width.
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").split("\n"))
