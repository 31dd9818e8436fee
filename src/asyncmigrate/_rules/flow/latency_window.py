"""How many requests of one CRD are worth having in flight: enough to keep the server busy, and no more."""

from __future__ import annotations

import math


class LatencyWindow:
    """Keeps a few requests waiting at the server; how long answers take tells how many do.

    A server that is busy answers no more requests a second for having more of them at its door: each only waits longer,
    and so does everybody else's. What a request takes beyond what one takes when few are under way is such waiting, so
    `size * (1 - alone / now)` of them wait; `size` is set to what keeps QUEUED of them waiting (the rule of TCP Vegas
    and FAST TCP). A server far away, or a large one, is given as many as it answers without making them wait.

    What one takes when few are under way changes too. So now and then a batch is sent with a quarter of the size.
    """

    FIRST = 1
    QUEUED = 12.0  # between all CRDs; several times a small server's cores, so that none of them is idle
    BATCH = 2  # answers to take the mean of, or as many as are in flight where those are more
    LOOK_EVERY = 64  # batches: some seconds of a small server's time

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self.size = min(self.FIRST, ceiling)
        self._alone = math.inf  # seconds
        self._sum = 0.0
        self._count = 0
        self._skip = 0  # answers to requests that were sent at another size
        self._batches = 0
        self._resume: int | None = None  # the size to go back to after a look

    def answered(self, seconds: float, *, crds: int = 1) -> None:
        """Count an answer that came well after `seconds`, with requests of so many CRDs in flight."""
        if self._skip:
            self._skip -= 1
            return
        self._sum += seconds
        self._count += 1
        if self._count >= max(self.BATCH, self.size):
            mean = self._sum / self._count
            self._sum, self._count = 0.0, 0
            self._change_to(self._next(mean, crds))

    def _next(self, mean: float, crds: int) -> int:
        if self._resume is not None:
            self._alone = mean
            size, self._resume = self._resume, None
            return size
        self._alone = min(self._alone, mean)
        self._batches += 1
        if self._batches % self.LOOK_EVERY == 0:
            self._resume = self.size
            return max(1, self.size // 4)
        room = max(1.0, self.QUEUED / max(1, crds))
        share = self._alone / mean if mean > 0 else 1.0
        return max(1, min(self._ceiling, 2 * self.size, round(self.size * share + room)))

    def _change_to(self, size: int) -> None:
        self._skip = self.size if size != self.size else 0
        self.size = size
