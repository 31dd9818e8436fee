"""CRDs whose objects are converted by a webhook, on both servers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from asyncmigrate import Outcome, Report, RetryPolicy, plan, run
from asyncmigrate.events import Event, Observer, Retrying
from tests.bed import real
from tests.bed.bed import Bed, RealBed
from tests.bed.scenes import Manifest, crd, obj
from tests.bed.webhook import Webhook, open_webhook

QUICK = RetryPolicy(first_wait=0.01, max_wait=0.05, max_seconds=5)


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with open_webhook() as found:
        yield found


async def stale(bed: Bed, webhook: Webhook, count: int) -> Manifest:
    before = crd(bed.group, "v1", "v1", "v2", conversion=webhook.conversion)
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n}", spec={"size": n}) for n in range(count)))
    after = crd(bed.group, "v2", "v1", "v2", conversion=webhook.conversion)
    await bed.apply_crd(after)
    return after


async def migrate(bed: Bed, *observers: Observer) -> Report:
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        return await run(cluster, made, settle=0, retry_policy=QUICK, webhook_policy=QUICK, observers=observers)


async def test_objects_are_stored_as_the_webhook_converts_them(bed: Bed, webhook: Webhook) -> None:
    await stale(bed, webhook, 5)
    report = await migrate(bed)
    assert report.crds[0].outcome is Outcome.MIGRATED
    stored = {key[1]: json.loads(data) for key, data in bed.stored(f"widgets.{bed.group}").items()}
    assert {o["apiVersion"] for o in stored.values()} == {f"{bed.group}/v2"}
    assert {name: o["spec"] for name, o in stored.items()} == {f"w-{n}": {"replicas": n} for n in range(5)}


async def test_a_webhook_that_comes_back_costs_retries_and_nothing_else(bed: Bed, webhook: Webhook) -> None:
    await stale(bed, webhook, 3)
    webhook.down = True

    def back_again(event: Event) -> None:
        if isinstance(event, Retrying):
            webhook.down = False

    report = await migrate(bed, back_again)
    assert report.crds[0].outcome is Outcome.MIGRATED
    # 1.36 and before answer 200 from their cache, and drop the object's owners (kubernetes#136919).
    assert report.retries > 0 or (isinstance(bed, RealBed) and real.minor() < 37)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
