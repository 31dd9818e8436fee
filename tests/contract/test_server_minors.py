"""Where Kubernetes versions differ, the embedded server is the one that it is asked to be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from asyncmigrate.testing import ApiServer
from tests.bed import real
from tests.bed.bed import MERGE, Bed, EmbeddedBed, open_real
from tests.bed.scenes import obj
from tests.bed.webhook import Webhook, open_webhook
from tests.contract.test_server_managed_fields import Widgets, fields

KEEPS_LIVE = 37


@pytest.fixture(params=[36, 37, pytest.param("real", marks=pytest.mark.real)])
async def versioned(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Bed, int]]:
    """A server and its minor version: the embedded one as two of them, and the real one that is tested with."""
    if request.param == "real":
        async with open_real(request.getfixturevalue("real_server"), tmp_path) as bed:
            yield bed, real.minor()
        return
    headers = {"Authorization": "Bearer admin-token"}
    async with (
        ApiServer(minor=request.param) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers) as http,
    ):
        yield EmbeddedBed(server, http, tmp_path), request.param


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with open_webhook() as found:
        yield found


async def test_a_server_says_its_version(versioned: tuple[Bed, int]) -> None:
    bed, minor = versioned
    said = (await bed.http.get("/version")).json()
    assert (said["major"], said["minor"]) == ("1", str(minor))
    assert said["gitVersion"].startswith(f"v1.{minor}.")
    if isinstance(bed, EmbeddedBed) and minor == real.minor():
        assert said["gitVersion"] == real.version()


async def test_a_write_takes_all_owners_away_before_1_37_where_one_is_of_a_gone_version(
    versioned: tuple[Bed, int],
) -> None:
    """kubernetes#136919."""
    bed, minor = versioned
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    await widgets.drop("v1", "v2")
    before = fields(await widgets.get("v2"))
    assert set(before) == {("maker", "v1", "")}
    found = await widgets.patch(widgets.path("v2"), {"spec": {"size": 2}}, "updater")
    assert fields(found) == (before if minor >= KEEPS_LIVE else {})


async def test_so_does_an_empty_patch_and_one_that_sends_an_entry_of_a_gone_version(
    versioned: tuple[Bed, int],
) -> None:
    bed, minor = versioned
    widgets = Widgets(bed)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    [entry] = (await widgets.get())["metadata"]["managedFields"]
    gone = entry | {"manager": "other", "apiVersion": f"{bed.group}/v9"}
    found = await widgets.send(entry, gone)
    assert fields(found) == ({("maker", "v1", ""): entry["fieldsV1"]} if minor >= KEEPS_LIVE else {})
    await widgets.send(entry)
    await widgets.drop("v1", "v2")
    answer = await bed.http.patch(widgets.path("v2"), json={}, headers=MERGE)
    assert len(fields(answer.json())) == (1 if minor >= KEEPS_LIVE else 0)


@pytest.mark.parametrize("left", ["none", "one"])
async def test_a_dead_conversion_webhook_does_the_same_unless_all_entries_are_of_the_written_version(
    versioned: tuple[Bed, int], webhook: Webhook, left: str
) -> None:
    bed, minor = versioned
    widgets = Widgets(bed, conversion=webhook.conversion)
    await widgets.make()
    await widgets.create(obj(widgets.manifest(), "v1", "w"), "maker")
    await bed.apply_crd(widgets.manifest("v2"))
    await widgets.patch(widgets.path("v2"), {}, "rewriter")
    [entry] = (await widgets.get("v2"))["metadata"]["managedFields"]
    webhook.down = True
    moved = entry | {"apiVersion": f"{bed.group}/v2"}
    sent = [moved] if left == "none" else [moved, entry | {"manager": "left"}]
    found = await widgets.send(*sent, version="v2")
    kept = {("maker", "v2", "")} if left == "none" else {("maker", "v1", "")} if minor >= KEEPS_LIVE else set()
    assert set(fields(found)) == kept


async def test_applies_fail_with_the_webhook_only_while_an_entry_needs_it(
    versioned: tuple[Bed, int], webhook: Webhook
) -> None:
    bed, _ = versioned
    widgets = Widgets(bed, conversion=webhook.conversion)
    await widgets.make()
    await bed.apply_crd(widgets.manifest("v2"))
    await widgets.apply({"size": 1}, "m")
    webhook.down = True
    answer = await widgets.apply({"replicas": 2}, "m", "v2")
    said = f"conversion webhook for {bed.group}/v2, Kind=Widget failed: Post "
    assert (answer.status_code, answer.json()["message"].startswith(said)) == (500, True)
    [entry] = (await widgets.get("v2"))["metadata"]["managedFields"]
    await widgets.send(entry | {"apiVersion": f"{bed.group}/v2"}, version="v2")
    found = (await widgets.apply({"replicas": 2}, "m", "v2")).json()
    assert fields(found) == {("m", "v2", ""): {"f:spec": {".": {}, "f:replicas": {}}}}


async def test_an_apply_compares_owners_through_the_webhook(versioned: tuple[Bed, int], webhook: Webhook) -> None:
    bed, _ = versioned
    widgets = Widgets(bed, conversion=webhook.conversion)
    await widgets.make()
    await widgets.apply({"size": 1}, "m")
    conflict = await widgets.apply({"replicas": 2}, "other", "v2")
    assert conflict.json()["details"]["causes"][0]["field"] == ".spec.size"
    found = (await widgets.apply({"replicas": 2}, "other", "v2", force=True)).json()
    assert fields(found)["other", "v2", ""] == {"f:spec": {".": {}, "f:replicas": {}}}
    assert fields(found)["m", "v1", ""] == {"f:spec": {}}
