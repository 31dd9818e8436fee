"""A result as plain text: the tables that the command prints, without colours."""

from __future__ import annotations

from asyncmigrate._output.fleet import fleet_sheet
from asyncmigrate._output.tables import page, sheet_of
from asyncmigrate._results.fleet import FleetReport
from asyncmigrate._results.plan import Plan
from asyncmigrate._results.report import Report


def as_text(result: Plan | Report | FleetReport, width: int) -> str:
    sheet = fleet_sheet(result) if isinstance(result, FleetReport) else sheet_of(result)
    return "\n".join(line.plain.rstrip() for line in page(sheet, width))
