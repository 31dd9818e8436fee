"""CRDs whose objects are denied or gone, or whose webhook hangs: what they cost, and when they are given up."""

from __future__ import annotations

import re
from collections import Counter

import anyio
import pytest

from asyncmigrate import Cluster, CRDReport, Objects, Outcome, RetryPolicy, plan, run
from asyncmigrate.events import CRDFinished, Event, Observer, RequestSent, Retrying
from tests.bed.bed import Bed, EmbeddedBed
from tests.bed.scenes import crd, obj
from tests.contract.test_races import migrate_with, once_before
from tests.contract.test_run import stale

OBJECTS = 60
LISTED = 510  # in two pages
FEW = 25  # requests until it is known what all objects share; several are in flight by then
REFUSED = (
    'failed calling webhook "x.example.com": failed to call webhook: Post "https://x.svc:443/?timeout=10s": '
    "dial tcp 10.0.0.1:443: connect: connection refused"
)
BRIEF = RetryPolicy(first_wait=0.05, max_wait=0.2, max_seconds=2)


def count_methods(sent: Counter[str]) -> Observer:
    """Count the requests about objects."""

    def watch(event: Event) -> None:
        if isinstance(event, RequestSent) and "/widgets/" in event.target:
            sent[event.method] += 1

    return watch


async def migrate(bed: EmbeddedBed, policy: RetryPolicy = BRIEF) -> tuple[CRDReport, Counter[str]]:
    """Migrate, and count the requests about objects."""
    sent: Counter[str] = Counter()
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        report = await run(cluster, made, settle=0, webhook_policy=policy, observers=[count_methods(sent)])
    return report.crds[0], sent


async def test_objects_that_are_all_gone_cost_hardly_more_than_a_request_each(bed: Bed) -> None:
    manifest = await stale(bed, OBJECTS)

    async def delete_all() -> None:
        for number in range(OBJECTS):
            await bed.http.delete(bed.path(manifest, "v1beta1", name=f"w-{number}"))

    report = await migrate_with(bed, once_before("PATCH", "", delete_all))
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert report.objects == Objects(listed=OBJECTS, gone=OBJECTS)
    assert report.requests <= OBJECTS + FEW


async def test_objects_that_are_all_denied_cost_hardly_more_than_a_request_each(embedded: EmbeddedBed) -> None:
    await stale(embedded, OBJECTS)
    embedded.server.faults.deny()
    found, sent = await migrate(embedded)
    assert found.objects == Objects(listed=OBJECTS, failed=OBJECTS)
    assert sent["PATCH"] <= OBJECTS + FEW


async def test_a_webhook_that_hangs_ends_its_crd_and_not_object_by_object(embedded: EmbeddedBed) -> None:
    await stale(embedded, LISTED)
    embedded.server.faults.hang(0.1, verb="patch", resource=f"widgets.{embedded.group}")
    began = anyio.current_time()
    found, sent = await migrate(embedded)
    assert anyio.current_time() - began < 8
    assert (found.outcome, found.reason) == (Outcome.FAILED, "NothingGetsThrough")
    untried = LISTED - sent["PATCH"]
    # Some were tried more than once, and what is on the second page was never seen.
    assert sent["PATCH"] < 40
    words = re.search(r"(\d+) object\(s\) were not tried", found.message)
    assert words is not None
    assert untried <= int(words[1]) < LISTED
    assert found.objects.failed < 10


async def test_a_webhook_that_comes_back_while_it_is_probed_costs_nothing_else(embedded: EmbeddedBed) -> None:
    await stale(embedded, OBJECTS)
    embedded.server.faults.hang(0.02, verb="patch", resource=f"widgets.{embedded.group}", times=20)
    found, sent = await migrate(embedded, RetryPolicy(first_wait=0.05, max_wait=0.2, max_seconds=60))
    assert (found.outcome, found.objects) == (Outcome.MIGRATED, Objects(listed=OBJECTS, rewritten=OBJECTS))
    assert sent["PATCH"] == OBJECTS + 20


async def test_answers_that_are_lost_at_once_are_tried_again_however_long_they_took(embedded: EmbeddedBed) -> None:
    """As when one of several API servers loses its power: the time-out alone is longer than the budget."""
    await stale(embedded, OBJECTS)
    for number in range(20, 24):
        embedded.server.faults.delay(60, verb="patch", name=f"w-{number}", times=1)
    sent: Counter[str] = Counter()
    async with Cluster.from_kubeconfig(embedded.kubeconfig(), request_timeout=2) as cluster:
        made = await plan(cluster, names=[f"widgets.{embedded.group}"])
        policy = RetryPolicy(first_wait=0.05, max_wait=0.2, max_seconds=1)
        report = await run(cluster, made, settle=0, retry_policy=policy, observers=[count_methods(sent)])
    assert (report.crds[0].outcome, report.objects.rewritten) == (Outcome.MIGRATED, OBJECTS)
    assert sent["PATCH"] == OBJECTS + 4


