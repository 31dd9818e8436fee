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
AT_ONCE = RetryPolicy(first_wait=0, max_wait=0, max_tries=6)

happenings = st.lists(st.one_of(st.just("well"), st.sampled_from(HAPPENINGS)), max_size=40)


async def migrate(model: Model, state: Path | None = None) -> Report:
    async with Cluster.from_transport(model, server="https://model.test") as cluster:
        made = await plan(cluster, names=[NAME], retry_policy=AT_ONCE)
        return await run(
            cluster,
            made,
            settle=0,
            state=state,
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

    async def killed() -> None:
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
                await migrate(model, state)
            finally:
                model.send = answer  # type: ignore[method-assign]

    anyio.run(killed)
    assert not model.wrongly_trimmed
    judge(model, anyio.run(migrate, model, state))
