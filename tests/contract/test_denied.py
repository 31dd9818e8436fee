"""What an admission webhook says is about that object alone, whatever code it says it with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from asyncmigrate import CRDReport, Objects, Outcome, plan, run
from asyncmigrate.events import Event, Retrying
from tests.bed.admission import AdmissionWebhook, open_admission_webhook, register
from tests.bed.bed import Bed
from tests.bed.scenes import Manifest, crd, obj


@pytest.fixture
async def webhook() -> AsyncIterator[AdmissionWebhook]:
    async with open_admission_webhook() as found:
        yield found


async def scene(bed: Bed, webhook: AdmissionWebhook, *names: str, **rule: Any) -> Manifest:  # noqa: ANN401
    """A stale CRD whose objects an admission webhook is asked about."""
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", name) for name in names))
    after = await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    await register(bed, after, webhook, **rule)
    return after


async def migrate(bed: Bed) -> tuple[CRDReport, list[Event]]:
    events: list[Event] = []
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        report = await run(cluster, made, settle=0, observers=[events.append])
    return report.crds[0], events


def status(code: int, reason: str, **more: Any) -> Manifest:  # noqa: ANN401
    return {"status": "Failure", "code": code, "reason": reason, "message": "says the webhook"} | more


DENIALS = {
    "a Secret named alike is not found": status(404, "NotFound", details={"name": "w-1", "kind": "secrets"}),
    "its namespace is not found": status(404, "NotFound", details={"name": "w-1", "kind": "namespaces"}),
    "something else is not found": status(404, "NotFound", details={"name": "config", "kind": "configmaps"}),
    "nothing in particular is not found": status(404, "NotFound"),
    "unauthorized": status(401, "Unauthorized"),
    "conflict": status(409, "Conflict"),
    "expired": status(410, "Expired"),
    "too many requests": status(429, "TooManyRequests", details={"retryAfterSeconds": 1}),
    "its own error": status(500, "InternalError"),
    "unavailable": status(503, "ServiceUnavailable"),
    "forbidden": status(403, "Forbidden"),
    "invalid": status(422, "Invalid"),
}


@pytest.mark.parametrize("denial", DENIALS.values(), ids=DENIALS)
async def test_a_denied_object_fails_by_name_and_all_others_are_migrated(
    bed: Bed, webhook: AdmissionWebhook, denial: Manifest
) -> None:
    await scene(bed, webhook, "w-0", "w-1", "w-2")
    webhook.answer("w-1", deny=denial)
    found, events = await migrate(bed)
    assert (found.outcome, found.reason, found.trimmed) == (Outcome.INCOMPLETE, "ObjectsFailed", False)
    assert found.objects == Objects(listed=3, rewritten=2, failed=1)
    [failure] = found.failures
    assert (failure.name, failure.code) == ("w-1", denial["code"])
    assert failure.message == f'admission webhook "policy.{bed.group}" denied the request: says the webhook'
    assert not [e for e in events if isinstance(e, Retrying)]
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1", "v2"]
    assert "v1" in bed.stored_api_versions(f"widgets.{bed.group}")


async def test_once_it_is_let_through_the_next_run_finishes(bed: Bed, webhook: AdmissionWebhook) -> None:
    await scene(bed, webhook, "w-0", "w-1")
    webhook.answer("w-1", deny=DENIALS["a Secret named alike is not found"])
    found, _ = await migrate(bed)
    assert found.outcome is Outcome.INCOMPLETE
    webhook.answer("w-1")
    found, _ = await migrate(bed)
    assert (found.outcome, found.objects.rewritten) == (Outcome.MIGRATED, 1)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


async def test_what_is_refused_through_the_version_it_was_written_in_is_tried_through_the_storage_version(
    bed: Bed, webhook: AdmissionWebhook
) -> None:
    """A policy may look at the version that a request names: matchPolicy Exact, or a rule of its own."""
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    after = await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    await register(bed, after, webhook)
    webhook.answer("w", deny=status(403, "Forbidden"), times=1)
    found, _ = await migrate(bed)
    assert (found.outcome, found.objects) == (Outcome.MIGRATED, Objects(listed=1, rewritten=1))
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
