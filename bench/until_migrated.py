"""Runs a plan until the CRDs that count are migrated, whatever the others are still at."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import anyio

from asyncmigrate import Cluster, Outcome, Plan, run
from asyncmigrate.events import CRDFinished, Event


async def until_migrated(cluster: Cluster, made: Plan, wanted: Collection[str], *, began: float, **how: Any) -> float:  # noqa: ANN401 -- run's own
    """Seconds from `began` until the last of the wanted CRDs is migrated; the run then ends.

    Raises:
        RuntimeError: one of them was not migrated.
    """
    left = set(wanted)
    took = 0.0
    with anyio.CancelScope() as scope:

        def watch(event: Event) -> None:
            nonlocal took
            if isinstance(event, CRDFinished) and event.report.outcome is Outcome.MIGRATED:
                left.discard(event.report.name)
                if not left and not took:
                    took = time.perf_counter() - began
                    scope.cancel()

        await run(cluster, made, observers=[watch], **how)
    if left:
        raise RuntimeError(f"not migrated: {left}")
    return took
