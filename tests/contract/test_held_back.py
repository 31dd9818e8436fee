"""Two API servers on one etcd, one held back while storage moves: what it writes late is not taken for proven."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from asyncmigrate import Objects, Outcome, plan, run
from tests.bed import real
from tests.bed.bed import MERGE, RealBed, open_real
from tests.bed.scenes import Manifest, crd, obj

HELD = 4.0
MARGIN = 8.0
WRITES = 30
ROUNDS = 10  # in each of which the server may have taken the move up before it got to a write

pytestmark = pytest.mark.real


@pytest.fixture
async def held(real_bed: RealBed, tmp_path: Path) -> AsyncIterator[RealBed]:
    """Another API server on the etcd of `real_bed`."""
    with real.beside(real_bed.server, tmp_path / "beside") as server:
        async with open_real(server, tmp_path / "beside") as bed:
            yield bed


async def write_late(bed: RealBed, held: RealBed, before: Manifest, after: Manifest) -> None:
    """Move storage while `held` is stopped, with writes waiting at its door."""

    async def write(number: int) -> None:
        path = held.path(before, "v1", name=f"late-{number}")
        (await held.http.patch(path, json={"spec": {"size": 2}}, headers=MERGE)).raise_for_status()

    held.server.apiserver.pause()
    try:
        await bed.apply_crd(after)
        async with anyio.create_task_group() as writes:
            for number in range(WRITES):
                writes.start_soon(write, number)
            await anyio.sleep(HELD)  # by the servers' clocks, which are this machine's
            held.server.apiserver.go_on()
    finally:
        held.server.apiserver.go_on()


async def wrote_late(bed: RealBed, held: RealBed) -> tuple[Manifest, set[str]]:
    """A CRD whose storage has moved, and the names of objects stored in the old version well after that."""
    for number in range(ROUNDS):
        before, after = (crd(bed.group, v, "v1", "v2", plural=f"late{number}s") for v in ("v1", "v2"))
        await bed.apply_crd(before)
        await held.settle(before)
        await bed.create(before, *(obj(before, "v1", f"late-{n}") for n in range(WRITES)))
        await write_late(bed, held, before, after)
        stored = {n: json.loads(data) for (_, n), data in bed.stored(after["metadata"]["name"]).items()}
        late = {n for n, o in stored.items() if o["spec"]["size"] == 2 and o["apiVersion"].endswith("/v1")}
        if late:
            return after, late
    raise AssertionError("the server that was held back never wrote in the old version")


def newest(stamped: Manifest) -> str:
    return max(str(entry["time"]) for entry in stamped["metadata"]["managedFields"])


@pytest.mark.timeout(300)
async def test_what_a_server_that_was_held_back_wrote_late_is_rewritten(real_bed: RealBed, held: RealBed) -> None:
    manifest, late = await wrote_late(real_bed, held)
    name = manifest["metadata"]["name"]
    moved = newest(await real_bed.live_crd(name))
    listed = (await real_bed.http.get(real_bed.path(manifest, "v2"))).json()["items"]
    # Stamp and resource version alone, with no margin, would call these proven; and their bytes are in v1.
    assert all(newest(o) > moved for o in listed if o["metadata"]["name"] in late)

    await held.settle(manifest)
    await anyio.sleep(MARGIN - HELD + 1.5)
    await held.create(manifest, obj(manifest, "v1", "timely"))
    async with real_bed.cluster() as cluster:
        made = await plan(cluster, names=[name])
        report = await run(cluster, made, settle=0, proof_margin=MARGIN, managed_fields="keep")
    assert report.crds[0].outcome is Outcome.MIGRATED
    expected = Objects(listed=WRITES + 1, proven=1, rewritten=len(late), unchanged=WRITES - len(late))
    assert report.objects == expected
    assert real_bed.stored_api_versions(name) == {"v2"}
