"""Results as workflow commands of GitHub Actions, which shows them as annotations of the step."""

from __future__ import annotations

from asyncmigrate._output.clean import clean
from asyncmigrate._output.verdicts import Case, Verdict, cases_of, summary_of
from asyncmigrate._results.plan import Decision, Plan
from asyncmigrate._results.report import Report


def result_commands(result: Plan | Report, *, check: bool) -> str:
    """A command for each CRD with which something is to be done, those that fail first, and one for the whole.

    GitHub shows ten errors and ten warnings of a step. A stale CRD is a warning, and an error with `check`.
    """
    found = [(_level(case, check=check), case) for case in cases_of(result)]
    shown = [(level, case) for wanted in ("error", "warning") for level, case in found if level == wanted]
    what = "asyncmigrate plan" if isinstance(result, Plan) else "asyncmigrate run"
    lines = [_command(level, f"{case.word}: {case.name}", case.message, *case.more) for level, case in shown]
    return "\n".join([*lines, _command("notice", what, summary_of(result))])


def error_command(message: str, *, reason: str) -> str:
    """An error that ended the command."""
    return _command("error", f"asyncmigrate: {clean(reason)}", clean(message))


def _level(case: Case, *, check: bool) -> str:
    if case.verdict is Verdict.ERROR:
        return "error"
    if case.verdict is not Verdict.UNDONE:
        return ""
    only_left = case.word in {Decision.STALE, Decision.CURRENT, Decision.NEW}
    return "warning" if only_left and not check else "error"


def _command(level: str, title: str, *lines: str) -> str:
    message = "\n".join(lines)
    return f"::{level} title={_property(title)}::{_data(message)}"


# As @actions/core escapes them (toolkit, packages/core/src/command.ts); `%` first.
def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
