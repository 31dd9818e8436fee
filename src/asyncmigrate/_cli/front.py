"""The command's front: streams that may be closed, usage errors, environment variables, and kubectl's name for us."""

from __future__ import annotations

import difflib
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click
from click.core import ParameterSource

from asyncmigrate._cli import interrupts
from asyncmigrate._cli.completing import COMPLETE_VARIABLE, hush
from asyncmigrate._cli.options import CONNECTION_WORDS
from asyncmigrate._cli.output_options import OutputOptions, format_of
from asyncmigrate._cli.termination import VARIABLE, leave

PREFIX = "ASYNCMIGRATE"
# For each command, so that its name is not in the names of its variables.
SETTINGS: dict[str, Any] = {"auto_envvar_prefix": PREFIX}

_PLUGIN = "kubectl-asyncmigrate"
_STANDARD_STREAMS = 3


class Front(click.Group):
    """The group of all commands, run as a program."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 -- click's signature
        **extra: Any,  # noqa: ANN401 -- the same
    ) -> Any:  # noqa: ANN401 -- the same
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        open_streams()
        arguments = list(sys.argv[1:] if args is None else args)
        name = prog_name or _program_name()
        complete_var = complete_var or COMPLETE_VARIABLE
        if complete_var in os.environ:
            hush()
        else:
            warn_of_unknown(self, os.environ)
        try:
            refuse_empty(self, os.environ)
            code = super().main(arguments, name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            self._fail(error, arguments)
        except OSError as error:  # of --help, say, on a full disk
            click.echo(f"error: {error.strerror or error}", err=True)
            sys.exit(1)
        finally:
            interrupts.ignore()
        sys.exit(code)

    def _fail(self, error: click.ClickException, arguments: list[str]) -> NoReturn:
        from asyncmigrate._cli.show import Show  # noqa: PLC0415 -- keeps --help quick
        from asyncmigrate._output.termination import termination_message  # noqa: PLC0415 -- the same

        message = error.format_message()
        error.show()
        if variable := _variable_of(error):
            message = f"{message} The value is that of the environment variable {variable}."
            click.echo(message.removeprefix(f"{error.format_message()} "), err=True)
        show = Show(OutputOptions(format_of(arguments, os.environ)))
        show.error_document(message, code=error.exit_code, reason="Usage")
        leave(termination_message(error.exit_code, error=message))
        sys.exit(error.exit_code)


def _program_name() -> str:
    """What to call ourselves in usage lines."""
    name = Path(sys.argv[0]).name
    return "kubectl asyncmigrate" if name == _PLUGIN else "asyncmigrate"


def _variable_of(error: click.ClickException) -> str:
    """The environment variable that a bad value came from; empty if it came from the command line."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None or not error.param.name:
        return ""
    source = error.ctx.get_parameter_source(error.param.name)
    return _variable(error.param.name) if source is ParameterSource.ENVIRONMENT else ""


def _variable(parameter: str) -> str:
    """The environment variable of a parameter, as click makes it."""
    return f"{PREFIX}_{parameter.upper()}"


def _variables(group: click.Group) -> Iterator[str]:
    """The environment variables that the commands read."""
    for command in group.commands.values():
        for param in command.params:
            if isinstance(param, click.Option) and param.allow_from_autoenv and param.name:
                yield _variable(param.name)


def warn_of_unknown(group: click.Group, environment: Mapping[str, str]) -> None:
    """Say of a variable that is ours by its name, and that nothing reads: ASYNCMIGRATE_DRYRUN would not rehearse."""
    known = sorted({*_variables(group), VARIABLE})
    for name in sorted(n for n in environment if n.startswith(f"{PREFIX}_") and n not in known):
        alike = difflib.get_close_matches(name, known, 1)
        meant = f"; did you mean {alike[0]}?" if alike else ""
        click.echo(f"warning: the environment variable {name} is not known{meant}", err=True)


def refuse_empty(group: click.Group, environment: Mapping[str, str]) -> None:
    """Refuse a variable that is empty and says which cluster, or as whom: click takes it for one that is not set.

    Raises:
        click.UsageError: there is one.
    """
    params = [p for command in group.commands.values() for p in command.params if p.name in CONNECTION_WORDS]
    for name in sorted({_variable(p.name) for p in params if p.name}):
        if not environment.get(name, "set").strip():
            raise click.UsageError(f"the environment variable {name} is empty: unset it, or say which")


def open_streams() -> None:
    """Make sure that there are standard streams, and that none of them stops a migration.

    One that is closed (`2>&-`) is /dev/null: its number would otherwise go to the next connection, and what is printed
    too. A reader that has gone (`| head -1`) gets nothing more, and a character that the encoding lacks is escaped.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < _STANDARD_STREAMS:
        pass
    os.close(number)
    sys.stdout = _forgiving(sys.stdout, 1)
    sys.stderr = _forgiving(sys.stderr, 2)


class _Forgiving(io.FileIO):
    """A stream whose reader may go. On stdout any other error counts once, for what is lost is the result."""

    _is_lost = False

    def write(self, data: Any) -> int:  # noqa: ANN401 -- bytes-like, which has no name before Python 3.12
        if self._is_lost:
            return len(data)  # Python tries once more at exit
        try:
            return super().write(data)
        except OSError as error:
            self._is_lost = True
            if self.fileno() == 1 and not isinstance(error, BrokenPipeError):
                raise
            return len(data)


def _forgiving(stream: TextIO | None, number: int) -> TextIO:
    encoding = stream.encoding if stream is not None else "utf-8"
    if stream is not None:
        try:
            if stream.fileno() != number:
                return stream  # it is captured
            stream.flush()
        except (OSError, ValueError):
            return stream
    raw = _Forgiving(number, "w", closefd=False)
    buffered = io.BufferedWriter(raw)
    is_stderr = number != 1
    return io.TextIOWrapper(
        buffered, encoding=encoding, errors="backslashreplace", line_buffering=True, write_through=is_stderr
    )
