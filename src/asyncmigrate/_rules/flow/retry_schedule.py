"""When to try again: exponential waits with jitter inside a bounded budget, never sooner than the server asks.

The only user of `backoff`: its generators give the waits; who sleeps, and on what, is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable

import backoff
import msgspec


def equal_jitter(wait: float) -> float:
    """Keep half of the wait and draw the other half, so that a crowd spreads out but nobody hammers."""
    return wait / 2 + backoff.full_jitter(wait / 2)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often to try again.

    Attributes:
        first_wait: seconds before the second try, before jitter.
        multiplier: each wait is this many times the one before.
        max_wait: seconds, before jitter; no wait grows beyond it (a server's Retry-After may).
        max_seconds: the budget from the first try on. A wait that would end after it is not begun: the error is final.
        max_tries: tries in all, the first included; None for as many as the budget holds.
        jitter: from a wait in seconds to the wait that is slept.
    """

    first_wait: float = 0.2
    multiplier: float = 2.0
    max_wait: float = 10.0
    max_seconds: float = 30.0
    max_tries: int | None = None
    jitter: Callable[[float], float] = equal_jitter

    def __post_init__(self) -> None:
        if self.first_wait < 0 or self.max_wait < 0 or self.max_seconds < 0 or self.multiplier < 1:
            raise ValueError("a retry policy's waits are not negative, and its multiplier is at least 1")
        if self.max_tries is not None and self.max_tries < 1:
            raise ValueError("max_tries counts the first try too, so it is at least 1")


DEFAULT_POLICY = RetryPolicy()
# clusterctl waits up to 135 s for a webhook whose certificates are being rotated.
WEBHOOK_POLICY = RetryPolicy(first_wait=1.0, max_seconds=150.0)
# For what is good to know, and holds nothing up: seconds to try it for, and for one such request.
BRIEF_BUDGET = 3.0
BRIEF_SECONDS = 5.0


class Schedule:
    """The waits of one call that keeps failing; its state is the number of tries made."""

    def __init__(self) -> None:
        self.tries = 0
        self._waits = backoff.expo(base=2)
        self._policy: RetryPolicy | None = None
        self._budget = 0.0  # seconds

    def next_wait(self, policy: RetryPolicy, elapsed: float, at_least: float | None = None) -> float | None:
        """Count a failed try and say how many seconds to wait before the next, or None where it was the last.

        Args:
            policy: may differ from try to try, as the kind of failure does; the waits then start small again, and the
                largest budget so far holds: a 503 in the middle of a webhook's outage does not end its 150 s.
            elapsed: seconds since the first try began.
            at_least: the server's Retry-After in seconds. Where the budget cannot hold it the call is over:
                to come back sooner than asked would be worse than to fail.
        """
        self.tries += 1
        if policy.max_tries is not None and self.tries >= policy.max_tries:
            return None
        if policy is not self._policy:
            self._policy = policy
            self._waits = backoff.expo(base=policy.multiplier, factor=policy.first_wait, max_value=policy.max_wait)
            next(self._waits)
        self._budget = max(self._budget, policy.max_seconds)
        wait = policy.jitter(self._waits.send(None))
        wait = max(wait, at_least or 0.0)
        return wait if elapsed + wait <= self._budget else None
