"""A state in a ConfigMap: shared by pods, guarded, and refused in one line where it cannot be."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from asyncmigrate import Outcome, Report, plan, run
from asyncmigrate._cluster.calls import Calls
from asyncmigrate._cluster.configmap_state import MOST_BYTES, ConfigMapState
from asyncmigrate._rules.safety.resume import Record
from asyncmigrate._state.content import State, put_record
from asyncmigrate._state.store import unchanged
from asyncmigrate.errors import StateError
from asyncmigrate.events import CRDStarted, Event, ObjectSettled, RunFinished, StateNotSaved
from tests.bed.bed import Bed, EmbeddedBed
from tests.bed.scenes import crd, obj
from tests.command.runner import asyncmigrate

ALL = "/api/v1/namespaces/default/configmaps"
NAME = "asyncmigrate-state"
PLACE = f"configmap:default/{NAME}"
OURS = {"app.kubernetes.io/managed-by": "asyncmigrate"}


def record(name: str, resource_version: int = 5, age: float = 60.0) -> Record:
    return Record(
        cluster="local",
        name=name,
        uid="u",
        generation=2,
        storage_version="v2",
        changed="2026-01-01T00:00:00Z",
        resource_version=str(resource_version),
        move_age=age,
    )


@pytest.fixture
def leftovers(bed: Bed) -> None:
    bed.leftovers.append(f"{ALL}/{NAME}")


async def stale(bed: Bed, count: int) -> None:
    before = crd(bed.group, "v1", "v1", "v2")
    await bed.apply_crd(before)
    await bed.create(before, *(obj(before, "v1", f"w-{n:04}") for n in range(count)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2"))


async def migrate(bed: Bed, **how: Any) -> Report:  # noqa: ANN401 -- as run takes it
    async with bed.cluster() as cluster:
        made = await plan(cluster, names=[f"widgets.{bed.group}"])
        return await run(cluster, made, settle=0, state=PLACE, **how)


async def kept(bed: Bed) -> dict[str, Any]:
    found = (await bed.http.get(f"{ALL}/{NAME}")).json()
    assert found["metadata"]["labels"] == OURS
    decoded: dict[str, Any] = json.loads(found["data"]["state.json"])
    return decoded


@asynccontextmanager
async def store(bed: Bed) -> AsyncIterator[tuple[ConfigMapState, list[str]]]:
    """A store of its own, and the requests that it sends."""
    sent: list[str] = []
    async with bed.cluster() as cluster:
        yield ConfigMapState(Calls(cluster.opened, timeout=10, emit=lambda e: sent.append(e.method)), PLACE), sent


@pytest.mark.usefixtures("leftovers")
async def test_it_is_made_used_and_emptied(bed: Bed) -> None:
    await stale(bed, 30)
    report = await migrate(bed)
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert await kept(bed) == {"apiVersion": "asyncmigrate/v1", "kind": "State", "records": {}}


@pytest.mark.usefixtures("leftovers")
async def test_a_run_that_was_stopped_goes_on_by_it(embedded: EmbeddedBed) -> None:
    await stale(embedded, 300)
    done = 0
    with anyio.CancelScope() as scope:

        def count(event: object) -> None:
            nonlocal done
            done += type(event).__name__ == "ObjectSettled"
            if done == 100:
                scope.cancel()

        await migrate(embedded, observers=count, max_in_flight=1)
    [found] = (await kept(embedded))["records"].values()
    assert (found["name"], found["cluster"]) == (f"widgets.{embedded.group}", "local")
    report = await migrate(embedded)
    assert report.objects.proven >= 100
    assert report.objects.settled == 300


@pytest.mark.usefixtures("leftovers")
async def test_a_run_that_is_stopped_waits_two_seconds_at_most_for_it(embedded: EmbeddedBed) -> None:
    await stale(embedded, 3)
    embedded.server.faults.delay(30, verb="patch", name="w-0001")
    seen: list[Event] = []
    settled = anyio.Event()

    def watch(event: Event) -> None:
        seen.append(event)
        if isinstance(event, CRDStarted):  # a record is to be saved
            embedded.server.faults.delay(30, verb="patch", name=NAME)
        if isinstance(event, ObjectSettled):
            settled.set()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: migrate(embedded, observers=watch))
            await settled.wait()
            began = anyio.current_time()
            tasks.cancel_scope.cancel()
    assert anyio.current_time() - began < 4  # two for it, and what a busy machine takes
    assert [type(e) for e in seen[-2:]] == [StateNotSaved, RunFinished]


@pytest.mark.usefixtures("leftovers")
async def test_shards_share_it(bed: Bed) -> None:
    await stale(bed, 620)
    reports: list[Report] = []

    async def go(index: int) -> None:
        reports.append(await migrate(bed, shard=(index, 3)))

    async with anyio.create_task_group() as tasks:
        for index in range(3):
            tasks.start_soon(go, index)
    assert sum(c.trimmed for r in reports for c in r.crds) >= 1
    assert all(r.ok for r in reports)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v2"}
    assert await bed.stored_versions(f"widgets.{bed.group}") == ["v2"]
    assert (await kept(bed))["records"] == {}
    assert "shards" not in await kept(bed)


@pytest.mark.usefixtures("leftovers")
async def test_writes_of_others_are_not_lost(bed: Bed) -> None:
    """Many writers at once: a write that lost reads again, and makes its change on what is there by then."""

    async def write(index: int) -> None:
        async with store(bed) as (mine, _):
            for n in range(3):
                await mine.update(put_record(record(f"c{index}-{n}"), settle=45))

    async with anyio.create_task_group() as tasks:
        for writer in range(5):
            tasks.start_soon(write, writer)
    assert set((await kept(bed))["records"]) == {f"local/c{i}-{n}" for i in range(5) for n in range(3)}


@pytest.mark.usefixtures("leftovers")
async def test_very_many_writes_of_others_are_waited_for(embedded: EmbeddedBed) -> None:
    """Hundreds of shards may end at once, and each of them may be in our way once."""
    async with store(embedded) as (mine, sent):
        await mine.update(put_record(record("a"), settle=45))
        embedded.server.faults.answer(409, reason="Conflict", verb="patch", name=NAME, times=40)
        await mine.update(put_record(record("b"), settle=45))
        assert set((await kept(embedded))["records"]) == {"local/a", "local/b"}
        assert sent.count("PATCH") == 42


@pytest.mark.usefixtures("leftovers")
async def test_one_write_is_one_request_and_what_changes_nothing_is_read_anew(bed: Bed) -> None:
    async with store(bed) as (mine, sent):
        await mine.update(put_record(record("a"), settle=45))
        assert sent == ["GET", "POST", "PATCH"]
        sent.clear()
        await mine.update(put_record(record("b"), settle=45))
        assert sent == ["PATCH"]
        async with store(bed) as (other, _):
            await other.update(put_record(record("c"), settle=45))
            sent.clear()
            assert set((await mine.update(unchanged)).records) == {"local/a", "local/b", "local/c"}
            assert sent == ["GET"]


@pytest.mark.usefixtures("leftovers")
async def test_one_that_was_deleted_meanwhile_is_made_anew(bed: Bed) -> None:
    async with store(bed) as (mine, _):
        await mine.update(put_record(record("a"), settle=45))
        await bed.http.delete(f"{ALL}/{NAME}")
        await mine.update(put_record(record("b"), settle=45))
        assert set((await kept(bed))["records"]) == {"local/b"}


@pytest.mark.usefixtures("leftovers")
async def test_what_others_have_in_it_stays(bed: Bed) -> None:
    """Labels and annotations are theirs; it may have been made before, without data, as by a manifest."""
    meta = {"name": NAME, "labels": OURS | {"team": "x"}, "annotations": {"note": "y"}}
    await bed.http.post(ALL, json={"metadata": meta})
    async with store(bed) as (mine, _):
        await mine.update(put_record(record("a"), settle=45))
        found = (await bed.http.get(f"{ALL}/{NAME}")).json()
        assert (found["metadata"]["labels"]["team"], found["metadata"]["annotations"]) == ("x", {"note": "y"})
        assert "local/a" in found["data"]["state.json"]


@pytest.mark.usefixtures("leftovers")
async def test_at_its_bound_the_newest_records_are_left_out(bed: Bed) -> None:
    """They spare a later run the least."""
    async with store(bed) as (mine, _):
        names = [f"{'x' * 60}{n:05}.example.com" for n in range(6000)]

        def fill(state: State) -> State:
            for n, name in enumerate(names):
                state.records[f"local/{name}"] = record(name, n)
            return State(records=state.records)

        state = await mine.update(fill)
        found = (await bed.http.get(f"{ALL}/{NAME}")).json()["data"]["state.json"]
        assert MOST_BYTES * 0.99 < len(found) <= MOST_BYTES
        assert len(state.records) > 2000
        assert {r.resource_version for r in state.records.values()} == set(map(str, range(len(state.records))))


THERE = [
    ({"metadata": {"name": NAME}, "data": {"a": "b"}}, "it has no label app.kubernetes.io/managed-by=asyncmigrate"),
    ({"metadata": {"name": NAME, "labels": OURS}, "data": {"state.json": "{}"}}, "its state.json"),
    ({"metadata": {"name": NAME, "labels": OURS}, "data": {"state.json": "no json"}}, "its state.json"),
    ({"metadata": {"name": NAME, "labels": OURS}, "immutable": True}, "cannot be written"),
]


@pytest.mark.usefixtures("leftovers")
@pytest.mark.parametrize(("there", "words"), THERE, ids=["others", "empty", "broken", "immutable"])
async def test_one_that_is_something_else_is_left_as_it_is(bed: Bed, there: dict[str, Any], words: str) -> None:
    made = await bed.http.post(ALL, json=there)
    assert made.status_code == 201
    async with store(bed) as (mine, _):
        with pytest.raises(StateError, match=words) as raised:
            await mine.update(put_record(record("a"), settle=45))
        assert "the ConfigMap default/asyncmigrate-state" in str(raised.value)
        found = (await bed.http.get(f"{ALL}/{NAME}")).json()
        assert (found.get("data"), found["metadata"]["resourceVersion"]) == (
            there.get("data"),
            made.json()["metadata"]["resourceVersion"],
        )


@pytest.mark.usefixtures("leftovers")
async def test_rights_that_are_missing_are_named(bed: Bed) -> None:
    await stale(bed, 3)
    args = ("run", f"widgets.{bed.group}", "-y", "--settle", "0", "--kubeconfig", bed.kubeconfig("upgrader"))
    await bed.grant("upgrader", ("get",), "apiextensions.k8s.io", ("customresourcedefinitions",))
    await bed.grant("upgrader", ("patch",), "apiextensions.k8s.io", ("customresourcedefinitions/status",))
    await bed.grant("upgrader", ("get", "list", "patch"), bed.group, ("widgets",))
    ended = await asyncmigrate(*args, "--state", PLACE, home=bed.folder)
    assert ended.code == 2
    assert "the ConfigMap default/asyncmigrate-state may not be used" in ended.error
    rule = f'- {{apiGroups: [""], resources: [configmaps], resourceNames: [{NAME}], verbs: [get, patch]}}'
    assert ended.error.endswith(f"add this rule to a Role in default: {rule}")
    await bed.grant("upgrader", ("get", "patch"), "", ("configmaps",))
    ended = await asyncmigrate(*args, "--state", PLACE, home=bed.folder)
    assert (ended.code, "verbs: [create]" in ended.error) == (2, True)
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v1"}  # nothing has been written
    await bed.grant("upgrader", ("create",), "", ("configmaps",))
    ended = await asyncmigrate(*args, "--state", PLACE, home=bed.folder)
    assert ended.code == 0


async def test_a_namespace_that_is_not_there_is_exit_2(bed: Bed) -> None:
    await stale(bed, 3)
    args = ("run", f"widgets.{bed.group}", "-y", "--settle", "0", "--kubeconfig", bed.kubeconfig())
    ended = await asyncmigrate(*args, "--state", "configmap:nowhere/state", home=bed.folder)
    assert ended.code == 2
    assert "the ConfigMap nowhere/state cannot be made: there is no namespace nowhere" in ended.error
    assert bed.stored_api_versions(f"widgets.{bed.group}") == {"v1"}
