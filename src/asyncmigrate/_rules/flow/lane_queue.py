"""In which order one lane's jobs go: what is to be first, then retries that are due and fresh ones in turn."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_RETRIES = 16  # between two fresh jobs while probing; a guess


class LaneQueue(Generic[T]):
    """The jobs that could be sent now.

    A retry that is due goes before the fresh jobs, but a fresh one goes before the next retry: that one object hangs
    does not tell that the others do. A lane that is `probing` sends a fresh one as another witness after one retry,
    then after two, four and so on: each may become one more retry, and soon there would be hundreds.
    """

    def __init__(self) -> None:
        self.probing = False
        self._gap = 1  # retries before the next fresh one
        self._retries = 0  # since the last fresh one
        self.later = 0  # retries that are not due yet
        self._first: deque[T] = deque()
        self._due: deque[T] = deque()
        self._fresh: deque[T] = deque()

    def __len__(self) -> int:
        return len(self._first) + len(self._due) + len(self._fresh)

    def add_first(self, job: T) -> None:
        self._first.appendleft(job)

    def add(self, job: T) -> None:
        self._fresh.append(job)

    def add_due(self, job: T) -> None:
        """Add a retry that was noted as one for `later`."""
        self.later -= 1
        self._due.append(job)

    @property
    def sendable(self) -> int:
        """How many jobs could be sent by now."""
        others = len(self._first) + len(self._due)
        return others + (len(self._fresh) if not self.probing else bool(self._fresh) and self._may_be_fresh)

    @property
    def _may_be_fresh(self) -> bool:
        return not self.probing or self._fresh_is_next or not (self.later or self._due)

    @property
    def _fresh_is_next(self) -> bool:
        return self._retries >= (self._gap if self.probing else 1)

    def take(self) -> T | None:
        """The next job; None where there is none to send now."""
        if self._first:
            return self._first.popleft()
        if self._due and not (self._fresh and self._fresh_is_next):
            self._retries += 1
            return self._due.popleft()
        if self._fresh and self._may_be_fresh:
            self._retries = 0
            self._gap = min(_MOST_RETRIES, 2 * self._gap) if self.probing else 1
            return self._fresh.popleft()
        return None

    def clear(self) -> None:
        for jobs in (self._first, self._due, self._fresh):
            jobs.clear()
