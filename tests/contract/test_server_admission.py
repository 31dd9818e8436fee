"""Validating admission webhooks: when each server asks them, what it says, and how it passes on what they answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.bed.admission import CONFIGURATIONS, AdmissionWebhook, open_admission_webhook, register
from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest, crd, obj
from tests.contract.test_server import said, widgets

GONE = {"code": 404, "reason": "NotFound", "message": "no", "details": {"name": "w-0", "kind": "widgets"}}


@pytest.fixture
async def webhook() -> AsyncIterator[AdmissionWebhook]:
    async with open_admission_webhook() as found:
        yield found


async def patch(bed: Bed, target: str, body: Manifest | None = None, **query: str) -> httpx.Response:
    return await bed.http.patch(target, params=query, json=body or {}, headers=MERGE)


async def test_a_patch_that_changes_nothing_is_asked_about_and_elided(bed: Bed, webhook: AdmissionWebhook) -> None:
    manifest = await widgets(bed, 1)
    target = bed.path(manifest, "v1", name="w-0")
    before = (await bed.http.get(target)).json()
    await register(bed, manifest, webhook)
    after = (await patch(bed, target)).json()
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    asked = webhook.reviews[-1]
    kind = {"group": bed.group, "version": "v1", "kind": "Widget"}
    resource = {"group": bed.group, "version": "v1", "resource": "widgets"}
    assert asked["kind"] == asked["requestKind"] == kind
    assert asked["resource"] == asked["requestResource"] == resource
    assert (asked["name"], asked["namespace"], asked["operation"]) == ("w-0", "default", "UPDATE")
    assert (asked["dryRun"], asked["options"]["kind"]) == (False, "UpdateOptions")
    assert asked["userInfo"]["username"] == "admin"
    assert "subResource" not in asked
    assert asked["object"] == asked["oldObject"] == before


async def test_each_kind_of_write_is_asked_about(bed: Bed, webhook: AdmissionWebhook) -> None:
    manifest = await widgets(bed, 1, status=True)
    here = bed.path(manifest, "v1")
    await register(bed, manifest, webhook, operations=("CREATE", "UPDATE", "DELETE"))
    await bed.http.post(here, json=obj(manifest, "v1", "new"))
    created = webhook.reviews[-1]
    assert (created["operation"], created["name"], created["oldObject"]) == ("CREATE", "new", None)
    assert created["object"]["metadata"]["uid"]
    await patch(bed, f"{here}/w-0", {"spec": {"size": 2}})
    changed = webhook.reviews[-1]
    assert (changed["object"]["spec"], changed["oldObject"]["spec"]) == ({"size": 2}, {"size": 1})
    await patch(bed, f"{here}/w-0/status", {"status": {"ready": True}})
    assert (webhook.reviews[-1]["operation"], webhook.reviews[-1]["subResource"]) == ("UPDATE", "status")
    await patch(bed, f"{here}/w-0", {"spec": {"size": 3}}, dryRun="All")
    assert webhook.reviews[-1]["dryRun"] is True
    live = (await bed.http.get(f"{here}/w-0")).json()
    await bed.http.put(f"{here}/w-0", json=live)
    assert webhook.reviews[-1]["operation"] == "UPDATE"
    await bed.http.delete(f"{here}/w-0")
    deleted = webhook.reviews[-1]
    assert (deleted["operation"], deleted["name"], deleted["object"]) == ("DELETE", "w-0", None)
    assert deleted["oldObject"]["spec"] == {"size": 2}


async def test_a_missing_object_and_a_conflict_are_told_before_a_webhook_is_asked(
    bed: Bed, webhook: AdmissionWebhook
) -> None:
    manifest = await widgets(bed, 1)
    here = bed.path(manifest, "v1")
    await register(bed, manifest, webhook, operations=("CREATE", "UPDATE", "DELETE"))
    webhook.reviews.clear()
    assert (await patch(bed, f"{here}/none")).status_code == 404
    assert (await bed.http.delete(f"{here}/none")).status_code == 404
    assert (await patch(bed, f"{here}/w-0", {"metadata": {"resourceVersion": "1"}})).status_code == 409
    assert webhook.reviews == []
    # An object that is there already is found out later.
    webhook.answer("w-0", deny={"code": 403, "message": "no"})
    assert (await bed.http.post(here, json=obj(manifest, "v1", "w-0"))).status_code == 403


@pytest.mark.parametrize(
    ("deny", "expected", "words"),
    [
        (GONE, GONE, ": no"),
        ({"code": 401, "reason": "Unauthorized", "message": "no"}, {"code": 401, "reason": "Unauthorized"}, ": no"),
        ({"code": 409, "reason": "Conflict", "message": "no"}, {"code": 409, "reason": "Conflict"}, ": no"),
        ({"code": 500, "reason": "InternalError", "message": "no"}, {"code": 500, "reason": "InternalError"}, ": no"),
        ({"code": 422, "reason": "Mine"}, {"code": 422, "reason": "Mine"}, ": Mine"),
        ({"code": 200, "status": "Success", "message": "no"}, {"code": 400}, ": no"),
        ({}, {"code": 400}, " without explanation"),
    ],
)
async def test_a_denial_is_passed_on_as_the_webhooks_own_status(
    bed: Bed, webhook: AdmissionWebhook, deny: Manifest, expected: Manifest, words: str
) -> None:
    manifest = await widgets(bed, 1)
    name = await register(bed, manifest, webhook)
    webhook.answer("w-0", deny=deny)
    answer = await patch(bed, bed.path(manifest, "v1", name="w-0"), {"spec": {"size": 2}})
    message = f'admission webhook "{name}" denied the request{words}'
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    assert answer.json() == status | expected | {"message": message}
    assert answer.status_code == expected["code"]
    assert json.loads(bed.stored(f"widgets.{bed.group}")["default", "w-0"])["spec"] == {"size": 1}


async def test_a_denial_that_asks_for_patience_has_a_retry_after_header(bed: Bed, webhook: AdmissionWebhook) -> None:
    manifest = await widgets(bed, 1)
    await register(bed, manifest, webhook)
    deny = {"code": 429, "reason": "TooManyRequests", "message": "slow", "details": {"retryAfterSeconds": 7}}
    webhook.answer("w-0", deny=deny)
    answer = await patch(bed, bed.path(manifest, "v1", name="w-0"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["details"] == {"retryAfterSeconds": 7}


@pytest.mark.parametrize("how", ["hangs up", "hangs"])
async def test_a_webhook_that_does_not_answer_fails_the_write(bed: Bed, webhook: AdmissionWebhook, how: str) -> None:
    manifest = await widgets(bed, 1)
    name = await register(bed, manifest, webhook, seconds=1)
    why = "EOF" if how == "hangs up" else "context deadline exceeded"
    webhook.answer("w-0", hang_up=how == "hangs up", seconds=0 if how == "hangs up" else 3)
    answer = await patch(bed, bed.path(manifest, "v1", name="w-0"))
    assert said(answer)[:2] == (500, "InternalError")
    url = webhook.client_config["url"]
    cause = f'failed calling webhook "{name}": failed to call webhook: Post "{url}?timeout=1s": {why}'
    assert answer.json()["message"] == f"Internal error occurred: {cause}"
    assert answer.json()["details"] == {"causes": [{"message": cause}]}


async def test_a_webhook_that_does_not_answer_is_left_out_where_its_policy_says_so(
    bed: Bed, webhook: AdmissionWebhook
) -> None:
    manifest = await widgets(bed, 2)
    await register(bed, manifest, webhook, fails=False)
    webhook.answer("w-0", hang_up=True)
    webhook.answer("w-1", deny={"message": "no"})
    assert (await patch(bed, bed.path(manifest, "v1", name="w-0"), {"spec": {"size": 2}})).is_success
    assert (await patch(bed, bed.path(manifest, "v1", name="w-1"), {"spec": {"size": 2}})).status_code == 400


async def test_a_rule_for_one_version_holds_for_all_and_shows_the_object_in_it(
    bed: Bed, webhook: AdmissionWebhook
) -> None:
    manifest = await widgets(bed, 1)
    await register(bed, manifest, webhook, versions=("v1",))
    await patch(bed, bed.path(manifest, "v2", name="w-0"), {"spec": {"size": 2}})
    asked = webhook.reviews[-1]
    assert (asked["kind"]["version"], asked["requestKind"]["version"]) == ("v1", "v2")
    assert (asked["resource"]["version"], asked["requestResource"]["version"]) == ("v1", "v2")
    assert asked["object"]["apiVersion"] == asked["oldObject"]["apiVersion"] == f"{bed.group}/v1"
    # Another resource of the group is none of its business.
    other = crd(bed.group, "v1", "v1", plural="gadgets")
    await bed.apply_crd(other)
    webhook.reviews.clear()
    await bed.create(other, obj(other, "v1", "g"))
    assert webhook.reviews == []


async def test_configurations_can_be_made_read_and_removed(bed: Bed, webhook: AdmissionWebhook) -> None:
    manifest = await widgets(bed, 1)
    name = await register(bed, manifest, webhook)
    found = (await bed.http.get(f"{CONFIGURATIONS}/{name}")).json()
    hook = found["webhooks"][0]
    assert (hook["matchPolicy"], hook["timeoutSeconds"], hook["failurePolicy"]) == ("Equivalent", 10, "Fail")
    listed = (await bed.http.get(CONFIGURATIONS)).json()
    assert listed["kind"] == "ValidatingWebhookConfigurationList"
    assert name in {c["metadata"]["name"] for c in listed["items"]}
    for wrong in ({"sideEffects": "Some"}, {"timeoutSeconds": 31}, {"admissionReviewVersions": ["v9"]}):
        body = {"metadata": {"name": "wrong.example.com"}, "webhooks": [hook | wrong]}
        assert said(await bed.http.post(CONFIGURATIONS, json=body))[:2] == (422, "Invalid")
    assert (await bed.http.delete(f"{CONFIGURATIONS}/{name}")).json()["status"] == "Success"
    assert said(await bed.http.get(f"{CONFIGURATIONS}/{name}"))[:2] == (404, "NotFound")
