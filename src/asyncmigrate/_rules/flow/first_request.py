"""How to ask about the next object, by what became of the last ones: where many share a fate, it costs one request."""

from __future__ import annotations

_ENOUGH = 3  # objects in a row


class FirstRequest:
    """Counts objects in a row that were gone, or that were refused through each version."""

    def __init__(self) -> None:
        self._gone = 0
        self._refused = 0

    def settled(self) -> None:
        self._gone = self._refused = 0

    def gone(self) -> None:
        self._gone, self._refused = self._gone + 1, 0

    def refused(self) -> None:
        self._gone, self._refused = 0, self._refused + 1

    @property
    def looks(self) -> bool:
        """Whether it is there, before it is written."""
        return self._gone >= _ENOUGH

    @property
    def straight(self) -> bool:
        """Through the storage version, whatever it was written in."""
        return self._refused >= _ENOUGH
