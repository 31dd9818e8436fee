"""Writes that began before storage moved are stored in the old version after it; none of them is trimmed over."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import pytest

from asyncmigrate import Outcome, plan, run
from tests.bed.admission import AdmissionWebhook, open_admission_webhook, register
from tests.bed.bed import MERGE, Bed, EmbeddedBed, RealBed
from tests.bed.scenes import Manifest, crd, obj

HELD = 3.0
SETTLE = 4.0


async def scene(bed: Bed, webhook: AdmissionWebhook) -> Manifest:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await register(bed, before, webhook)
    await bed.create(before, obj(before, "v1", "changed"), obj(before, "v1", "other"))
    return before


async def migrate(bed: Bed, settle: float) -> Outcome:
    async with bed.cluster() as cluster:
        report = await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]), settle=settle)
    return report.crds[0].outcome


def versions(bed: Bed) -> dict[str, str]:
    stored = bed.stored(f"widgets.{bed.group}")
    return {name: json.loads(data)["apiVersion"].rpartition("/")[2] for (_, name), data in stored.items()}


async def move_under_writes(bed: Bed, before: Manifest, webhook: AdmissionWebhook, settle: float) -> None:
    """Move storage while a create and a change are held in admission, and migrate at once."""
    created = webhook.answer("created", seconds=HELD, times=1)
    changed = webhook.answer("changed", seconds=HELD, times=1)
    async with anyio.create_task_group() as writes:

        async def create() -> None:
            answer = await bed.http.post(bed.path(before, "v1"), json=obj(before, "v1", "created"))
            assert answer.status_code == 201

        async def change() -> None:
            path = bed.path(before, "v1", name="changed")
            assert (await bed.http.patch(path, json={"spec": {"size": 2}}, headers=MERGE)).is_success

        writes.start_soon(create)
        writes.start_soon(change)
        await created.arrived.wait()
        await changed.arrived.wait()
        await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"), settled=isinstance(bed, RealBed))
        assert await migrate(bed, settle) is Outcome.MIGRATED


async def test_writes_that_are_held_in_admission_are_waited_for(bed: Bed) -> None:
    async with open_admission_webhook() as webhook:
        before = await scene(bed, webhook)
        await move_under_writes(bed, before, webhook, SETTLE)
        assert versions(bed) == {"created": "v2", "changed": "v2", "other": "v2"}
        # The old version may go, and all can be read.
        await bed.apply_crd(crd(bed.group, "v2", "v2"))
        answer = await bed.http.get(bed.path(before, "v2"))
        assert sorted(o["metadata"]["name"] for o in answer.json()["items"]) == ["changed", "created", "other"]


async def test_without_the_wait_they_would_be_lost(bed: Bed) -> None:
    """The scene bites: this is what the wait is for."""
    async with open_admission_webhook() as webhook:
        before = await scene(bed, webhook)
        await move_under_writes(bed, before, webhook, 0)
        found = versions(bed)
        assert (found["created"], found["other"]) == ("v1", "v2")


@pytest.mark.real
@pytest.mark.timeout(200)
async def test_a_body_that_trickles_in_for_half_a_minute_is_waited_for_by_default(real_bed: RealBed) -> None:
    bed, before = real_bed, crd(real_bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    body = json.dumps(obj(before, "v1", "late")).encode()
    begun = anyio.Event()

    async def trickle() -> AsyncIterator[bytes]:
        yield body[:10]
        begun.set()
        await anyio.sleep(30)
        yield body[10:]

    async def create() -> None:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        answer = await bed.http.post(bed.path(before, "v1"), content=trickle(), headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text

    async with anyio.create_task_group() as writes:
        writes.start_soon(create)
        await begun.wait()
        await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
        async with bed.cluster() as cluster:
            report = await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]))
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert report.seconds > 30
    assert versions(bed) == {"late": "v2", "w": "v2"}


async def test_a_slow_change_that_turns_an_object_back_is_no_match_for_the_wait(embedded: EmbeddedBed) -> None:
    """It began before the move, and is stored after we could have rewritten its object."""
    bed = embedded
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    bed.server.faults.delay(2.0, verb="patch", name="w", times=1)
    async with anyio.create_task_group() as writes:

        async def change() -> None:
            path = bed.path(before, "v1", name="w")
            assert (await bed.http.patch(path, json={"spec": {"size": 2}}, headers=MERGE)).is_success

        writes.start_soon(change)
        await bed.server.until(lambda: bed.server.faults.ordered[0].hits == 1)
        await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"), settled=False)
        assert await migrate(bed, 3.0) is Outcome.MIGRATED
    assert versions(bed) == {"w": "v2"}
    assert json.loads(bed.stored(f"widgets.{bed.group}")["default", "w"])["spec"]["size"] == 2
