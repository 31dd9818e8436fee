"""What others do to objects and CRDs while a run is under way, on both servers. Nobody's change is lost.

The client's own request hook is where the others strike: between two requests of the run, exactly where it hurts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable

import anyio
import httpx
import pytest

from asyncmigrate import Cluster, Objects, Outcome, Report, TrimmedBy, plan, run
from tests.bed.bed import CRDS, MERGE, Bed
from tests.bed.scenes import crd, obj
from tests.contract.test_run import migrate, stale

Hook = Callable[[httpx.Request], Awaitable[None]]


async def migrate_with(bed: Bed, hook: Hook) -> Report:
    async with (
        bed.client(event_hooks={"request": [hook]}) as client,
        Cluster.from_httpx(client) as cluster,
    ):
        return await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]), settle=0)


def once_before(method: str, ending: str, act: Callable[[], Awaitable[object]]) -> Hook:
    """Act just before the first request of `method` whose path ends so; the others like it wait until that is done."""
    acting: list[anyio.Event] = []

    async def hook(request: httpx.Request) -> None:
        if request.method != method or not request.url.path.endswith(ending):
            return
        if acting:
            await acting[0].wait()
            return
        acting.append(anyio.Event())
        await act()
        acting[0].set()

    return hook


async def test_objects_changed_deleted_and_created_anew_between_list_and_rewrite_all_settle(bed: Bed) -> None:
    manifest = await stale(bed, 4)
    name = f"widgets.{bed.group}"

    def target(of: str) -> str:
        return bed.path(manifest, "v1beta1", name=of)

    async def others() -> None:
        answer = await bed.http.patch(target("w-0"), json={"spec": {"size": 42}}, headers=MERGE)
        assert answer.is_success
        await bed.http.delete(target("w-1"))
        await bed.http.delete(target("w-2"))
        await bed.create(manifest, obj(manifest, "v1beta1", "w-2", spec={"size": 7}))

    # The first rewrite to go out, whichever it is, finds all of that done.
    report = await migrate_with(bed, once_before("PATCH", "", others))
    [found] = report.crds
    assert found.outcome is Outcome.MIGRATED
    assert found.objects == Objects(listed=4, rewritten=3, gone=1)
    stored = {key[1]: json.loads(data) for key, data in bed.stored(name).items()}
    assert set(stored) == {"w-0", "w-2", "w-3"}
    assert {o["apiVersion"] for o in stored.values()} == {f"{bed.group}/v1beta1"}
    assert (stored["w-0"]["spec"]["size"], stored["w-2"]["spec"]["size"]) == (42, 7)


async def test_storage_that_moves_again_is_not_trimmed_and_a_second_run_finishes(bed: Bed) -> None:
    await stale(bed, 6)
    name = f"widgets.{bed.group}"

    async def upgrade() -> None:
        await bed.apply_crd(crd(bed.group, "v1", "v1alpha1", "v1beta1", "v1"))

    report = await migrate_with(bed, once_before("PATCH", "/w-3", upgrade))
    [found] = report.crds
    assert (found.outcome, found.reason, found.trimmed) == (Outcome.INCOMPLETE, "StorageVersionMoved", False)
    assert "v1beta1 to v1" in found.message
    assert await bed.stored_versions(name) == ["v1alpha1", "v1beta1", "v1"]
    again = await migrate(bed)
    assert again.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(name) == {"v1"}
    assert await bed.stored_versions(name) == ["v1"]


async def test_storage_that_moves_away_and_back_has_the_objects_gone_over_again(bed: Bed) -> None:
    manifest = await stale(bed, 3)
    name = f"widgets.{bed.group}"

    async def away_and_back() -> None:
        await bed.apply_crd(crd(bed.group, "v1alpha1", "v1alpha1", "v1beta1"))
        # A write now goes into the old version again, and nothing in the CRD will tell.
        await bed.http.patch(bed.path(manifest, "v1beta1", name="w-0"), json={"spec": {"size": 2}}, headers=MERGE)
        await bed.apply_crd(manifest)

    looks: list[bool] = []

    async def hook(request: httpx.Request) -> None:
        if request.method == "GET" and request.url.path.endswith(f"/{name}"):
            looks.append(True)
            if len(looks) == 2:  # the first is the plan's; this one comes between the last rewrite and the trim
                await away_and_back()

    report = await migrate_with(bed, hook)
    [found] = report.crds
    assert found.outcome is Outcome.MIGRATED
    assert found.objects == Objects(listed=3, rewritten=3)  # each is counted once, though listed twice
    assert bed.stored_api_versions(name) == {"v1beta1"}


async def test_a_crd_deleted_meanwhile_has_nothing_left_to_migrate(bed: Bed) -> None:
    await stale(bed, 3)
    name = f"widgets.{bed.group}"

    async def delete() -> None:
        await bed.clean_up()

    report = await migrate_with(bed, once_before("PATCH", "", delete))
    [found] = report.crds
    assert (found.outcome, found.reason, found.trimmed) == (Outcome.SKIPPED, "CRDDeleted", False)
    assert bed.stored(name) == {}


async def test_a_crd_replaced_meanwhile_is_not_trimmed(bed: Bed) -> None:
    manifest = await stale(bed, 3)
    name = f"widgets.{bed.group}"

    async def replace() -> None:
        await bed.clean_up()
        await bed.apply_crd(crd(bed.group, "v1alpha1", "v1alpha1", "v1beta1"))
        await bed.create(manifest, obj(manifest, "v1alpha1", "fresh"))
        await bed.apply_crd(manifest)

    report = await migrate_with(bed, once_before("PATCH", "", replace))
    [found] = report.crds
    assert (found.outcome, found.reason) == (Outcome.INCOMPLETE, "CRDReplaced")
    assert await bed.stored_versions(name) == ["v1alpha1", "v1beta1"]


async def test_a_version_that_stops_being_served_proves_nothing_gone(bed: Bed) -> None:
    await stale(bed, 3)
    name = f"widgets.{bed.group}"

    async def unserve() -> None:
        await bed.apply_crd(crd(bed.group, "v1beta1", "v1alpha1", "v1beta1", unserved=("v1beta1",)))

    report = await migrate_with(bed, once_before("PATCH", "", unserve))
    [found] = report.crds
    assert (found.outcome, found.reason, found.objects.gone) == (Outcome.INCOMPLETE, "VersionNotServed", 0)
    assert await bed.stored_versions(name) == ["v1alpha1", "v1beta1"]
    assert (await migrate(bed)).crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(name) == {"v1beta1"}


async def test_a_conflict_at_the_trim_means_another_look(bed: Bed) -> None:
    await stale(bed, 1)
    name = f"widgets.{bed.group}"

    async def annotate() -> None:
        answer = await bed.http.patch(
            f"{CRDS}/{name}", json={"metadata": {"annotations": {"team": "a"}}}, headers=MERGE
        )
        assert answer.is_success

    report = await migrate_with(bed, once_before("PATCH", f"/{name}/status", annotate))
    assert report.crds[0].outcome is Outcome.MIGRATED
    live = await bed.live_crd(name)
    assert live["status"]["storedVersions"] == ["v1beta1"]
    assert live["metadata"]["annotations"]["team"] == "a"


async def test_somebody_elses_trim_is_good_enough(bed: Bed) -> None:
    await stale(bed, 1)
    name = f"widgets.{bed.group}"

    async def trim() -> None:
        patch = {"status": {"storedVersions": ["v1beta1"]}}
        await bed.http.patch(f"{CRDS}/{name}/status", json=patch, headers=MERGE)

    report = await migrate_with(bed, once_before("PATCH", "/w-0", trim))
    assert (report.crds[0].outcome, report.crds[0].trimmed_by) == (Outcome.MIGRATED, TrimmedBy.OTHERS)
    assert await bed.stored_versions(name) == ["v1beta1"]


@pytest.mark.parametrize("resumable", [True, False])
async def test_a_continue_token_that_expires_is_no_obstacle(bed: Bed, resumable: bool) -> None:  # noqa: FBT001
    """410 on the second page: the list goes on with the token in the body, or, where there is none, starts over."""
    await stale(bed, 501)
    bed.forget_old_revisions()
    seen: list[int] = []

    async def age_token(request: httpx.Request) -> None:
        token = request.url.params.get("continue")
        if token and not seen:
            # As if the page had been listed at revision 1, which the store has long forgotten.
            where = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            old = base64.urlsafe_b64encode(json.dumps(where | {"rv": 1}).encode()).decode().rstrip("=")
            request.url = request.url.copy_set_param("continue", old)

    async def note(response: httpx.Response) -> None:
        if response.status_code == 410:
            seen.append(410)
            await response.aread()
            assert response.json()["metadata"]["continue"]
            if not resumable:
                response._content = json.dumps(response.json() | {"metadata": {}}).encode()  # noqa: SLF001

    async with (
        bed.client(event_hooks={"request": [age_token], "response": [note]}) as client,
        Cluster.from_httpx(client) as cluster,
    ):
        report = await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]), settle=0)
    assert seen == [410]
    [found] = report.crds
    assert found.outcome is Outcome.MIGRATED
    assert found.objects == Objects(listed=501, rewritten=501)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v1beta1"}