@pytest.mark.parametrize("code", [503, 429])
async def test_one_other_error_in_a_webhooks_outage_does_not_end_the_crd(embedded: EmbeddedBed, code: int) -> None:
    await stale(embedded, OBJECTS)
    resource = f"widgets.{embedded.group}"
    refused = embedded.server.faults.answer(500, verb="patch", resource=resource, message=REFUSED)
    async with embedded.cluster() as cluster:
        made = await plan(cluster, names=[resource])
        began = anyio.current_time()
        stages = iter((1.0, 1.5))
        next_stage = next(stages)

        def watch(event: Event) -> None:
            nonlocal next_stage
            if not isinstance(event, Retrying) or anyio.current_time() - began < next_stage:
                return
            if next_stage == 1.0:
                embedded.server.faults.clear()
                embedded.server.faults.answer(code, verb="patch", resource=resource, times=1)
                embedded.server.faults.answer(500, verb="patch", resource=resource, message=REFUSED)
            else:
                embedded.server.faults.clear()
            next_stage = next(stages, 1e9)

        report = await run(
            cluster,
            made,
            settle=0,
            retry_policy=RetryPolicy(first_wait=0.01, max_wait=0.1, max_seconds=0.5),
            webhook_policy=RetryPolicy(first_wait=0.01, max_wait=0.1, max_seconds=30),
            observers=[watch],
        )
    assert refused.hits
    assert (report.crds[0].outcome, report.objects.rewritten) == (Outcome.MIGRATED, OBJECTS)


async def test_a_webhook_that_is_refused_at_once_is_no_reason_to_try_all_objects_over_and_over(
    embedded: EmbeddedBed,
) -> None:
    await stale(embedded, LISTED)
    embedded.server.faults.answer(500, verb="patch", resource=f"widgets.{embedded.group}", message=REFUSED)
    found, sent = await migrate(embedded, RetryPolicy(first_wait=0.05, max_wait=0.1, max_seconds=3))
    assert (found.outcome, found.reason) == (Outcome.FAILED, "NothingGetsThrough")
    assert found.objects.listed - found.objects.failed > LISTED * 0.8
    # Some twenty objects, each some thirty times; all of the page would be five hundred, each as often.
    assert sent["PATCH"] < 2000


async def test_a_webhook_that_hangs_ends_its_crd_while_other_objects_are_denied(embedded: EmbeddedBed) -> None:
    await stale(embedded, LISTED)
    for number in range(0, LISTED, 3):
        embedded.server.faults.deny(name=f"w-{number}")
    embedded.server.faults.hang(0.1, verb="patch", resource=f"widgets.{embedded.group}")
    with anyio.fail_after(30):
        found, sent = await migrate(embedded)
    assert (found.outcome, found.reason) == (Outcome.FAILED, "NothingGetsThrough")
    assert sent["PATCH"] < 100


async def test_objects_that_hang_do_not_keep_others_from_being_tried(embedded: EmbeddedBed) -> None:
    """The first dozen hang; that is not taken for all of them."""
    await stale(embedded, OBJECTS)
    for number in range(10, 22):
        embedded.server.faults.hang(0.05, verb="patch", name=f"w-{number}")
    found, _ = await migrate(embedded, RetryPolicy(first_wait=0.05, max_wait=0.2, max_seconds=4))
    assert (found.outcome, found.reason) == (Outcome.INCOMPLETE, "ObjectsFailed")
    assert found.objects == Objects(listed=OBJECTS, rewritten=OBJECTS - 12, failed=12)


async def test_many_crds_that_hang_hold_up_one_of_another_operator_for_a_moment(embedded: EmbeddedBed) -> None:
    """By their names the hanging ones come first, and each takes ten seconds: in turn they would take minutes."""
    names = [f"t{n}.hanging.example.net" for n in range(40)] + [f"z.{embedded.group}"]
    for group in names:
        before = crd(group, "v1", "v1", "v2")
        await embedded.apply_crd(before)
        await embedded.create(before, *(obj(before, "v1", f"w-{n}") for n in range(3)))
        await embedded.apply_crd(crd(group, "v2", "v1", "v2"))
        if group != names[-1]:
            embedded.server.faults.hang(10, verb="patch", resource=f"widgets.{group}")
    outcome: list[Outcome] = []
    async with embedded.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{group}" for group in names])
        with anyio.move_on_after(8) as scope:

            def watch(event: Event) -> None:
                if isinstance(event, CRDFinished) and event.report.name == f"widgets.{names[-1]}":
                    outcome.append(event.report.outcome)
                    scope.cancel()

            await run(cluster, made, settle=0, max_in_flight=8, observers=[watch])
    assert outcome == [Outcome.MIGRATED]


@pytest.mark.parametrize("budget", [2, 4])
async def test_more_crds_that_hang_than_requests_may_be_out_hold_up_another_for_a_try_or_two(
    embedded: EmbeddedBed, budget: int
) -> None:
    group = embedded.group
    for plural in (*(f"bad{n}s" for n in range(2 * budget)), "goods"):
        before = crd(group, "v1", "v1", "v2", plural=plural)
        await embedded.apply_crd(before)
        await embedded.create(before, *(obj(before, "v1", f"w-{n}") for n in range(20)))
        await embedded.apply_crd(crd(group, "v2", "v1", "v2", plural=plural))
        if plural != "goods":
            embedded.server.faults.hang(2, verb="patch", resource=f"{plural}.{group}")
    outcome: list[Outcome] = []
    async with embedded.cluster() as cluster:
        made = await plan(cluster)
        with anyio.fail_after(15), anyio.CancelScope() as scope:

            def watch(event: Event) -> None:
                if isinstance(event, CRDFinished) and event.report.name == f"goods.{group}":
                    outcome.append(event.report.outcome)
                    scope.cancel()

            await run(cluster, made, settle=0, max_in_flight=budget, observers=[watch])
    assert outcome == [Outcome.MIGRATED]
