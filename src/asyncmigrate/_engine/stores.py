"""Opens what a run keeps its state in: a file, read and written in a thread, or a ConfigMap."""

from __future__ import annotations

import os

import anyio

from asyncmigrate._cluster.configmap_state import PREFIX, ConfigMapState
from asyncmigrate._engine.session import Session
from asyncmigrate._engine.tasks import in_thread
from asyncmigrate._state.content import Change, State
from asyncmigrate._state.file import LOCK_SECONDS, StateFile
from asyncmigrate._state.store import Store, unchanged
from asyncmigrate.errors import StateError


class FileStore:
    """A state file. Of several clusters: its keys name them."""

    scope = ""
    seconds = 2 * LOCK_SECONDS  # for the file altogether: a network's file system may never answer
    last_seconds = 0.5  # of the second that an interrupted run takes to end

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = StateFile(path)
        self.name = f"the state file {self._file.path}"

    async def update(self, change: Change) -> State:
        """See Store."""
        return await in_thread(lambda: self._file.update(change))


def is_configmap(state: str | os.PathLike[str]) -> bool:
    return isinstance(state, str) and state.startswith(PREFIX)


def store_of(state: str | os.PathLike[str], session: Session) -> Store:
    """What `state` names; nothing is read yet.

    Raises:
        StateError: it names nothing that can be.
    """
    return ConfigMapState(session.calls, state) if isinstance(state, str) and is_configmap(state) else FileStore(state)


async def check_file(path: str | os.PathLike[str]) -> None:
    """See whether a state file can be used.

    Raises:
        StateError: it cannot, is something else, or does not answer.
    """
    await read(FileStore(path))


async def read(store: Store) -> State:
    """Read a state; for a file this is bounded.

    Raises:
        StateError: it cannot be used, is something else, or does not answer.
    """
    try:
        with anyio.fail_after(store.seconds):
            return await store.update(unchanged)
    except TimeoutError:
        raise no_answer(store, store.seconds) from None


def no_answer(store: Store, seconds: float) -> StateError:
    return StateError(f"{store.name} does not answer within {seconds:g} s; name another, or keep none")
