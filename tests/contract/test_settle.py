"""After storage has moved, objects are listed only once no write can land in the old version any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import httpx
import pytest

from asyncmigrate import Cluster, Outcome, Report, plan, run
from asyncmigrate.events import CRDFinished, CRDSettling, Event, PageListed
from tests.bed.bed import CRDS, PASSED, Bed, EmbeddedBed
from tests.bed.scenes import Manifest, crd, obj

CLOCKS = 11  # seconds by which stamps are believed less: the margin for clocks, and whole seconds


async def stale(bed: Bed, plural: str = "widgets") -> Manifest:
    before = crd(bed.group, "v1", "v1", "v2", plural=plural)
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    return await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", plural=plural))


async def migrate(cluster: Cluster, bed: Bed, settle: float, *plurals: str) -> tuple[Report, list[Event]]:
    events: list[Event] = []
    made = await plan(cluster, names=[f"{p}.{bed.group}" for p in plurals or ("widgets",)])
    return await run(cluster, made, settle=settle, observers=[events.append]), events


def waits(events: list[Event]) -> list[float]:
    return [e.wait for e in events if isinstance(e, CRDSettling)]


async def test_a_move_that_is_too_young_is_waited_for_by_the_servers_clock(bed: Bed) -> None:
    await stale(bed)
    age = PASSED - CLOCKS if isinstance(bed, EmbeddedBed) else 0
    async with bed.cluster() as cluster:
        report, events = await migrate(cluster, bed, age + 3)
    [waited] = waits(events)
    assert 0.5 < waited <= 4
    assert report.seconds >= waited
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


async def test_others_are_worked_on_meanwhile_and_an_old_move_is_not_waited_for(embedded: EmbeddedBed) -> None:
    await stale(embedded, "gadgets")
    await stale(embedded, "widgets")
    async with embedded.cluster() as cluster:
        report, events = await migrate(cluster, embedded, PASSED - CLOCKS + 2, "widgets", "gadgets")
    assert {c.outcome for c in report.crds} == {Outcome.MIGRATED}
    what = [type(e).__name__ + e.crd.partition(".")[0] for e in events if isinstance(e, CRDSettling | PageListed)]
    assert what == ["CRDSettlingwidgets", "PageListedgadgets", "PageListedwidgets"]
    done = [e.report.name.partition(".")[0] for e in events if isinstance(e, CRDFinished)]
    assert done == ["gadgets", "widgets"]


async def test_the_time_between_plan_and_run_counts(bed: Bed) -> None:
    await stale(bed)
    await forget_who_moved_storage(bed)
    async with bed.cluster() as cluster:
        first = await plan(cluster, names=[f"widgets.{bed.group}"])
        _, events = await migrate(cluster, bed, 2)
        assert 0 < waits(events)[0] < 2
        del first
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


@pytest.mark.parametrize("ahead", [-7, 7])
async def test_servers_whose_clocks_are_seven_seconds_apart_do_not_shorten_the_wait(bed: Bed, ahead: int) -> None:
    """One server stamped the CRD, another one says what time it is."""
    await stale(bed)

    async def shift(response: httpx.Response) -> None:
        date = parsedate_to_datetime(response.headers["Date"]) + timedelta(seconds=ahead)
        response.headers["Date"] = format_datetime(date, usegmt=True)

    passed = PASSED if isinstance(bed, EmbeddedBed) else 0
    async with bed.client(event_hooks={"response": [shift]}) as client, Cluster.from_httpx(client) as cluster:
        # Two more, for stamps and dates are whole seconds.
        report, events = await migrate(cluster, bed, max(1, passed - CLOCKS + ahead + 2))
    assert waits(events)
    assert report.crds[0].outcome is Outcome.MIGRATED


async def test_the_clock_of_what_stands_in_front_is_not_believed(embedded: EmbeddedBed) -> None:
    """A proxy answers 503 with a Date of its own."""
    await stale(embedded)

    async def shift(response: httpx.Response) -> None:
        if response.request.method == "POST":  # the review of our rights, which may fail
            response.status_code = 503
            response.headers["Date"] = format_datetime(datetime(2099, 1, 1, tzinfo=UTC), usegmt=True)

    async with embedded.client(event_hooks={"response": [shift]}) as client, Cluster.from_httpx(client) as cluster:
        _, events = await migrate(cluster, embedded, PASSED - CLOCKS + 6)
    assert waits(events)


async def forget_who_moved_storage(bed: Bed) -> None:
    """Take the entry that owns spec.versions out of the CRD's managedFields, as any client may."""
    name = f"widgets.{bed.group}"
    live = await bed.live_crd(name)
    live["metadata"]["managedFields"] = [
        e for e in live["metadata"]["managedFields"] if "f:versions" not in e["fieldsV1"].get("f:spec", {})
    ]
    (await bed.http.put(f"{CRDS}/{name}", json=live)).raise_for_status()


async def stamp_the_move(bed: Bed, when: datetime) -> None:
    """Give the entry that owns spec.versions another time, as any client may that changes something else, too."""
    name = f"widgets.{bed.group}"
    live = await bed.live_crd(name)
    live["metadata"].setdefault("labels", {})["stamped"] = "by-hand"
    for entry in live["metadata"]["managedFields"]:
        if "f:versions" in entry["fieldsV1"].get("f:spec", {}):
            entry["time"] = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    (await bed.http.put(f"{CRDS}/{name}", json=live)).raise_for_status()


async def test_a_crd_that_does_not_say_when_storage_moved_is_waited_for_in_full(bed: Bed) -> None:
    await stale(bed)
    await forget_who_moved_storage(bed)
    await bed.pass_time(1 if not isinstance(bed, EmbeddedBed) else 3600)
    async with bed.cluster() as cluster:
        report, events = await migrate(cluster, bed, 1.5)
    assert 1 < waits(events)[0] <= 1.5
    assert report.crds[0].outcome is Outcome.MIGRATED


async def test_a_move_that_is_stamped_in_the_future_is_waited_for_in_full(bed: Bed) -> None:
    await stale(bed)
    await stamp_the_move(bed, datetime(2099, 1, 1, tzinfo=UTC))
    async with bed.cluster() as cluster:
        report, events = await migrate(cluster, bed, 1.5)
    assert 1 < waits(events)[0] <= 1.5
    assert report.crds[0].outcome is Outcome.MIGRATED


async def test_a_plan_that_was_made_elsewhere_is_looked_at_again_before_anything_is_waited_for_or_written(
    bed: Bed,
) -> None:
    await stale(bed)
    name = f"widgets.{bed.group}"
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[name])
    await bed.apply_crd(crd(bed.group, "v1", "v1", "v2"))
    async with bed.cluster() as cluster:
        report = await run(cluster, made, settle=0)
    assert (report.crds[0].outcome, report.crds[0].reason) == (Outcome.INCOMPLETE, "StorageVersionMoved")
    assert report.requests == 1
