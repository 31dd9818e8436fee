"""A CRD that is changed while its objects are written: the writes stop, and the run decides anew, or says why not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from asyncmigrate import CRDReport, Outcome, TrimmedBy, plan, run
from asyncmigrate.events import CRDRelisted, Event, ObjectSettled
from tests.bed.bed import CRDS, MERGE, Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj
from tests.bed.webhook import Webhook, open_webhook

OBJECTS = 400
RATE = 60.0  # objects a second, so that a run outlasts several looks


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with open_webhook() as found:
        yield found


async def stale(bed: Bed, conversion: Manifest | None = None, count: int = OBJECTS) -> None:
    before = crd(bed.group, "v1", "v1", "v2", conversion=conversion)
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:03}", spec={"size": n}) for n in range(count)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", conversion=conversion))


async def migrate_while(
    bed: Bed, act: Callable[[], Awaitable[object]], rate: float = RATE
) -> tuple[CRDReport, list[Event], list[float]]:
    """Migrate, and act once twenty objects are done; also returns when objects were settled, since then."""
    events: list[Event] = []
    later: list[float] = []
    acted = [0.0]

    async with bed.cluster() as cluster, anyio.create_task_group() as tasks:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])

        async def do() -> None:
            await act()
            acted[0] = anyio.current_time()

        def note(event: Event) -> None:
            events.append(event)
            if isinstance(event, ObjectSettled):
                done = sum(isinstance(e, ObjectSettled) for e in events)
                if done == 20:
                    tasks.start_soon(do)
                if acted[0]:
                    later.append(anyio.current_time() - acted[0])

        report = await run(cluster, made, settle=0, rate=rate, observers=[note])
    return report.crds[0], events, later


async def test_a_conversion_that_goes_missing_stops_the_writes_within_two_seconds(bed: Bed, webhook: Webhook) -> None:
    await stale(bed, webhook.conversion)
    found, _, later = await migrate_while(bed, lambda: bed.apply_crd(crd(bed.group, "v2", "v1", "v2"), settled=False))
    assert (found.outcome, found.reason, found.trimmed) == (Outcome.INCOMPLETE, "ConversionChanged", False)
    assert "from Webhook to None" in found.message
    assert found.objects.settled < OBJECTS / 2
    assert max(later) < 2
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1", "v2"]


async def test_a_conversion_that_is_missing_between_two_looks_is_no_success(webhook: Webhook, bed: Bed) -> None:
    await stale(bed, webhook.conversion)

    async def toggle() -> None:
        await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"), settled=False)
        await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", conversion=webhook.conversion), settled=False)

    found, _, _ = await migrate_while(bed, toggle)
    assert (found.outcome, found.reason) == (Outcome.INCOMPLETE, "ConversionChanged")
    # On a busy machine one of the looks may come between the two.
    assert "changed 2 times between two looks" in found.message or "from Webhook to None" in found.message


async def test_a_version_that_is_its_like_no_more_stops_the_writes(bed: Bed) -> None:
    """The storage version is not served, so objects are written through another one with the same schema."""
    await stale(bed)
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", unserved=("v2",)))
    narrow = {"v1": {"type": "object", "properties": {}}}
    changed = crd(bed.group, "v2", "v1", "v2", unserved=("v2",), schemas=narrow)
    found, _, later = await migrate_while(bed, lambda: bed.apply_crd(changed, settled=False))
    assert (found.outcome, found.reason) == (Outcome.INCOMPLETE, "StorageVersionNotServed")
    assert max(later) < 2


async def test_a_look_that_gets_no_answer_stops_nothing_for_good(embedded: EmbeddedBed) -> None:
    await stale(embedded)
    name = f"widgets.{embedded.group}"
    async with embedded.cluster() as cluster:
        made = await plan(cluster, names=[name])
        embedded.server.faults.delay(30, verb="get", resource="customresourcedefinitions.apiextensions.k8s.io", times=1)
        report = await run(cluster, made, settle=0, rate=200.0)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert report.seconds < 20


async def test_a_change_that_does_no_harm_has_all_objects_listed_again(bed: Bed) -> None:
    await stale(bed)
    changed = crd(bed.group, "v2", "v1", "v2")
    changed["spec"]["names"]["shortNames"] = ["w"]
    found, events, _ = await migrate_while(bed, lambda: bed.apply_crd(changed, settled=False), rate=200.0)
    assert (found.outcome, found.trimmed_by) == (Outcome.MIGRATED, TrimmedBy.THIS_RUN)
    assert len([e for e in events if isinstance(e, CRDRelisted)]) == 1
    # Each object is counted once, and one that was rewritten before the second list still is.
    assert (found.objects.listed, found.objects.rewritten) == (OBJECTS, OBJECTS)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


async def test_an_old_version_that_is_no_longer_served_is_not_needed(bed: Bed) -> None:
    """Objects are rewritten through the version that they were written in, as long as it is there."""
    await stale(bed)
    changed = crd(bed.group, "v2", "v1", "v2", unserved=("v1",))
    found, _, _ = await migrate_while(bed, lambda: bed.apply_crd(changed, settled=False), rate=200.0)
    assert (found.outcome, found.objects.gone, found.objects.failed) == (Outcome.MIGRATED, 0, 0)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


async def test_a_schema_that_becomes_narrower_stops_the_writes(bed: Bed) -> None:
    await stale(bed)
    narrow = crd(bed.group, "v2", "v1", "v2", schemas={"v2": {"type": "object", "properties": {}}})
    found, _, later = await migrate_while(bed, lambda: bed.apply_crd(narrow, settled=False))
    assert (found.outcome, found.reason) == (Outcome.INCOMPLETE, "FieldsWouldBePruned")
    assert max(later) < 2
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1", "v2"]


async def set_condition(bed: Bed, status: str) -> None:
    """As Kubernetes' own migrator does."""
    name = f"widgets.{bed.group}"
    while True:
        live = await bed.live_crd(name)
        live["status"]["conditions"].append(
            {
                "type": "StorageMigrating",
                "status": status,
                "reason": "Migrating",
                "message": "",
                "lastTransitionTime": live["metadata"]["creationTimestamp"],
            }
        )
        answer = await bed.http.put(f"{CRDS}/{name}/status", json=live)
        if answer.status_code != 409:
            answer.raise_for_status()
            return


