"""How many requests one CRD may have in flight now: grows while answers come well, halves when the server is full."""

from __future__ import annotations


class Window:
    """Additive increase, multiplicative decrease, between 1 and a ceiling.

    Up to the first cut every good answer adds one, so the ceiling is reached in a few round trips; after it, every
    windowful does. Requests that were in flight when the window was cut cannot cut it again: they are the same news.
    """

    FIRST = 4

    def __init__(self, ceiling: int) -> None:
        self._ceiling = float(ceiling)
        self._size = float(min(self.FIRST, ceiling))
        self._threshold = self._ceiling
        self.epoch = 0

    @property
    def size(self) -> int:
        return int(self._size)

    def good(self) -> None:
        step = 1.0 if self._size < self._threshold else 1.0 / self._size
        self._size = min(self._ceiling, self._size + step)

    def bad(self, epoch: int) -> None:
        """Cut the window for a request that was sent in `epoch`."""
        if epoch != self.epoch:
            return
        self.epoch += 1
        self._size = self._threshold = max(1.0, self._size / 2)
