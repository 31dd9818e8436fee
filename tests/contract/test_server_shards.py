"""What Kubernetes' API server does with a shardSelector (KEP-5866), which is alpha and off unless it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from asyncmigrate import Outcome, plan, run
from asyncmigrate._rules.decisions.shard import Shard
from asyncmigrate.events import ObjectSettled
from tests.bed import real
from tests.bed.bed import Bed, open_real
from tests.bed.scenes import crd, obj

COUNT = 3
_AS_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def listed(http: httpx.AsyncClient, path: str, shard: Shard, *, limit: int, accept: str) -> list[dict[str, Any]]:
    """The pages of a list that the server is asked to cut."""
    query: dict[str, str] = {"limit": str(limit), "shardSelector": shard.selector}
    pages: list[dict[str, Any]] = []
    while not pages or query.get("continue"):
        answer = await http.get(path, params=query, headers={"Accept": accept})
        answer.raise_for_status()
        pages.append(answer.json())
        query["continue"] = pages[-1]["metadata"].get("continue", "")
    return pages


def uids(pages: list[dict[str, Any]]) -> list[str]:
    return [o["metadata"]["uid"] for page in pages for o in page["items"] or ()]


async def test_a_server_that_does_not_cut_lists_all(bed: Bed) -> None:
    manifest = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(manifest)
    await bed.create(manifest, *(obj(manifest, "v1", f"w-{n:03}") for n in range(30)))
    path = bed.path(manifest, "v1", "")
    for index in range(COUNT):
        assert len(uids(await listed(bed.http, path, Shard(index, COUNT), limit=20, accept=_AS_LIST))) == 30


@pytest.mark.real
@pytest.mark.usefixtures("has_real_server")
@pytest.mark.skipif((real.binaries() is not None) and real.minor() < 36, reason="Kubernetes cuts lists since 1.36")
async def test_one_that_cuts_gives_each_shard_its_own(tmp_path: Path) -> None:
    """As we cut, page by page; and the metadata of a list does not say that it is cut, so nobody is told."""
    flags = ("--feature-gates", "ShardedListAndWatch=true")
    with real.start(tmp_path, apiserver_flags=flags) as server:
        async with open_real(server, tmp_path) as bed:
            manifest = crd(bed.group, "v1", "v1", "v2")
            await bed.apply_crd(manifest)
            await bed.create(manifest, *(obj(manifest, "v1", f"w-{n:03}") for n in range(620)))
            path = bed.path(manifest, "v1", "")
            for index in range(COUNT):
                shard = Shard(index, COUNT)
                pages = await listed(bed.http, path, shard, limit=50, accept=_AS_LIST)
                found = uids(pages)
                assert len(found) > 120
                assert all(shard.owns(uid) for uid in found)
                assert len(pages) == -(-len(found) // 50)  # full pages, but for the last
                assert all("shardInfo" not in p["metadata"] for p in pages)
            await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))
            await check_run(bed, tmp_path)


async def check_run(bed: Bed, folder: Path) -> None:
    """Shards that are listed their own alone do the same, with fewer requests."""
    state = folder / "state.json"
    seen: set[str] = set()
    async with bed.cluster() as cluster:
        for index in range(COUNT):
            made = await plan(cluster, names=[f"widgets.{bed.group}"])
            names: list[str] = []
            report = await run(
                cluster,
                made,
                settle=0,
                state=state,
                shard=(index, COUNT),
                observers=lambda e, names=names: names.append(e.name) if isinstance(e, ObjectSettled) else None,  # type: ignore[misc]  # mypy cannot tell a default's type
            )
            seen |= set(names)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert len(seen) == report.crds[0].objects.listed == 620
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v2"]
