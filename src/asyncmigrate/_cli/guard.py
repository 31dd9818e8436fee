"""Runs a command's body: what goes wrong becomes one line and an exit code, signals end it in good order."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable

import anyio
from anyio.abc import TaskGroup

from asyncmigrate._cli import exits, interrupts
from asyncmigrate._cli.exits import Declined, Exit
from asyncmigrate._cli.show import Show
from asyncmigrate._cli.termination import leave
from asyncmigrate._engine.tasks import UnwaitedThreads, open_tasks
from asyncmigrate._output.termination import termination_message
from asyncmigrate._rules.errors.classify import reason_of
from asyncmigrate.errors import MigrateError

_HEEDED_SECONDS = 2.0  # until the event loop must have heard of a signal; it takes milliseconds
_REST = "run again to do the rest"


def guarded(body: Callable[[], Awaitable[Exit]], show: Show, *, advice: str = _REST) -> Exit:
    """Run a command's body. `advice` is for whoever interrupts it."""
    code = _guarded(body, show, advice)
    leave(termination_message(code, show.shown, show.said))
    return code


def _guarded(body: Callable[[], Awaitable[Exit]], show: Show, advice: str) -> Exit:
    async def main() -> Exit:
        code = Exit.INTERRUPTED
        asyncio.get_running_loop().set_default_executor(UnwaitedThreads())
        async with open_tasks() as tasks:
            await tasks.start(_stop_on_signals, tasks)
            code = await body()
            tasks.cancel_scope.cancel()
        return code

    gc.disable()  # until all is loaded: see loaded()
    try:
        show.check()
        code = anyio.run(main)
    except KeyboardInterrupt:  # once more, while the first one was being obeyed
        code = Exit.INTERRUPTED
    except Declined as declined:
        show.note(str(declined))
        show.error_document(str(declined), code=Exit.INTERRUPTED, reason="Declined")
        return Exit.INTERRUPTED
    except MigrateError as error:
        code = exits.for_error(error)
        show.error(str(error), code=code, reason=reason_of(error))
        return code
    except OSError as error:
        show.error(str(error.strerror or error), code=Exit.FAILED, reason=type(error).__name__.removesuffix("Error"))
        return Exit.FAILED
    finally:
        interrupts.ignore()  # asyncio has put Python's own handler back
        gc.enable()
    if code is Exit.INTERRUPTED:
        said = f"interrupted: {advice}"
        show.warning(said)
        show.error_document(said, code=code, reason="Interrupted")
    return code


def _end_now() -> None:
    try:
        leave(termination_message(Exit.INTERRUPTED))
    finally:
        os._exit(Exit.INTERRUPTED)


class _Watchdog:
    """Ends the process if a signal is not heeded: the event loop may wait for whoever does not read what we print."""

    def __init__(self) -> None:
        self._timers: list[threading.Timer] = []

    def watch(self, numbers: Iterable[signal.Signals]) -> None:
        """Look at signals once asyncio does: it hears of them by its own way, and leaves the handler without work."""
        for number in numbers:
            signal.signal(number, self._start)

    def _start(self, _number: int, _frame: object) -> None:
        timer = threading.Timer(_HEEDED_SECONDS, _end_now)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def heeded(self) -> None:
        while self._timers:
            self._timers.pop().cancel()


async def _stop_on_signals(tasks: TaskGroup, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    # A closed terminal ends the command as SIGTERM does; under `nohup` that signal is ignored.
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    numbers = (signal.SIGINT, signal.SIGTERM, *hangup)
    watchdog = _Watchdog()
    with anyio.open_signal_receiver(*numbers) as signals:
        watchdog.watch(numbers)
        task_status.started()
        async for _ in signals:
            watchdog.heeded()
            tasks.cancel_scope.cancel()


def loaded() -> None:
    """Have garbage collections leave alone what a connection loads, a thousand modules: most of their cost is there."""
    gc.freeze()
    gc.enable()