async def test_a_crd_that_kubernetes_migrates_itself_is_left_alone(bed: Bed) -> None:
    await stale(bed, count=2)
    await set_condition(bed, "True")
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        report = await run(cluster, made, settle=0)
    [found] = report.crds
    assert (found.outcome, found.reason, report.requests) == (Outcome.BLOCKED, "BeingMigrated", 0)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v1"}


async def test_a_migration_by_kubernetes_that_is_over_is_no_obstacle(bed: Bed) -> None:
    await stale(bed, count=2)
    await set_condition(bed, "False")
    async with bed.cluster() as cluster:
        report = await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]), settle=0)
    assert report.crds[0].outcome is Outcome.MIGRATED


async def test_a_manifest_that_takes_the_webhook_away_blocks(webhook: Webhook, bed: Bed) -> None:
    await stale(bed, webhook.conversion, count=2)
    schemas = {"v1": {"type": "object", "properties": {"spec": {"type": "object"}}}}
    path = bed.folder / "next.json"
    path.write_text(json.dumps(crd(bed.group, "v2", "v1", "v2", schemas=schemas)))
    async with bed.cluster() as cluster:
        [found] = (await plan(cluster, manifests=[path])).crds
        assert (found.decision.value, found.reason) == ("blocked", "ConversionChanged")
        path.write_text(json.dumps(crd(bed.group, "v2", "v1", "v2")))  # alike: there is nothing to convert
        [found] = (await plan(cluster, manifests=[path])).crds
        assert found.decision.value == "stale"


async def test_a_manifest_that_brings_a_webhook_blocks_while_the_live_crd_converts_nothing(bed: Bed) -> None:
    schemas = {
        v: {"type": "object", "properties": {"spec": {"type": "object", "properties": {f: {"type": "integer"}}}}}
        for v, f in (("v1", "size"), ("v2", "replicas"))
    }
    before = crd(bed.group, "v1", "v1", "v2", schemas=schemas)
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", schemas=schemas))
    webhook = {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://127.0.0.1:1/"}}}
    path = bed.folder / "next.json"
    path.write_text(json.dumps(crd(bed.group, "v2", "v1", "v2", schemas=schemas, conversion=webhook)))
    async with bed.cluster() as cluster:
        [found] = (await plan(cluster, manifests=[path])).crds
    assert (found.decision.value, found.reason) == ("blocked", "ConversionChanged")
    assert "restore the live CRD's spec.conversion" in found.message


async def test_others_status_writes_do_not_disturb(bed: Bed) -> None:
    await stale(bed)

    async def annotate() -> None:
        for number in range(3):
            patch = {"metadata": {"annotations": {"touched": str(number)}}}
            (await bed.http.patch(f"{CRDS}/widgets.{bed.group}", json=patch, headers=MERGE)).raise_for_status()

    found, events, _ = await migrate_while(bed, annotate, rate=200.0)
    assert found.outcome is Outcome.MIGRATED
    assert not [e for e in events if isinstance(e, CRDRelisted)]
