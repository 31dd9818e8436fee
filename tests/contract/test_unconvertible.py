"""Stored objects that cannot be converted fail every page that they are on: they are named, and all others migrated."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from asyncmigrate import Outcome, Report, RetryPolicy, plan, run
from tests.bed.bed import CRDS, MERGE, Bed
from tests.bed.scenes import Manifest, crd, obj
from tests.bed.webhook import Webhook, open_webhook

QUICK = RetryPolicy(first_wait=0.01, max_wait=0.3, max_seconds=3)


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with open_webhook() as found:
        yield found


async def migrate(bed: Bed) -> Report:
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        return await run(cluster, made, settle=0, retry_policy=QUICK, webhook_policy=QUICK)


def stored_in(bed: Bed) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for (_, name), data in bed.stored(f"widgets.{bed.group}").items():
        found.setdefault(json.loads(data)["apiVersion"].rpartition("/")[2], []).append(name)
    return found


@pytest.mark.parametrize("stuck", [{"w-0300"}, {"w-0000", "w-0001", "w-0599"}])
async def test_an_object_that_a_webhook_refuses_is_named_and_all_others_are_migrated(
    bed: Bed, webhook: Webhook, stuck: set[str]
) -> None:
    webhook.refused = stuck
    before = crd(bed.group, "v1", "v1", "v2", conversion=webhook.conversion)
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:04}", spec={"size": n}) for n in range(600)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", conversion=webhook.conversion))
    report = await migrate(bed)
    [found] = report.crds
    assert (found.outcome, found.reason) == (Outcome.INCOMPLETE, "ObjectsFailed")
    assert {f.name for f in found.failures} == stuck
    assert all("has no size" in f.message for f in found.failures)
    assert found.objects.failed == len(stuck)
    assert set(stored_in(bed)["v1"]) == stuck
    assert len(stored_in(bed)["v2"]) == 600 - len(stuck)
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1", "v2"]
    # Mended, it is all that is left to do.
    webhook.refused = set()
    assert (await migrate(bed)).crds[0].outcome is Outcome.MIGRATED
    assert set(stored_in(bed)) == {"v2"}


async def test_an_object_in_a_version_that_the_crd_has_no_more_ends_in_bounded_time(bed: Bed) -> None:
    before = crd(bed.group, "v1", "v1", "v2", "v3")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n}") for n in range(3)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", "v3"))
    # Somebody trims by hand what is still stored, and drops the version.
    name = f"widgets.{bed.group}"
    await patch_status(bed, name, {"storedVersions": ["v2"]})
    await bed.apply_crd(crd(bed.group, "v2", "v2", "v3"), settled=False)
    await patch_status(bed, name, {"storedVersions": ["v2", "v3"]})
    report = await migrate(bed)
    [found] = report.crds
    assert (found.outcome, found.reason, found.trimmed) == (Outcome.FAILED, "ListFailed", False)
    assert report.seconds < 30
    assert await bed.stored_versions(name) == ["v2", "v3"]
    # Back again, for the clean-up too.
    await bed.apply_crd(before)
    assert (await migrate(bed)).crds[0].outcome in {Outcome.MIGRATED, Outcome.SKIPPED}


async def patch_status(bed: Bed, name: str, status: dict[str, Any]) -> Manifest:
    answer = await bed.http.patch(f"{CRDS}/{name}/status", json={"status": status}, headers=MERGE)
    answer.raise_for_status()
    return answer.json()  # type: ignore[no-any-return]
