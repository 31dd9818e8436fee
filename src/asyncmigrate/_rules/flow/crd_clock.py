"""How long one CRD may go without an answer that counts, and when to find out with single requests."""

from __future__ import annotations

from asyncmigrate._rules.errors.causes import Cause

FIRST = 10  # failures in a row for one cause, after which single requests find out whether it is better
_LEAST = 3  # failures in a row before a CRD is given up, however long each takes
# What the API server waits for, or we: each such request costs as many seconds as it is waited for.
_PROBED = frozenset({Cause.WEBHOOK_DOWN, Cause.NO_ANSWER})


class CRDClock:
    """Runs while requests fail for what is outside of their objects; an object that settles stops it.

    An object that is denied or gone says nothing: its request may not have got as far as the others do.
    """

    def __init__(self) -> None:
        self.last_answer = -1.0
        self._since = 0.0
        self._failures = 0  # in a row
        self._noticed = 0.0  # when the first of them came back
        self._tried_since = False
        self._budget = 0.0
        self._cause: Cause | None = None
        self._same = 0  # of the failures in a row, those of one cause

    def answered(self, now: float) -> None:
        """Count what shows progress: an object that settled."""
        self.last_answer = now
        self._failures = self._same = 0
        self._budget = 0.0
        self._cause = None

    def failed(self, cause: Cause, *, began: float, now: float, budget: float) -> None:
        """Count a request that was sent at `began`; `budget` is how many seconds such a cause may last."""
        if not self._failures:
            self._since = max(began, self.last_answer)
            self._noticed = now
            self._tried_since = False
        self._tried_since = self._tried_since or began >= self._noticed
        self._failures += 1
        self._budget = max(self._budget, budget)
        self._same = self._same + 1 if cause is self._cause else 1
        self._cause = cause

    @property
    def probes(self) -> bool:
        """One request at a time is to find out whether it is better."""
        return self._same >= FIRST and self._cause in _PROBED

    def is_over(self, now: float) -> bool:
        """Nothing settled for as long as such a cause may last, and it was tried again since the first failure."""
        return self._tried_since and self._failures >= _LEAST and now - self._since >= self._budget
