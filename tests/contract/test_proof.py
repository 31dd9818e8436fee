"""What a list proves to be in the storage version is not rewritten; the stored bytes are the judge."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmigrate import Objects, Outcome, plan, run
from tests.bed.bed import MERGE, Bed
from tests.bed.scenes import Manifest, crd, obj

MARGIN = 1.0
NO_PROOF = ["elided", "forgotten", "untouched", "value-removed"]
PROOF = ["created", "status-written", "value-changed"]


async def stale(bed: Bed) -> Manifest:
    """Objects that were written in one way or another, longer than the margin after storage moved."""
    before = crd(bed.group, "v1", "v1", "v2", status=True)
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", name) for name in (*NO_PROOF, *PROOF[1:])))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", status=True))
    await bed.pass_time(MARGIN + 1.5)
    await bed.create(before, obj(before, "v1", "created"))
    await patch(bed, before, "status-written", {"status": {"phase": "Ready"}}, "/status")
    await patch(bed, before, "value-changed", {"spec": {"size": 2}})
    await patch(bed, before, "value-removed", {"spec": {"size": None}})
    await patch(bed, before, "elided", {})
    await patch(bed, before, "forgotten", {"spec": {"size": 3}})
    await patch(bed, before, "forgotten", {"metadata": {"managedFields": [{}]}})
    return before


async def patch(bed: Bed, manifest: Manifest, name: str, body: Manifest, subresource: str = "") -> None:
    path = bed.path(manifest, "v1", name=name) + subresource
    (await bed.http.patch(path, json=body, headers=MERGE)).raise_for_status()


async def migrate(bed: Bed, **how: Any) -> Objects:  # noqa: ANN401 -- run's own options
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        report = await run(cluster, made, settle=0, managed_fields="keep", **how)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
    return report.objects


async def test_what_was_written_well_after_the_move_is_proven_by_the_list(bed: Bed) -> None:
    await stale(bed)
    # What only took a value away was written anew without a stamp; so was what an empty patch moved.
    assert await migrate(bed, proof_margin=MARGIN) == Objects(listed=7, proven=3, unchanged=3, rewritten=1)


@pytest.mark.parametrize("how", [{"proof_margin": 3600.0}, {"proof_margin": MARGIN, "rewrite_all": True}])
async def test_nothing_is_proven_within_the_margin_or_where_all_is_to_be_rewritten(
    bed: Bed, how: dict[str, Any]
) -> None:
    await stale(bed)
    assert await migrate(bed, **how) == Objects(listed=7, unchanged=6, rewritten=1)


async def test_a_write_that_only_takes_away_or_changes_nothing_leaves_no_stamp(bed: Bed) -> None:
    before = await stale(bed)
    answer = await bed.http.get(bed.path(before, "v2"))
    newest = {
        o["metadata"]["name"]: max((m["time"] for m in o["metadata"].get("managedFields", ())), default="")
        for o in answer.json()["items"]
    }
    moved = max(m["time"] for m in (await bed.live_crd(f"widgets.{bed.group}"))["metadata"]["managedFields"])
    assert sorted(name for name, stamp in newest.items() if stamp <= moved) == NO_PROOF
    assert newest["forgotten"] == ""


async def test_a_time_in_the_future_that_a_client_sent_proves_nothing(bed: Bed) -> None:
    """Any client may send managedFields with any time."""
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
    path = bed.path(before, "v1", name="w")
    live = (await bed.http.get(path)).json()
    entry = live["metadata"]["managedFields"][0] | {"manager": "liar", "time": "2099-01-01T00:00:00Z"}
    live["metadata"]["managedFields"].append(entry)
    (await bed.http.put(path, json=live)).raise_for_status()
    await bed.pass_time(MARGIN + 1.5)
    objects = await migrate(bed, proof_margin=MARGIN)
    assert (objects.listed, objects.proven) == (1, 0)
