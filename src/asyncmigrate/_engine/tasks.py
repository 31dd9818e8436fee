"""Tasks and threads that end with their scope: a group whose error comes out bare, a thread that holds up no exit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup

T = TypeVar("T")


@asynccontextmanager
async def open_tasks() -> AsyncIterator[TaskGroup]:
    """Open a task group that ends all its tasks on leaving, and raises the first error among them bare."""
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        first = _first(group)
        raise first from first.__cause__


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a thread that nobody waits for once we are cancelled, not even the interpreter at its exit.

    anyio's worker threads are joined at exit: one that reads standard input would keep Ctrl-C from ending the process.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # T may be None

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 -- it belongs to whoever awaits
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=body, daemon=True).start()
    return await done


class UnwaitedThreads(ThreadPoolExecutor):
    """An event loop's default executor whose threads nobody waits for at the end.

    Libraries run getaddrinfo in it: with the usual one, Ctrl-C would wait for a name server that does not answer.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401 -- as above it
        future: Future[T] = Future()

        def body() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as raised:  # noqa: BLE001 -- it belongs to whoever awaits
                future.set_exception(raised)
            else:
                future.set_result(result)

        Thread(target=body, daemon=True).start()
        return future
