"""What a plan finds out before the first write: rights, how many objects wait, whether a webhook answers."""

from __future__ import annotations

import anyio
import pytest

from asyncmigrate import Decision, Outcome, PolicyRule, plan, run
from tests.bed.bed import Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj
from tests.bed.webhook import open_webhook

CRDS = "customresourcedefinitions"
API = "apiextensions.k8s.io"


async def stale(bed: Bed, count: int) -> Manifest:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n}") for n in range(count)))
    after = crd(bed.group, "v2", "v1", "v2")
    await bed.apply_crd(after)
    return after


async def test_rights_that_are_missing_block_and_the_rules_that_are_named_are_enough(bed: Bed) -> None:
    await stale(bed, 2)
    name = f"widgets.{bed.group}"
    await bed.grant("upgrader", ("get",), API, (CRDS,))
    async with bed.cluster("upgrader") as cluster:
        made = await plan(cluster, names=[name])
        [found] = made.crds
        assert (found.decision, found.reason) == (Decision.BLOCKED, "RightsMissing")
        assert found.missing == (
            PolicyRule(api_groups=(bed.group,), resources=("widgets",), verbs=("get", "list", "patch")),
            PolicyRule(api_groups=(API,), resources=(f"{CRDS}/status",), resource_names=(name,), verbs=("patch",)),
        )
        assert f"- {{apiGroups: [{bed.group}], resources: [widgets], verbs: [get, list, patch]}}" in found.message
        report = await run(cluster, made, settle=0)
        assert report.crds[0].outcome is Outcome.BLOCKED
        assert report.requests == 0
        for rule in found.missing:
            await bed.grant("upgrader", rule.verbs, rule.api_groups[0], rule.resources)
        report = await run(cluster, await plan(cluster, names=[name]), settle=0)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(name) == {"v2"}


async def test_without_counts_a_plan_looks_at_rights_alone(bed: Bed) -> None:
    await stale(bed, 1)
    name = f"widgets.{bed.group}"
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[name], counts_within=0)
        assert (made.crds[0].decision, made.crds[0].waiting, made.requests) == (Decision.STALE, None, 2)
        assert (await run(cluster, made, settle=0)).crds[0].outcome is Outcome.MIGRATED
    await bed.grant("upgrader", ("get",), API, (CRDS,))
    await stale(bed, 0)
    async with bed.cluster("upgrader") as cluster:
        [found] = (await plan(cluster, names=[name], counts_within=0)).crds
    assert (found.decision, found.reason) == (Decision.BLOCKED, "RightsMissing")


async def test_counts_that_do_not_come_in_time_are_not_waited_for(embedded: EmbeddedBed) -> None:
    await stale(embedded, 2)
    hangs = embedded.server.faults.delay(60, verb="list", resource=f"widgets.{embedded.group}")
    async with embedded.cluster() as cluster:
        with anyio.fail_after(20):
            [found] = (await plan(cluster, names=[f"widgets.{embedded.group}"], counts_within=0.05)).crds
    assert hangs.hits == 1
    assert (found.decision, found.waiting, found.unanswered) == (Decision.STALE, None, True)


async def test_counts_that_come_in_time_are_in_the_plan(bed: Bed) -> None:
    await stale(bed, 2)
    async with bed.cluster() as cluster:
        [found] = (await plan(cluster, names=[f"widgets.{bed.group}"], counts_within=20)).crds
    assert (found.waiting, found.unanswered) == (2, False)


@pytest.mark.parametrize("count", [0, 1, 7])
async def test_a_plan_says_how_many_objects_wait(bed: Bed, count: int) -> None:
    await stale(bed, count)
    async with bed.cluster() as cluster:
        [found] = (await plan(cluster, names=[f"widgets.{bed.group}"])).crds
    assert (found.decision, found.waiting) == (Decision.STALE, count)


async def test_a_plan_says_that_a_webhook_does_not_answer(bed: Bed) -> None:
    async with open_webhook() as webhook:
        before = crd(bed.group, "v1", "v1", "v2", conversion=webhook.conversion)
        await bed.apply_crd(before)
        await bed.create(before, obj(before, "v1", "w", spec={"size": 1}))
        await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", conversion=webhook.conversion))
        async with bed.cluster() as cluster:
            [found] = (await plan(cluster, names=[f"widgets.{bed.group}"])).crds
            assert (found.decision, found.webhook_error) == (Decision.STALE, "")
            webhook.down = True
            [found] = (await plan(cluster, names=[f"widgets.{bed.group}"])).crds
            assert found.decision is Decision.STALE
            assert webhook.url in found.webhook_error
            assert "its conversion webhook does not answer now" in found.message
            webhook.down = False
            report = await run(cluster, await plan(cluster, names=[f"widgets.{bed.group}"]), settle=0)
            assert report.crds[0].outcome is Outcome.MIGRATED
