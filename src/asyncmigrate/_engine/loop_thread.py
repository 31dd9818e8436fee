"""A thread with an event loop of its own, for programs that are not async."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from threading import Event, Thread
from typing import Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

T = TypeVar("T")
_LAST_SECONDS = 5.0  # for what runs to end in good order when the calling thread is interrupted


class LoopEndedError(Exception):
    """The event loop is there no more."""


class LoopThread:
    """Runs an event loop until `stop`; its `portal` takes the work.

    Unlike anyio's `start_blocking_portal` it is no generator, whose finalizer would wait for ever for the thread in a
    forked child, which has none of its parent's threads; and the interpreter does not wait for it at its exit.
    """

    def __init__(self) -> None:
        self._started: Future[BlockingPortal] = Future()
        self._thread = Thread(target=self._body, name="asyncmigrate.sync", daemon=True)
        self._thread.start()
        self.portal = self._started.result()
        self.ident = self._thread.ident

    def call(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run it in the thread, and wait; what interrupts the wait ends it, too.

        Raises:
            LoopEndedError: the event loop has ended.
        """
        ended = Event()

        async def body() -> T:
            try:
                return await function()
            finally:
                ended.set()

        try:
            future = self.portal.start_task_soon(body)
        except RuntimeError as error:
            raise LoopEndedError(str(error)) from error
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                ended.wait(_LAST_SECONDS)
            raise

    def stop(self) -> None:
        """Cancel what it runs, and wait until it has ended."""
        with suppress(RuntimeError):  # it has ended already
            self.portal.call(self.portal.stop, True)  # noqa: FBT003 -- anyio's
        self._thread.join()

    def _body(self) -> None:
        try:
            anyio.run(self._serve)
        except BaseException as error:  # noqa: BLE001 -- who waits for the work is told what ended the loop
            if not self._started.done():
                self._started.set_exception(error)

    async def _serve(self) -> None:
        async with BlockingPortal() as portal:
            self._started.set_result(portal)
            await portal.sleep_until_stopped()
