"""How many requests one CRD may have in flight now: grows while answers come well, is cut when the server is full."""

from __future__ import annotations


class Window:
    """Finds what the server lets through, and then stays there.

    Up to the first cut every good answer adds one, so the ceiling is reached in a few round trips. After it every
    windowful of good answers adds one, and a cut just above a size that is known to go well falls back to that size
    and makes the next try above it wait twice as long: a server that lets one request in is not asked for two over
    and over. Any other cut halves. Requests that were in flight when the window was cut cannot cut it again: they are
    the same news.
    """

    FIRST = 1  # what a CRD whose webhook hangs costs the others; doubled with every round trip
    PATIENCE = 8  # good answers at the size that goes well before the first try above it
    MOST_PATIENCE = 512

    def __init__(self, ceiling: int, first: int = FIRST) -> None:
        self._ceiling = ceiling
        self.size = min(first, ceiling)
        self.epoch = 0
        self._good = 0  # good answers in a row at this size
        self._proven = 0  # the largest size that a windowful of good answers came at, since the last halving
        self._patience = 0  # 0 until the first cut

    def good(self) -> None:
        """Count an answer that came well."""
        self._good += 1
        if self._good >= self.size > self._proven:
            self._proven = self.size
            self._patience = max(self.PATIENCE, self._patience // 2) if self._patience else 0
        if self.size < self._ceiling and self._good >= self._wanted:
            self.size += 1
            self._good = 0

    @property
    def _wanted(self) -> int:
        """Good answers at this size before it grows."""
        if not self._patience:
            return 1
        return max(self.size, self._patience if self.size >= self._proven else 0)

    def bad(self, epoch: int) -> None:
        """Cut the window for a request that was sent in `epoch`."""
        if epoch != self.epoch:
            return
        self.epoch += 1
        self._good = 0
        if self._patience and self.size == self._proven + 1:
            self.size = self._proven
            self._patience = min(self.MOST_PATIENCE, self._patience * 2)
        else:
            self.size = self._proven = max(1, self.size // 2)
            self._patience = self.PATIENCE
