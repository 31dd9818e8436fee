"""Shows results, progress, notes and errors: for people on a terminal, for programs in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import click
from rich.console import Console
from rich.text import Text

from asyncmigrate._cli.output_options import Format, OutputOptions
from asyncmigrate._observers.by_cluster import ByCluster, Prefixed
from asyncmigrate._observers.display import Display
from asyncmigrate._observers.fleet_live import FleetLive
from asyncmigrate._observers.lines import Lines, Quiet
from asyncmigrate._observers.live import Live
from asyncmigrate._observers.looking import Looking
from asyncmigrate._output.clean import clean
from asyncmigrate._output.consoles import (
    Color,
    can_redraw,
    console_for,
    is_colored,
    is_terminal,
    print_fields,
    print_lines,
)
from asyncmigrate._output.documents import as_yaml, check_writable, error_json, write_document
from asyncmigrate._output.droppable import droppable_json, droppable_lines, droppable_names
from asyncmigrate._output.fleet import fleet_sheet
from asyncmigrate._output.grid import wrapped
from asyncmigrate._output.report_json import result_json
from asyncmigrate._output.sheet import Sheet, plain_lines
from asyncmigrate._output.tables import page, plan_sheet, sheet_of
from asyncmigrate._results.droppable import Droppable
from asyncmigrate._results.fleet import FleetReport
from asyncmigrate._results.plan import Plan
from asyncmigrate._results.report import Report

if TYPE_CHECKING:
    from asyncmigrate._cluster.cluster import Cluster
    from asyncmigrate._observers.logs import Logs

Result = Plan | Report | FleetReport | Droppable

_KUBECTL_NAME = "customresourcedefinition.apiextensions.k8s.io/"  # as `kubectl get crd -o name` prints it


class Show:
    """Prints as the options say: results on stdout, everything else on stderr.

    Attributes:
        shown: the result, once there is one.
        said: the error, if there was one.
    """

    def __init__(self, options: OutputOptions) -> None:
        self.options = options
        self._color = Color(options.color)
        self.shown: Result | None = None
        self.said = ""
        self._has_result = False  # stdout has a result, and must not get a document after it
        self._where: dict[str, str] = {}  # for logs: the cluster

    def check(self) -> None:
        """Say before the work begins what could not be written at its end.

        Raises:
            UsageError: the report cannot be written.
        """
        if self.options.report is not None:
            check_writable(self.options.report)

    def display(self, cluster: Cluster) -> Display:
        """What to show while it lasts: logs where asked for, else a live display, or lines off a terminal."""
        return self._at(cluster) or (Live(self._err) if can_redraw(sys.stderr) else Lines(self._err))

    def fleet_display(self, clusters: Sequence[str]) -> Display:
        """The same for several clusters at once: a row for each, or lines and logs that name them."""
        logs = self._logs() if self.options.verbose and not self.options.quiet else None
        if logs is None and not self.options.quiet and can_redraw(sys.stderr):
            return FleetLive(self._err, clusters)
        return ByCluster(partial(self._of_cluster, logs), None if logs or self.options.quiet else self._err)

    def _of_cluster(self, logs: Logs | None, name: str) -> Display:
        if logs is not None:
            return logs.for_cluster(name)
        console = Prefixed(self._err, name)
        return Quiet(console) if self.options.quiet else Lines(console)

    def looking(self, cluster: Cluster) -> Display:
        """The same for what takes many requests and has no progress to show."""
        return self._at(cluster) or Looking(self._err)

    def _at(self, cluster: Cluster) -> Display | None:
        if self.options.quiet:
            return Quiet(self._err)
        self._where = {"context": cluster.context, "server": cluster.server}
        return self._logs() if self.options.verbose else None

    def result(self, result: Result, *, drop: bool = False, check: bool = False) -> None:
        """Print a result, and write it to the file of --report.

        `drop`: the plan was asked about a version; `check`: it fails where something is left to do.
        """
        options = self.options
        self._has_result = True
        self.shown = result
        if options.report is None and options.format.is_document:
            click.echo(self._document(result))
            return
        try:
            self._readable(result, drop=drop, check=check)
        finally:
            if options.report is not None:
                write_document(options.report, self._document(result))

    def _readable(self, result: Result, *, drop: bool, check: bool) -> None:
        """Print a result for people, and for tools that take lines."""
        if self.options.format.is_for_ci and not isinstance(result, Droppable | FleetReport):
            click.echo(_for_ci(self.options.format, result, check=check))
        elif self.options.format is Format.NAME:
            for name in _names(result):
                click.echo(clean(name))
        elif isinstance(result, Droppable):
            self._droppable(result)
        else:
            sheet = fleet_sheet(result, drop=drop) if isinstance(result, FleetReport) else sheet_of(result, drop=drop)
            if is_terminal(sys.stdout):
                self._table(console_for(sys.stdout, self._color), sheet)
            else:
                self._lines(sheet)

    def plan_to_confirm(self, plan: Plan | FleetReport) -> None:
        """The plan as a table on stderr, for whoever is asked there."""
        self._table(self._err, plan_sheet(plan) if isinstance(plan, Plan) else fleet_sheet(plan))

    def note(self, words: str) -> None:
        """Say something on stderr that is neither result nor warning."""
        if not self.options.quiet:
            self._say("info", words)

    def warning(self, words: str) -> None:
        self._say("warning", words)

    def _say(self, level: Literal["info", "warning", "error"], words: str) -> None:
        """A line on stderr: as JSON where logs are."""
        if self.options.log_format == "json":
            self._logs().say(level, words)
        else:
            click.echo(clean(words), err=True)

    def error(self, message: str, *, code: int, reason: str) -> None:
        """One line on stderr, and what `error_document` prints."""
        self.said = message
        self._say("error", f"error: {message}")
        self.error_document(message, code=code, reason=reason)

    def error_document(self, message: str, *, code: int, reason: str) -> None:
        """With -o json, yaml, github or junit an error is on stdout too, unless that has a result already."""
        if self._has_result:
            return
        if self.options.format.is_document:
            self._has_result = True
            click.echo(self._as_asked(error_json(message, code=code, reason=reason)))
        elif self.options.format.is_for_ci:
            self._has_result = True
            click.echo(_error_for_ci(self.options.format, message, reason))

    @property
    def _err(self) -> Console:
        return console_for(sys.stderr, self._color)

    def _logs(self) -> Logs:
        from asyncmigrate._observers.logs import Logs  # noqa: PLC0415 -- structlog takes 0.2 s to import

        colored: bool | None = None
        if self.options.log_format != "json":
            colored = is_colored(self._color, terminal=is_terminal(sys.stderr), environment=os.environ)
        where = {"context": self._where["context"]} if self._where and colored is not None else self._where
        return Logs(requests=self.options.verbose > 1, colored=colored, where=where)

    def _document(self, result: Result) -> str:
        if isinstance(result, Droppable):
            return self._as_asked(droppable_json(result))
        return self._as_asked(result_json(result))

    def _as_asked(self, document: str) -> str:
        return as_yaml(document) if self.options.format is Format.YAML else document

    def _table(self, console: Console, sheet: Sheet) -> None:
        """A table as wide as the terminal."""
        print_lines(console, page(sheet, console.width, wide=self.options.format is Format.WIDE))

    def _lines(self, sheet: Sheet) -> None:
        """In a pipe a line for each row on stdout; what else there is to say goes to stderr."""
        # FORCE_COLOR is about looks, and these lines are data: only --color=always is meant for them.
        color = self._color if self._color is Color.ALWAYS else Color.NEVER
        print_fields(console_for(sys.stdout, color), plain_lines(sheet, wide=self.options.format is Format.WIDE))
        if self.options.log_format == "json":
            self._log_lines(sheet)
        else:
            print_lines(self._err, (*sheet.problems, *(() if self.options.quiet else sheet.counts)))

    def _log_lines(self, sheet: Sheet) -> None:
        for problem in sheet.problems:
            self._say("warning", problem.plain.strip())
        for count in sheet.counts:
            self._say("info", count.plain)

    def _droppable(self, found: Droppable) -> None:
        console = console_for(sys.stdout, self._color)
        lines = droppable_lines(found)
        if is_terminal(sys.stdout):
            lines = (part for whole in lines for part in _unless_command(whole, console.width))
        print_lines(console, lines)


def _unless_command(line: Text, width: int) -> list[Text]:
    """Wrapped; but a command to copy stays on one line, which the terminal breaks where it must."""
    return [line] if line.plain.lstrip().startswith("-> asyncmigrate ") else wrapped(line, width)


def _for_ci(form: Format, result: Plan | Report, *, check: bool) -> str:
    from asyncmigrate._output import github, junit  # noqa: PLC0415 -- where they are asked for

    return junit.result_xml(result) if form is Format.JUNIT else github.result_commands(result, check=check)


def _error_for_ci(form: Format, message: str, reason: str) -> str:
    from asyncmigrate._output import github, junit  # noqa: PLC0415 -- as above

    write = junit.error_xml if form is Format.JUNIT else github.error_command
    return write(message, reason=reason)


def _names(result: Result) -> list[str]:
    """What -o name prints: CRDs as kubectl names them, clusters, or the versions that can be dropped."""
    if isinstance(result, Droppable):
        return droppable_names(result)
    if isinstance(result, FleetReport):
        return [cluster.name for cluster in result.clusters]
    return [f"{_KUBECTL_NAME}{crd.name}" for crd in result.crds]
