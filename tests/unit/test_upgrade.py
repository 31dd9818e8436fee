"""`before_upgrade` and `after_upgrade`: a plan and its run in one call, which raises unless all is done."""

from __future__ import annotations

import inspect

import pytest

from asyncmigrate import Cluster, Outcome, after_upgrade, before_upgrade, run
from asyncmigrate._engine.upgrade import RunKeywords
from asyncmigrate.errors import BlockedError, IncompleteError, UsageError
from asyncmigrate.events import Event, ObjectFailed, PlanFinished, RunFinished
from tests.bed.bed import EmbeddedBed
from tests.bed.scenes import crd

GROUP = "example.com"


def test_the_keywords_are_those_of_run() -> None:
    assert [*RunKeywords.__annotations__] == [
        p for p in inspect.signature(run).parameters if p not in {"cluster", "plan", "unfinished", "shard"}
    ]


async def test_no_manifests_are_not_all_crds(stale: EmbeddedBed) -> None:
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        with pytest.raises(UsageError, match="manifests is None"):
            await before_upgrade(cluster, None)
    assert stale.server.requests == []


async def test_it_migrates_and_tells_observers_of_both_halves(stale: EmbeddedBed) -> None:
    seen: list[Event] = []
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        new = crd(GROUP, "v2", "v2", plural="gadgets")
        # An iterator of observers, and of manifests, can be read once only.
        report = await before_upgrade(cluster, iter([crd(GROUP, "v3", "v2", "v3"), new]), observers=iter([seen.append]))
    assert [c.outcome for c in report.crds] == [Outcome.SKIPPED, Outcome.MIGRATED]
    assert report.objects.rewritten == 3
    assert [type(e) for e in seen if isinstance(e, PlanFinished | RunFinished)] == [PlanFinished, RunFinished]


async def test_a_blocked_crd_is_raised_with_the_plan_and_nothing_is_written(stale: EmbeddedBed) -> None:
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        with pytest.raises(BlockedError, match=r"^blocked: widgets\.example\.com: ") as raised:
            await before_upgrade(cluster, crd(GROUP, "v3", "v1", "v3"))
    assert raised.value.plan
    assert raised.value.plan.blocked
    assert stale.stored_api_versions(f"widgets.{GROUP}") == {"v1"}


async def test_with_skip_blocked_the_others_are_migrated_first(stale: EmbeddedBed) -> None:
    stale.server.apply_crd(crd(GROUP, "v1", "v1", plural="gadgets"))
    manifests = [crd(GROUP, "v2", "v1", "v2"), crd(GROUP, "v2", "v2", plural="gadgets")]
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        with pytest.raises(IncompleteError, match=r"^blocked: gadgets") as raised:
            await before_upgrade(cluster, manifests, skip_blocked=True)
    assert raised.value.report.objects.rewritten == 3


async def test_an_object_that_fails_is_raised_with_the_report(stale: EmbeddedBed) -> None:
    stale.server.faults.answer(403, reason="Forbidden", verb="patch", name="w-1")
    seen: list[Event] = []
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        with pytest.raises(IncompleteError) as raised:
            await after_upgrade(cluster, observers=seen.append)
        assert sum(isinstance(e, ObjectFailed) for e in seen) == 1
        assert [u.name for u in raised.value.report.unfinished] == [f"widgets.{GROUP}"]
        stale.server.faults.clear()
        assert (await after_upgrade(cluster, names=f"widgets.{GROUP}")).ok


async def test_wrong_use_is_told_before_anything_is_asked(stale: EmbeddedBed) -> None:
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        before = len(stale.server.requests)
        with pytest.raises(UsageError, match="max_in_flight is 0"):
            await after_upgrade(cluster, max_in_flight=0)
        with pytest.raises(TypeError, match="unexpected keyword maxinflight"):
            await after_upgrade(cluster, maxinflight=3)  # type: ignore[call-arg]
        assert len(stale.server.requests) == before
