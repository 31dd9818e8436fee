"""`before_upgrade` and `after_upgrade`: a plan and its run in one call, which raises unless all is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, TypedDict, Unpack

from asyncmigrate._cluster.cluster import Cluster
from asyncmigrate._engine.planner import plan
from asyncmigrate._engine.runner import run
from asyncmigrate._manifests.given import Manifests
from asyncmigrate._options import RunOptions
from asyncmigrate._results.report import Report
from asyncmigrate._rules.flow.retry_schedule import RetryPolicy
from asyncmigrate.errors import UsageError
from asyncmigrate.events import Observer


class RunKeywords(TypedDict, total=False):
    """What `run` may be told; `tests/unit/test_upgrade.py` holds it to its signature."""

    dry_run: bool
    skip_blocked: bool
    max_in_flight: int
    rate: float | None
    settle: float
    proof_margin: float
    rewrite_all: bool
    managed_fields: Literal["move", "keep"]
    record_events: bool
    state: str | os.PathLike[str] | None
    retry_policy: RetryPolicy
    webhook_policy: RetryPolicy
    observers: Iterable[Observer] | Observer


async def before_upgrade(
    cluster: Cluster,
    manifests: Manifests,
    *,
    recursive: bool = False,
    names: Iterable[str] | str = (),
    selector: str = "",
    allow_pruning: bool = False,
    **how: Unpack[RunKeywords],
) -> Report:
    """Make a cluster ready for new manifests: plan, refuse if any CRD is blocked, and migrate the stale ones.

    When it returns the manifests may be applied, as far as stored objects are concerned.

    Args:
        cluster: an open cluster.
        manifests: what is to be applied, as in `plan`.
        recursive: read folders' subfolders too.
        names: only these of the manifests' CRDs; one name or several.
        selector: only the CRDs that this label selector matches.
        allow_pruning: migrate CRDs even if that removes fields; see `plan`.
        how: as in `run`.

    Raises:
        UsageError: manifests is None: that would mean all CRDs of the cluster.
        BlockedError: CRDs are blocked, and nothing was written; it carries the plan. With `skip_blocked` the others are
            migrated first, and IncompleteError tells of those that are blocked.
        IncompleteError: something failed; it carries the report.
        MigrateError: what `plan` and `run` raise.
    """
    if manifests is None:
        raise UsageError("manifests is None: give those that are to be applied, or call after_upgrade for all CRDs")
    return await _upgrade(
        cluster,
        manifests,
        how,
        recursive=recursive,
        names=names,
        selector=selector,
        allow_pruning=allow_pruning,
    )


async def after_upgrade(
    cluster: Cluster,
    *,
    names: Iterable[str] | str = (),
    selector: str = "",
    allow_pruning: bool = False,
    **how: Unpack[RunKeywords],
) -> Report:
    """Migrate every stale CRD of a cluster, or those that are named or selected: after an upgrade, or on any day.

    Args:
        cluster: an open cluster.
        names: only these CRDs; one name or several.
        selector: only the CRDs that this label selector matches.
        allow_pruning: migrate CRDs even if that removes fields; see `plan`.
        how: as in `run`.

    Raises:
        BlockedError, IncompleteError, MigrateError: as in `before_upgrade`.
    """
    return await _upgrade(
        cluster, None, how, recursive=False, names=names, selector=selector, allow_pruning=allow_pruning
    )


async def _upgrade(
    cluster: Cluster,
    manifests: Manifests | None,
    how: RunKeywords,
    *,
    recursive: bool,
    names: Iterable[str] | str,
    selector: str,
    allow_pruning: bool,
) -> Report:
    if unknown := sorted(how.keys() - RunKeywords.__annotations__.keys()):
        raise TypeError(f"unexpected keyword {unknown[0]}")  # before anything is planned
    defaults = RunOptions()
    observers = how.get("observers", ())
    how["observers"] = (observers,) if callable(observers) else tuple(observers)  # both are told, so it is no iterator
    todo = await plan(
        cluster,
        manifests=manifests,
        recursive=recursive,
        names=names,
        selector=selector,
        allow_pruning=allow_pruning,
        counts_within=0,  # the run finds out by itself
        max_in_flight=how.get("max_in_flight", defaults.max_in_flight),
        retry_policy=how.get("retry_policy", defaults.retry_policy),
        webhook_policy=how.get("webhook_policy", defaults.webhook_policy),
        observers=how["observers"],
    )
    if not (how.get("skip_blocked") or how.get("dry_run")):
        todo.raise_if_blocked()
    report = await run(cluster, todo, **how)
    report.raise_for_outcome()
    return report
