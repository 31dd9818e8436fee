"""Ends the command quietly if it is interrupted while it loads, before there is anything to stop in good order.

This is the first thing that the package imports, and it imports nothing that takes time, for until then Python prints a
traceback. (So it does while it starts itself, some 20 ms: nothing of ours runs before that.) A program that uses the
library keeps its own handler.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # what signal is made from: that imports enum, for 4 ms
import os
import sys

_COMMANDS = {"asyncmigrate", "kubectl-asyncmigrate", "kubectl_complete-asyncmigrate"}
_INTERRUPTED = 130


def ignore() -> None:
    """From here on, when all is done and said, SIGINT and SIGTERM change the exit code no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _is_ours:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _end_quietly() -> None:
    """From here on SIGINT and SIGTERM end the process at once, with one line.

    The first process of a container gets no signal that it has no handler for: without one, SIGTERM would be lost, and
    the pod killed when its grace period is over.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored: `nohup`, `&`
        signal.signal(signal.SIGINT, _end)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def _end(_number: int, _frame: object) -> None:
    try:  # noqa: SIM105 -- contextlib takes a millisecond
        os.write(2, b"interrupted\n")
    except OSError:
        pass
    os._exit(_INTERRUPTED)


def _is_command() -> bool:
    """Whether this is an entry point of ours, or `python -m asyncmigrate`: `-m` stands there while it is looked for."""
    arguments = getattr(sys, "argv", None) or [""]
    if arguments[0] == "-m":
        return sys.orig_argv[-len(arguments)] in {"asyncmigrate", "asyncmigrate.__main__"}
    return os.path.basename(arguments[0]) in _COMMANDS  # noqa: PTH119 -- pathlib takes longer to import


_is_ours = _is_command()
if _is_ours:
    _end_quietly()
