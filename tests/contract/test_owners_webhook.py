"""managedFields where a webhook converts and renames a field: what can be mapped is moved, and no owner is lost.

The webhook comes before the bed in a test's arguments: a CRD whose objects cannot be converted cannot be deleted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from asyncmigrate import Cluster, CRDReport, Outcome, OwnersLeft, RetryPolicy, plan, run
from tests.bed.bed import Bed, open_embedded
from tests.bed.owners import apply, owners, read, update, versions
from tests.bed.scenes import Manifest, crd
from tests.bed.webhook import Webhook, open_webhook

QUICK = RetryPolicy(first_wait=0.05, max_wait=0.2, max_seconds=5)


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with open_webhook() as found:
        yield found


def widgets(bed: Bed, webhook: Webhook, storage: str, *names: str, **more: Any) -> Manifest:  # noqa: ANN401
    """A CRD whose versions before v2 have `spec.size` where v2 has `spec.replicas`."""
    return crd(bed.group, storage, *names, conversion=webhook.conversion, **more)


async def stale(bed: Bed, webhook: Webhook, *, count: int = 1) -> Manifest:
    """Objects stored in v1: flux applies what keeps its name, helm had what is renamed, kubectl has some of both."""
    before = await bed.apply_crd(widgets(bed, webhook, "v1", "v1", "v2"))
    for number in range(count):
        name = f"w-{number}"
        for by, spec in (("flux", {"a": "1", "b": "1"}), ("helm", {"size": 1, "c": "1"})):
            assert (await apply(bed, before, "v1", by, name=name, spec=spec)).is_success
        await update(bed, before, "v1", "kubectl", name=name, spec={"size": 2, "d": "1"})
    return await bed.apply_crd(widgets(bed, webhook, "v2", "v1", "v2"))


async def migrate(bed: Bed, *, clean_only: bool = False, **how: Any) -> CRDReport:  # noqa: ANN401
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"], clean_only=clean_only)
        options = {"retry_policy": QUICK, "webhook_policy": QUICK} | how
        return (await run(cluster, made, settle=0, **options)).crds[0]


MOVED: dict[tuple[str, str, str, str], Manifest] = {
    ("flux", "Apply", "v2", ""): {"f:spec": {".": {}, "f:a": {}, "f:b": {}}},
    ("helm", "Apply", "v2", ""): {"f:spec": {".": {}, "f:c": {}}},
    ("kubectl", "Update", "v2", ""): {"f:spec": {"f:d": {}}},
    ("kubectl", "Update", "v1", ""): {"f:spec": {"f:size": {}}},
}


async def test_what_keeps_its_name_is_moved_and_what_is_renamed_is_left_and_named(webhook: Webhook, bed: Bed) -> None:
    after = await stale(bed, webhook)
    found = await migrate(bed)
    assert found.outcome is Outcome.MIGRATED
    # helm lost its size to kubectl, who has set it since.
    left = OwnersLeft(manager="kubectl", api_version=f"{bed.group}/v1", fields=("spec.size",), objects=1)
    assert found.owners_left == (left,)
    assert owners(await read(bed, after, "v2", "w-0")) == MOVED
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
    answer = await apply(bed, after, "v2", "flux", name="w-0", spec={"a": "2"})
    assert answer.json()["spec"] == {"a": "2", "c": "1", "d": "1", "replicas": 2}
    before = (await read(bed, after, "v2", "w-0"))["metadata"]["resourceVersion"]
    cleaned = await migrate(bed, clean_only=True)
    assert (cleaned.outcome, cleaned.reason, cleaned.owners_left) == (Outcome.INCOMPLETE, "OwnersLeft", (left,))
    assert (cleaned.objects.proven, cleaned.objects.rewritten) == (1, 0)
    assert (await read(bed, after, "v2", "w-0"))["metadata"]["resourceVersion"] == before


async def test_apply_that_owns_a_renamed_field_is_left_whole_and_goes_on_working(webhook: Webhook, bed: Bed) -> None:
    before = await bed.apply_crd(widgets(bed, webhook, "v1", "v1", "v2"))
    assert (await apply(bed, before, "v1", "helm", spec={"size": 1, "c": "1"})).is_success
    after = await bed.apply_crd(widgets(bed, webhook, "v2", "v1", "v2"))
    found = await migrate(bed)
    assert [(o.manager, o.fields) for o in found.owners_left] == [("helm", ("spec.size",))]
    assert versions(await read(bed, after, "v2")) == {"v1"}
    answer = await apply(bed, after, "v2", "helm", spec={"replicas": 3})
    assert answer.json()["spec"] == {"replicas": 3}
    assert owners(answer.json()) == {("helm", "Apply", "v2", ""): {"f:spec": {".": {}, "f:replicas": {}}}}


async def test_entries_of_a_version_that_is_not_served_are_left_whole(webhook: Webhook, bed: Bed) -> None:
    await stale(bed, webhook)
    after = await bed.apply_crd(widgets(bed, webhook, "v2", "v1", "v2", unserved=("v1",)))
    found = await migrate(bed)
    assert found.outcome is Outcome.MIGRATED
    assert {(o.manager, o.fields) for o in found.owners_left} == {("flux", ()), ("helm", ()), ("kubectl", ())}
    assert versions(await read(bed, after, "v2", "w-0")) == {"v1"}


async def test_entries_of_a_dropped_version_are_moved_and_apply_works_again(webhook: Webhook, bed: Bed) -> None:
    before = await bed.apply_crd(widgets(bed, webhook, "v1", "v1", "v2"))
    assert (await apply(bed, before, "v1", "flux", spec={"a": "1", "b": "1"})).is_success
    await bed.apply_crd(widgets(bed, webhook, "v2", "v1", "v2"))
    assert (await migrate(bed)).outcome is Outcome.MIGRATED
    gone = await bed.apply_crd(widgets(bed, webhook, "v2", "v2"))
    assert (await apply(bed, gone, "v2", "flux", spec={"a": "2"})).json()["spec"] == {"a": "2"}


async def test_webhook_that_is_gone_for_a_while_in_mid_run_costs_no_owner(webhook: Webhook, bed: Bed) -> None:
    after = await stale(bed, webhook, count=6)
    patches: list[str] = []

    async def fail(request: httpx.Request) -> None:
        if request.method == "PATCH" and "/widgets/" in request.url.path and "dryRun" not in str(request.url):
            patches.append(request.url.path)
            webhook.down = 2 <= len(patches) < 6

    async with bed.client(event_hooks={"request": [fail]}, timeout=30) as client, Cluster.from_httpx(client) as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        up = RetryPolicy(first_wait=0.05, max_wait=0.2, max_seconds=20)
        watch = [lambda _: revive(webhook)]
        report = await run(cluster, made, settle=0, retry_policy=up, webhook_policy=up, observers=watch)
    found = report.crds[0]
    assert (found.outcome, found.objects.failed) == (Outcome.MIGRATED, 0)
    for number in range(6):
        assert owners(await read(bed, after, "v2", f"w-{number}")) == MOVED


def revive(webhook: Webhook) -> None:
    """After some calls that failed."""
    webhook.down = webhook.down and webhook.calls % 7 != 0


async def test_webhook_that_never_comes_back_costs_no_owner(webhook: Webhook, bed: Bed) -> None:
    await never_back(webhook, bed)


async def test_owners_that_an_old_server_removes_are_put_back(webhook: Webhook, tmp_path: Path) -> None:
    """As 1.36 and before do when an entry's webhook is gone at the moment of the write."""
    async with open_embedded(tmp_path, minor=36) as bed:
        await never_back(webhook, bed)


async def never_back(webhook: Webhook, bed: Bed) -> None:
    after = await stale(bed, webhook, count=3)

    async def fail(request: httpx.Request) -> None:
        if request.method == "PATCH" and "/widgets/" in request.url.path and "dryRun" not in str(request.url):
            webhook.down = True

    async with bed.client(event_hooks={"request": [fail]}, timeout=30) as client, Cluster.from_httpx(client) as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        brief = RetryPolicy(first_wait=0.05, max_wait=0.2, max_seconds=1)
        report = await run(cluster, made, settle=0, retry_policy=brief, webhook_policy=brief)
    webhook.down = False
    assert report.crds[0].outcome is not Outcome.MIGRATED
    for number in range(3):
        found = owners(await read(bed, after, "v2", f"w-{number}"))
        assert {manager for manager, *_ in found} == {"flux", "helm", "kubectl"}
