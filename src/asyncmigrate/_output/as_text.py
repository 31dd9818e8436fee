"""A Plan or a Report as plain text: the tables that the command prints, without colours."""

from __future__ import annotations

from asyncmigrate._output.tables import page, sheet_of
from asyncmigrate._results.plan import Plan
from asyncmigrate._results.report import Report


def as_text(result: Plan | Report, width: int) -> str:
    return "\n".join(line.plain.rstrip() for line in page(sheet_of(result), width))
