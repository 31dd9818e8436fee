"""After storage has moved, objects are listed only once the move is older than the settle time."""

from __future__ import annotations

from asyncmigrate import Outcome, Report, plan, run
from asyncmigrate.events import CRDFinished, CRDSettling, Event, PageListed
from tests.bed.bed import PASSED, Bed, EmbeddedBed
from tests.bed.scenes import crd, obj


async def stale(bed: Bed, plural: str) -> None:
    before = crd(bed.group, "v1", "v1", "v2", plural=plural)
    await bed.apply_crd(before)
    await bed.create(before, obj(before, "v1", "w"))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", plural=plural))


async def migrate(bed: Bed, settle: float, *plurals: str) -> tuple[Report, list[Event]]:
    events: list[Event] = []
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"{p}.{bed.group}" for p in plurals])
        return await run(cluster, made, settle=settle, observers=[events.append]), events


async def test_a_move_that_is_too_young_is_waited_for_by_the_servers_clock(bed: Bed) -> None:
    age = PASSED if isinstance(bed, EmbeddedBed) else 0
    await stale(bed, "widgets")
    report, events = await migrate(bed, age + 3, "widgets")
    [waited] = [e for e in events if isinstance(e, CRDSettling)]
    assert waited.crd == f"widgets.{bed.group}"
    assert 0.5 < waited.wait <= 4
    assert report.seconds >= waited.wait
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}


async def test_others_are_worked_on_meanwhile_and_an_old_move_is_not_waited_for(embedded: EmbeddedBed) -> None:
    await stale(embedded, "gadgets")
    await stale(embedded, "widgets")
    report, events = await migrate(embedded, PASSED + 2, "widgets", "gadgets")
    assert {c.outcome for c in report.crds} == {Outcome.MIGRATED}
    what = [type(e).__name__ + e.crd.partition(".")[0] for e in events if isinstance(e, CRDSettling | PageListed)]
    assert what == ["CRDSettlingwidgets", "PageListedgadgets", "PageListedwidgets"]
    done = [e.report.name.partition(".")[0] for e in events if isinstance(e, CRDFinished)]
    assert done == ["gadgets", "widgets"]
