"""A server that is full is left in peace: API Priority and Fairness that rejects, and one that queues."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from asyncmigrate import Outcome, Report, plan, run
from asyncmigrate.events import Event, Observer, RequestSent, Retrying
from tests.bed import real
from tests.bed.bed import RealBed, open_real, trust
from tests.bed.scenes import crd, obj

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1"
OBJECTS = 2000


async def stale(bed: RealBed, count: int) -> None:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:04}") for n in range(count)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    await bed.grant("upgrader", ("get", "list"), "apiextensions.k8s.io", ("customresourcedefinitions",))
    await bed.grant("upgrader", ("patch",), "apiextensions.k8s.io", ("customresourcedefinitions/status",))
    await bed.grant("upgrader", ("get", "list", "patch"), bed.group, ("widgets",))


async def migrate(bed: RealBed, *observers: Observer) -> Report:
    async with bed.cluster("upgrader") as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        return await run(cluster, made, settle=0, observers=observers)


@asynccontextmanager
async def rejecting_level(bed: RealBed) -> AsyncIterator[None]:
    """A priority level with few seats and no queue, for the upgrader and the user nobody."""
    name = bed.group.replace(".", "-")
    level = {
        "metadata": {"name": name},
        "spec": {
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": 1,
                "lendablePercent": 0,
                "borrowingLimitPercent": 0,
                "limitResponse": {"type": "Reject"},
            },
        },
    }
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    flow = {
        "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": 100,
            "priorityLevelConfiguration": {"name": name},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [{"kind": "User", "user": {"name": user}} for user in ("upgrader", "nobody")],
                    "resourceRules": [rule],
                }
            ],
        },
    }
    made = await bed.http.post(f"{FLOWS}/prioritylevelconfigurations", json=level)
    made.raise_for_status()
    uid = made.json()["metadata"]["uid"]
    (await bed.http.post(f"{FLOWS}/flowschemas", json=flow)).raise_for_status()
    try:
        async with someone_else(bed) as other:
            while (await get(other)).headers.get("x-kubernetes-pf-prioritylevel-uid") != uid:
                await anyio.sleep(0.1)
        yield
    finally:
        await bed.http.delete(f"{FLOWS}/flowschemas/{name}")
        await bed.http.delete(f"{FLOWS}/prioritylevelconfigurations/{name}")


def someone_else(bed: RealBed) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=bed.url, headers={"Authorization": "Bearer nobody-token"}, verify=trust(bed.server), timeout=30
    )


async def get(other: httpx.AsyncClient) -> httpx.Response:
    """A request of its own right: that it is forbidden is said only after it has been let in."""
    return await other.get("/api/v1/namespaces/default")


async def migrated_beside_another_client(bed: RealBed) -> tuple[Report, Counter[int], list[Event]]:
    """Migrate, while somebody else in the same priority level asks for something ten times a second."""
    codes: Counter[int] = Counter()
    events: list[Event] = []
    reports: list[Report] = []

    async def ask() -> None:
        async with someone_else(bed) as other:
            while True:
                codes[(await get(other)).status_code] += 1
                await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        reports.append(await migrate(bed, events.append))
        tasks.cancel_scope.cancel()
    return reports[0], codes, events


def judge(report: Report, codes: Counter[int]) -> None:
    [found] = report.crds
    print(f"{report.objects}, {report.retries} retries in {report.seconds:.0f} s; others: {dict(codes)}")  # noqa: T201 -- figures for whoever asks with -s
    assert (found.outcome, found.objects.failed) == (Outcome.MIGRATED, 0)
    assert report.retries < 0.25 * OBJECTS
    assert set(codes) <= {403, 429}
    assert codes[403] > codes[429]


async def test_a_level_that_rejects(real_bed: RealBed) -> None:
    await stale(real_bed, OBJECTS)
    async with rejecting_level(real_bed):
        report, codes, events = await migrated_beside_another_client(real_bed)
    judge(report, codes)
    # The level rejected some, in plain text, and each was tried again no sooner than it asked.
    assert any(e.status == 429 for e in events if isinstance(e, RequestSent))
    assert all(e.wait >= 1 for e in events if isinstance(e, Retrying) and "429" in e.error)


async def test_a_level_that_queues(tmp_path: Path) -> None:
    flags = ("--max-requests-inflight", "4", "--max-mutating-requests-inflight", "2")
    with real.start(tmp_path, apiserver_flags=flags) as server:
        async with open_real(server, tmp_path) as bed:
            await stale(bed, OBJECTS)
            report, codes, _ = await migrated_beside_another_client(bed)
            judge(report, codes)
