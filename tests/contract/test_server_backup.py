"""A store that is brought back to a backup, and clocks that differ."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import anyio
import httpx
import pytest

from tests.bed.admission import open_admission_webhook, register
from tests.bed.bed import MERGE, Bed, EmbeddedBed
from tests.bed.scenes import crd, obj
from tests.contract.test_server import said, widgets


async def test_a_restored_store_has_lost_what_came_after_the_backup_and_counts_on_from_there(bed: Bed) -> None:
    manifest = await widgets(bed, 3)
    here = bed.path(manifest, "v1")
    saved = await bed.save()
    before = (await bed.http.get(f"{here}/w-0")).json()
    await bed.http.delete(f"{here}/w-1")
    lost = await write(bed, f"{here}/w-0", 200)  # many: a real server writes some things of its own as it starts again
    listed = (await bed.http.get(here, params={"limit": 1})).json()["metadata"]
    await bed.create(manifest, obj(manifest, "v1", "later"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    await bed.restore(saved)
    assert (await bed.http.get(f"{here}/w-0")).json() == before
    assert (await bed.http.get(f"{here}/w-1")).is_success
    assert (await bed.http.get(f"{here}/later")).status_code == 404
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v1"]
    # Who knows of a revision that is lost is told that it is too large; in older servers a list that goes on fails
    # otherwise, as etcd puts it.
    onward = await bed.http.get(here, params={"limit": 1, "continue": listed["continue"]})
    assert onward.status_code in ({504} if isinstance(bed, EmbeddedBed) else {500, 504})
    afresh = await bed.http.get(here, params={"resourceVersion": listed["resourceVersion"]})
    assert said(afresh)[:2] == (504, "Timeout")
    assert afresh.headers["retry-after"] == "1"
    assert afresh.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    # The versions that were given before come again, for other writes.
    again = await write(bed, f"{here}/w-0", 200)
    assert set(again) & set(lost)
    assert min(again) > int(before["metadata"]["resourceVersion"])


async def write(bed: Bed, target: str, times: int) -> list[int]:
    """Change an object so often; returns its resource versions."""
    answers = [await bed.http.patch(target, json={"spec": {"size": n}}, headers=MERGE) for n in range(2, 2 + times)]
    return [int(answer.json()["metadata"]["resourceVersion"]) for answer in answers]


async def test_a_request_in_flight_when_a_backup_is_restored_gets_no_answer_and_stores_nothing(bed: Bed) -> None:
    async with open_admission_webhook() as webhook:
        manifest = await widgets(bed, 1)
        target = bed.path(manifest, "v1", name="w-0")
        await register(bed, manifest, webhook)
        saved = await bed.save()
        go_on = anyio.Event()
        held = webhook.answer("w-0", until=go_on)

        async def patch() -> None:
            with pytest.raises(httpx.HTTPError):
                await bed.http.patch(target, json={"spec": {"size": 7}}, headers=MERGE)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(patch)
            await held.arrived.wait()
            await bed.restore(saved)
            go_on.set()
        await anyio.sleep(0.2)
        assert (await bed.http.get(target)).json()["spec"] == {"size": 1}
        await bed.clean_up()


async def test_a_backup_can_be_restored_twice(embedded: EmbeddedBed) -> None:
    manifest = await widgets(embedded, 1)
    target = embedded.path(manifest, "v1", name="w-0")
    saved = embedded.server.save()
    version = embedded.server.resource_version
    for _ in range(2):
        await embedded.http.patch(target, json={"spec": {"size": 7}}, headers=MERGE)
        assert embedded.server.resource_version > version
        await embedded.restore(saved)
        assert embedded.server.resource_version == version
        assert (await embedded.http.get(target)).json()["spec"] == {"size": 1}


async def test_the_date_can_be_ahead_of_the_clock_that_stamps(embedded: EmbeddedBed) -> None:
    manifest = await widgets(embedded, 1)
    target = embedded.path(manifest, "v1", name="w-0")
    now = datetime.now(UTC)
    embedded.server.advance(1000)
    embedded.server.date_ahead = 3600
    answer = await embedded.http.patch(target, json={"spec": {"size": 7}}, headers=MERGE)
    date = parsedate_to_datetime(answer.headers["date"])
    stamp = max(datetime.fromisoformat(e["time"]) for e in answer.json()["metadata"]["managedFields"])
    assert 3590 < (date - stamp).total_seconds() < 3610
    assert 1000 <= (stamp - now.replace(microsecond=0)).total_seconds() < 1100
