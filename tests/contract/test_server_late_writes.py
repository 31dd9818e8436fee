"""Writes that take their time: each is served to its end by the CRD that it began with, for as long as it may take."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable

import anyio
import httpx
import pytest

from tests.bed.admission import AdmissionWebhook, open_admission_webhook, register
from tests.bed.bed import MERGE, Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj
from tests.contract.test_server import said, widgets

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def webhook() -> AsyncIterator[AdmissionWebhook]:
    async with open_admission_webhook() as found:
        yield found


def stored(bed: Bed, name: str) -> tuple[str, int]:
    """The version that an object is stored in, and its size."""
    found = json.loads(bed.stored(f"widgets.{bed.group}")["default", name])
    return found["apiVersion"].rpartition("/")[2], found["spec"]["size"]


async def move_storage(bed: Bed) -> None:
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))


async def trickle(body: Manifest, seconds: float) -> AsyncIterator[bytes]:
    data = json.dumps(body).encode()
    yield data[:1]
    await anyio.sleep(seconds)
    yield data[1:]


async def test_writes_held_in_admission_while_storage_moves_are_stored_in_the_old_version(
    bed: Bed, webhook: AdmissionWebhook
) -> None:
    manifest = await widgets(bed, 2)
    here = bed.path(manifest, "v1")
    await register(bed, manifest, webhook)
    go_on = anyio.Event()
    held = [webhook.answer(name, until=go_on) for name in ("w-0", "w-1", "new")]
    live = (await bed.http.get(f"{here}/w-1")).json()
    codes: list[int] = []

    async def send(request: Awaitable[httpx.Response]) -> None:
        codes.append((await request).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, bed.http.patch(f"{here}/w-0", json={"spec": {"size": 7}}, headers=MERGE))
        tasks.start_soon(send, bed.http.put(f"{here}/w-1", json=live | {"spec": {"size": 7}}))
        tasks.start_soon(send, bed.http.post(here, json=obj(manifest, "v1", "new", spec={"size": 7})))
        for answer in held:
            await answer.arrived.wait()
        await move_storage(bed)
        await bed.create(manifest, obj(manifest, "v1", "later"))
        go_on.set()
    assert sorted(codes) == [200, 200, 201]
    assert {name: stored(bed, name) for name in ("w-0", "w-1", "new")} == dict.fromkeys(
        ("w-0", "w-1", "new"), ("v1", 7)
    )
    assert stored(bed, "later") == ("v2", 1)


async def test_a_slow_patch_turns_an_object_back_that_was_rewritten_meanwhile(
    bed: Bed, webhook: AdmissionWebhook
) -> None:
    manifest = await widgets(bed, 1)
    target = bed.path(manifest, "v1", name="w-0")
    await register(bed, manifest, webhook)
    go_on = anyio.Event()
    first = webhook.answer("w-0", until=go_on, times=1)
    answers: list[httpx.Response] = []

    async def send() -> None:
        answers.append(await bed.http.patch(target, content="{}", headers=MERGE))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        await first.arrived.wait()
        await move_storage(bed)
        rewritten = await bed.http.patch(target, content="{}", headers=MERGE)
        assert stored(bed, "w-0") == ("v2", 1)
        go_on.set()
    before, after = (int(a.json()["metadata"]["resourceVersion"]) for a in (rewritten, answers[0]))
    assert stored(bed, "w-0") == ("v1", 1)
    assert after > before


@pytest.mark.timeout(150)
async def test_a_body_that_trickles_in_while_storage_moves_is_stored_in_the_old_version(bed: Bed) -> None:
    seconds = 0.5 if isinstance(bed, EmbeddedBed) else 20
    manifest = await widgets(bed, 1)
    here = bed.path(manifest, "v1")
    body = obj(manifest, "v1", "new", spec={"size": 7})
    async with bed.client(timeout=60) as client, anyio.create_task_group() as tasks:

        async def create() -> None:
            assert (await client.post(here, content=trickle(body, seconds), headers=JSON)).status_code == 201

        async def patch() -> None:
            change = trickle({"spec": {"size": 7}}, seconds)
            assert (await client.patch(f"{here}/w-0", content=change, headers=MERGE)).status_code == 200

        tasks.start_soon(create)
        tasks.start_soon(patch)
        await anyio.sleep(seconds / 2)
        await move_storage(bed)
        assert (await bed.http.patch(f"{here}/w-0", content="{}", headers=MERGE)).is_success
        assert stored(bed, "w-0") == ("v2", 1)
    assert stored(bed, "w-0") == stored(bed, "new") == ("v1", 7)


async def test_a_write_that_takes_longer_than_its_client_asked_for_is_given_up_and_stores_nothing(
    bed: Bed, webhook: AdmissionWebhook
) -> None:
    manifest = await widgets(bed, 1)
    target = bed.path(manifest, "v1", name="w-0")
    await register(bed, manifest, webhook)
    webhook.answer("w-0", seconds=2)
    body = {"spec": {"size": 7}}
    try:
        answer = await bed.http.patch(target, params={"timeout": "1s"}, json=body, headers=MERGE)
    except httpx.RemoteProtocolError:
        pass  # what was about to be answered at that very moment makes the real one drop the connection
    else:
        assert (answer.status_code, answer.json()["reason"], "kind" in answer.json()) == (504, "Timeout", False)
    await anyio.sleep(2)
    assert stored(bed, "w-0") == ("v1", 1)
    wrong = await bed.http.patch(target, params={"timeout": "soon"}, json=body, headers=MERGE)
    assert said(wrong)[:2] == (400, "BadRequest")


async def test_a_held_write_whose_client_goes_away_is_not_stored(bed: Bed, webhook: AdmissionWebhook) -> None:
    manifest = await widgets(bed, 1)
    await register(bed, manifest, webhook)
    go_on = anyio.Event()
    held = webhook.answer("w-0", until=go_on)
    async with bed.client() as client, anyio.create_task_group() as tasks:

        async def patch() -> None:
            await client.patch(bed.path(manifest, "v1", name="w-0"), json={"spec": {"size": 7}}, headers=MERGE)

        tasks.start_soon(patch)
        await held.arrived.wait()
        tasks.cancel_scope.cancel()
    await anyio.sleep(0.3)
    go_on.set()
    await anyio.sleep(0.3)
    assert stored(bed, "w-0") == ("v1", 1)


# The real server's limit is 34 seconds.


async def test_a_write_over_the_limit_is_answered_504_and_stores_nothing(embedded: EmbeddedBed) -> None:
    manifest = await widgets(embedded, 1)
    target = embedded.path(manifest, "v1", name="w-0")
    assert embedded.server.write_seconds == 34
    embedded.server.write_seconds = 0.2
    body = {"spec": {"size": 7}}
    # A held one, and one whose body comes late.
    embedded.server.faults.delay(0.3, verb="patch", times=1)
    for answer in (
        await embedded.http.patch(target, json=body, headers=MERGE),
        await embedded.http.patch(target, content=trickle(body, 0.3), headers=MERGE),
    ):
        assert said(answer)[:2] == (504, "Timeout")
        assert answer.json()["message"] == (
            "Timeout: request did not complete within requested timeout - context deadline exceeded"
        )
    assert stored(embedded, "w-0") == ("v1", 1)
    assert (await embedded.http.patch(target, json=body, headers=MERGE)).is_success


async def test_a_delay_holds_a_write_that_has_begun(embedded: EmbeddedBed) -> None:
    manifest = await widgets(embedded, 1)
    held = embedded.server.faults.delay(0.5, verb="patch", times=1)
    async with anyio.create_task_group() as tasks:

        async def patch() -> None:
            target = embedded.path(manifest, "v1", name="w-0")
            await embedded.http.patch(target, json={"spec": {"size": 7}}, headers=MERGE)

        tasks.start_soon(patch)
        while not held.hits:
            await anyio.sleep(0.01)
        embedded.server.apply_crd(crd(embedded.group, "v2", "v1", "v2"))
    assert stored(embedded, "w-0") == ("v1", 7)
