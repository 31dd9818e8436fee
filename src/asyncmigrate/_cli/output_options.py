"""How a command shows things: -o, --report, --color, -q, -v, --log-format.

Cheap to import, for --help and completion read it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import click
import msgspec

from asyncmigrate._cli.options import _bundle

# -o, alone or after flags that take no value: -o json, -ojson, -qo json.
_BUNDLE = re.compile(r"-[Rqvy]*o(.*)", re.DOTALL)

F = TypeVar("F", bound=Callable[..., Any])


class Format(StrEnum):
    """The values of -o."""

    TABLE = "table"
    WIDE = "wide"
    NAME = "name"
    JSON = "json"
    YAML = "yaml"
    GITHUB = "github"
    JUNIT = "junit"

    @property
    def is_document(self) -> bool:
        """One document for programs, and nothing else on stdout."""
        return self in {Format.JSON, Format.YAML}

    @property
    def is_for_ci(self) -> bool:
        """What a pipeline shows: stdout has just that."""
        return self in CI_FORMATS


CI_FORMATS = frozenset({Format.GITHUB, Format.JUNIT})


class OutputOptions(msgspec.Struct, frozen=True):
    """How to print: `report` is a file for the JSON or YAML document, `verbose` counts the -v."""

    format: Format = Format.TABLE
    report: str | None = None
    color: str = "auto"
    quiet: bool = False
    verbose: int = 0
    log_format: str = "console"


def output(command: F) -> F:
    """-o, --report, --color, -q, -v, --log-format."""
    text = "How to print the result: `wide` has more columns, `name` only the names, `github` and `junit` are for CI."
    return _with_output(command, Format, text)


def plain_output(command: F) -> F:
    """The same for a command whose result CI has no form for."""
    formats = [f for f in Format if f not in CI_FORMATS]
    return _with_output(command, formats, "How to print the result: `wide` has more columns, `name` only the names.")


def _with_output(command: F, formats: Iterable[Format], text: str) -> F:
    fields = {"format": "output"} | {f: f for f in ("report", "color", "quiet", "verbose", "log_format")}
    command = _bundle("show", _output, fields)(command)
    for option in (
        click.option(
            "--log-format",
            type=click.Choice(["console", "json"]),
            help="How to log, also without -v. `json` is for pods: what goes to stderr is one JSON object a line.",
        ),
        click.option("-v", "--verbose", count=True, help="Log what happens; -vv logs every request too."),
        click.option("-q", "--quiet", is_flag=True, help="Show no progress: only the result, warnings and errors."),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="When to use colours. `auto` goes by NO_COLOR, FORCE_COLOR and whether it is a terminal.",
        ),
        click.option(
            "--report",
            metavar="FILE",
            type=click.Path(),
            help="Write the result to FILE as JSON, or as YAML with -o yaml, and show the table.",
        ),
        format_option(formats, text),
    ):
        command = option(command)
    return command


def format_option(formats: Iterable[Format], text: str) -> Callable[[F], F]:
    """-o; the first of the formats is the default."""
    names = [f.value for f in formats]
    return click.option("-o", "--output", type=click.Choice(names), default=names[0], show_default=True, help=text)


def _output(
    format: str,  # noqa: A002 -- the field's name
    report: str | None,
    color: str,
    log_format: str | None,
    *,
    quiet: bool,
    verbose: int,
) -> OutputOptions:
    if quiet and (verbose or log_format):
        raise click.UsageError(f"-q and {'-v' if verbose else '--log-format'} exclude each other")
    # Who asks for a format wants logs.
    return OutputOptions(Format(format), report, color, quiet, verbose or bool(log_format), log_format or "console")


def format_of(arguments: list[str], environment: Mapping[str, str]) -> Format:
    """The format that a command line asks for, which may be wrong in another place; the table if that is unclear."""
    found = environment.get("ASYNCMIGRATE_OUTPUT", "")
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--output":
            found = next(iter(arguments[position + 1 :]), "")
        elif argument.startswith("--output="):
            found = argument.partition("=")[2]
        elif bundle := _BUNDLE.match(argument):
            found = bundle[1].removeprefix("=") or next(iter(arguments[position + 1 :]), "")
    return Format(found) if found in set(Format) else Format.TABLE
