"""No sequence of pages, failures, conflicts and restarts lets a CRD be trimmed with an unsettled object."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from asyncmigrate import Cluster, Outcome, Report, RetryPolicy, plan, run
from tests.unit.model import NAME, Model

HAPPENINGS = [
    "429",
    "500",
    "503",
    "504",
    "lost before",
    "lost after",
    "garbage",
    "created",
    "deleted",
    "changed",
    "status written",
    "storage moved away",
    "storage moved there and back",
    "compacted",
    "conflict",
    "denied",
    "version not served",
    "denied with 404",
    "wrong address",
    "conversion changed",
    "spec changed",
    "saved",
    "restored",
]
SHARDS = 3
AT_ONCE = RetryPolicy(first_wait=0, max_wait=0, max_tries=6)

happenings = st.lists(st.one_of(st.just("well"), st.sampled_from(HAPPENINGS)), max_size=40)


async def migrate(model: Model, state: Path | None = None, shard: tuple[int, int] | None = None) -> Report:
    async with Cluster.from_transport(model, server="https://model.test") as cluster:
        made = await plan(cluster, names=[NAME], retry_policy=AT_ONCE)
        return await run(
            cluster,
            made,
            settle=0,
            state=state,
            shard=shard,
            max_in_flight=2,
            retry_policy=AT_ONCE,
            webhook_policy=AT_ONCE,
        )


def judge(model: Model, report: Report) -> None:
    [found] = report.crds
    event(f"{found.outcome}: {found.reason}")
    assert not model.wrongly_trimmed
    if found.outcome is Outcome.MIGRATED:
        assert found.objects.settled == found.objects.listed
        assert {version for version, _ in model.objects.values()} <= set(model.stored_versions)


@given(objects=st.integers(0, 10), sequence=happenings)
@settings(max_examples=200, deadline=None)
def test_nothing_lets_a_crd_be_trimmed_with_an_unsettled_object(objects: int, sequence: list[str]) -> None:
    model = Model(objects, iter(sequence))
    judge(model, anyio.run(migrate, model))


@given(objects=st.integers(0, 10), sequence=happenings, stopped=st.integers(0, 25))
@settings(max_examples=150, deadline=None)
def test_nor_does_a_run_that_was_killed_and_goes_on(
    objects: int, sequence: list[str], stopped: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("state") / "state.json"
    model = Model(objects, iter(sequence))

    anyio.run(killed, model, stopped, state)
    assert not model.wrongly_trimmed
    judge(model, anyio.run(migrate, model, state))


async def killed(model: Model, stopped: int, state: Path, shard: tuple[int, int] | None = None) -> None:
    """A run that is killed after so many requests, unless it ends before."""
    with anyio.CancelScope() as scope:
        left = stopped

        async def send(request: object, *, within: float | None) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                scope.cancel()
                await anyio.lowlevel.checkpoint()
            return await answer(request, within=within)  # type: ignore[arg-type]  # as it came

        answer, model.send = model.send, send  # type: ignore[assignment,method-assign]
        try:
            await migrate(model, state, shard)
        finally:
            model.send = answer  # type: ignore[method-assign]


@given(
    objects=st.integers(0, 10),
    sequence=happenings,
    runs=st.lists(st.tuples(st.integers(0, SHARDS - 1), st.integers(0, 25) | st.just(1000)), max_size=6),
    last=st.permutations(range(SHARDS)),
)
@settings(max_examples=40, deadline=None)
def test_nor_do_shards_of_which_some_are_killed(
    objects: int,
    sequence: list[str],
    runs: list[tuple[int, int]],
    last: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """And once nothing happens any more and each has run once, the CRD is trimmed."""
    state = tmp_path_factory.mktemp("state") / "state.json"
    happening = iter(sequence)
    model = Model(objects, happening)
    for index, stopped in runs:
        anyio.run(killed, model, stopped, state, (index, SHARDS))
        assert not model.wrongly_trimmed
    for _ in happening:
        pass
    model.compacted = 0
    for index in last:
        judge(model, anyio.run(migrate, model, state, (index, SHARDS)))
    assert model.stored_versions == [model.storage]


@given(
    objects=st.integers(2, 10), sequence=happenings, shards=st.lists(st.integers(0, SHARDS - 1), min_size=2, max_size=5)
)
@settings(max_examples=40, deadline=None)
def test_nor_do_shards_at_once(
    objects: int, sequence: list[str], shards: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("state") / "state.json"
    model = Model(objects, iter(sequence))

    async def go(index: int) -> None:
        judge(model, await migrate(model, state, (index, SHARDS)))

    async def at_once() -> None:
        async with anyio.create_task_group() as tasks:
            for index in shards:
                tasks.start_soon(go, index)

    anyio.run(at_once)
    assert not model.wrongly_trimmed
