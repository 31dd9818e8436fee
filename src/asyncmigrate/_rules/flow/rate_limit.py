"""At most so many objects a second, for those who want it."""

from __future__ import annotations

_BURST_SECONDS = 0.05  # timers are no finer


class RateLimit:
    """Spreads objects evenly; who falls behind does not catch up in a burst."""

    def __init__(self, rate: float) -> None:
        self._gap = 1.0 / rate
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Take the next place, and say how many seconds to wait for it."""
        self._next = max(self._next, now - _BURST_SECONDS) + self._gap
        return max(0.0, self._next - self._gap - now)
