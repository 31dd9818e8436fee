"""A result as JSON and as text: the one door from the results up to `_output`, which is imported only when asked for.

`rich` takes its time to import, and the contract knows all of the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from asyncmigrate._results.fleet import FleetReport
    from asyncmigrate._results.plan import Plan
    from asyncmigrate._results.report import Report

_Result = TypeVar("_Result", "Plan", "Report", "FleetReport")


def to_json(result: Plan | Report | FleetReport) -> str:
    from asyncmigrate._output.report_json import result_json  # noqa: PLC0415 -- see above

    return result_json(result)


def from_json(text: str | bytes, kind: type[_Result]) -> _Result:
    from asyncmigrate._output.read_json import read_result  # noqa: PLC0415 -- see above

    return read_result(text, kind)


def render(result: Plan | Report | FleetReport, width: int) -> str:
    from asyncmigrate._output.as_text import as_text  # noqa: PLC0415 -- see above

    return as_text(result, width)
