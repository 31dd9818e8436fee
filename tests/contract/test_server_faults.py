"""Faults to order, which exist on the embedded server only: each is met, counted and spent."""

from __future__ import annotations

import httpx
import pytest

from tests.bed.bed import MERGE, EmbeddedBed
from tests.contract.test_server import said, widgets


async def test_faults_are_met_counted_and_spent(embedded: EmbeddedBed) -> None:
    manifest = await widgets(embedded, 1)
    base = f"/apis/{embedded.group}/v1/widgets"
    faults = embedded.server.faults
    busy = faults.answer(429, reason="TooManyRequests", retry_after=3, plain=True, verb="list", times=1)
    answer = await embedded.http.get(base)
    assert (answer.status_code, answer.headers["retry-after"], answer.text) == (429, "3", "an ordered fault")
    assert (await embedded.http.get(base)).status_code == 200
    assert busy.hits == 1
    target = embedded.path(manifest, "v1", name="w-0")
    for after in (False, True):
        faults.drop(after=after, verb="patch", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await embedded.http.patch(target, json={"spec": {"size": 5 + after}}, headers=MERGE)
        size = (await embedded.http.get(target)).json()["spec"]["size"]
        assert size == (6 if after else 1)
    faults.hang(0.05, verb="patch", times=1)
    hung = await embedded.http.patch(target, json={"spec": {"size": 9}}, headers=MERGE)
    assert said(hung)[:2] == (500, "InternalError")
    assert "failed calling webhook" in hung.json()["message"]
    faults.unconvertible(resource=manifest["metadata"]["name"], name="w-0")
    assert (await embedded.http.get(embedded.path(manifest, "v2"))).status_code == 500
    assert (await embedded.http.get(base)).status_code == 200
    faults.clear()
    assert (await embedded.http.get(embedded.path(manifest, "v2"))).status_code == 200


async def test_expired_tokens_answer_410_with_one_that_goes_on(embedded: EmbeddedBed) -> None:
    await widgets(embedded, 3)
    base = f"/apis/{embedded.group}/v1/widgets"
    token = (await embedded.http.get(base, params={"limit": 1})).json()["metadata"]["continue"]
    embedded.server.expire_continue_tokens()
    expired = await embedded.http.get(base, params={"limit": 1, "continue": token})
    assert said(expired)[:2] == (410, "Expired")
    again = expired.json()["metadata"]["continue"]
    rest = (await embedded.http.get(base, params={"continue": again})).json()
    assert [i["metadata"]["name"] for i in rest["items"]] == ["w-1", "w-2"]


async def test_faults_deny_with_any_status(embedded: EmbeddedBed) -> None:
    manifest = await widgets(embedded, 1)
    target = embedded.path(manifest, "v1", name="w-0")
    faults = embedded.server.faults
    words = 'admission webhook "policy.example.com" denied the request: not allowed by policy'
    for order, code, reason in (
        (faults.deny(times=1), 403, "Forbidden"),
        (faults.deny(code=422, times=1), 422, "Invalid"),
        (faults.deny(code=409, times=1), 409, "Conflict"),
        (faults.deny(code=404, details={"name": "w-0"}, times=1), 404, "NotFound"),
        (faults.deny(code=429, details={"retryAfterSeconds": 7}, times=1), 429, "TooManyRequests"),
        (faults.deny(code=418, reason="Teapot", times=1), 418, "Teapot"),
    ):
        faults.ordered[:] = [order]
        answer = await embedded.http.patch(target, content="{}", headers=MERGE)
        assert (answer.status_code, answer.json()["reason"], answer.json()["message"]) == (code, reason, words)
        assert answer.headers.get("retry-after") == ("7" if code == 429 else None)
        assert answer.json().get("details", {}).get("name") == ("w-0" if code == 404 else None)
    assert (await embedded.http.patch(target, content="{}", headers=MERGE)).is_success
