"""What a state is kept in: a file, or a ConfigMap of the cluster. Several processes may share one."""

from __future__ import annotations

from typing import Protocol

from asyncmigrate._state.content import Change, State


class Store(Protocol):
    """Where a state is kept.

    Attributes:
        name: what it is, for people: `the state file /x/state.json`.
        scope: how keys call the cluster that it says something of; empty where it is kept for several, by their names.
        seconds: within which it has to answer.
        last_seconds: the same for a run that is to end.
    """

    name: str
    scope: str
    seconds: float
    last_seconds: float

    async def update(self, change: Change) -> State:
        """Change what is kept, as it is by then: nothing that others wrote meanwhile is lost. Returns what is kept now.

        A change may be made more than once.

        Raises:
            StateError: it cannot be read or written, or is something else.
            MigrateError: the cluster does not answer, and may yet.
        """
        ...


def unchanged(state: State) -> State:
    """The change to update by, to read."""
    return state
