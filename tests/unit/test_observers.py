"""Observers and events: who raises is named, async ones are refused, and each event says when and about which CRD."""

from __future__ import annotations

import time
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest

from asyncmigrate import Cluster, Plan, RetryPolicy, events, plan, run
from asyncmigrate.errors import RequestTimeoutError, UsageError
from asyncmigrate.events import CRDDecided, Event, RequestSent, Retrying, RunFinished
from tests.bed.bed import EmbeddedBed

NAME = "widgets.example.com"


async def planned(bed: EmbeddedBed, **how: Any) -> Plan:  # noqa: ANN401 -- keywords of plan
    async with Cluster.from_kubeconfig(bed.kubeconfig()) as cluster:
        return await plan(cluster, **how)


async def test_who_comes_after_one_that_raises_is_told_the_same_event(stale: EmbeddedBed) -> None:
    def raises(event: Event) -> None:
        if type(event) is RunFinished:
            raise LookupError

    reports: list[Event] = []
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        todo = await plan(cluster)
        with pytest.raises(LookupError):
            await run(cluster, todo, observers=[raises, reports.append])
    assert isinstance(reports[-1], RunFinished)
    assert reports[-1].report.ok


async def async_observer(event: Event) -> None:
    del event


class AsyncCallable:
    async def __call__(self, event: Event) -> None: ...


@pytest.mark.parametrize(
    ("observers", "words"),
    [
        (async_observer, "observer async_observer is async"),
        ([print, async_observer], "observer async_observer is async"),
        ([AsyncCallable()], "observer AsyncCallable is async"),
        ([partial(async_observer)], "observer async_observer is async"),
        ([AsyncMock()], "observer AsyncMock is async"),
        ([5], "observer 5 cannot be called"),
        (5, "observers is 5"),
    ],
)
async def test_an_observer_that_cannot_be_called_as_one_is_refused_at_once(
    stale: EmbeddedBed,
    observers: Any,  # noqa: ANN401 -- what is no observer, too
    words: str,
) -> None:
    with pytest.raises(UsageError, match=words):
        await planned(stale, observers=observers)
    assert not stale.server.requests


async def test_one_that_turns_out_to_be_async_ends_it(stale: EmbeddedBed) -> None:
    with pytest.raises(RuntimeError, match="returned an awaitable, which nobody awaits"):
        await planned(stale, observers=lambda event: (async_observer(event),)[0])


async def test_one_that_raises_is_named_and_the_others_hear_how_it_ends(stale: EmbeddedBed) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        if isinstance(event, events.ObjectSettled):
            raise KeyError("mine")

    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        todo = await plan(cluster)
        with pytest.raises(KeyError, match="mine") as raised:
            await run(cluster, todo, observers=[broken, seen.append])
    [note] = raised.value.__notes__
    assert note.startswith("raised by the observer ")
    assert note.endswith("broken, on ObjectSettled")
    assert isinstance(seen[-1], RunFinished)
    assert seen[-1].report.interrupted


async def test_an_error_of_ours_that_one_raises_is_not_taken_for_a_failed_request(stale: EmbeddedBed) -> None:
    asked: list[RequestSent] = []

    def broken(event: Event) -> None:
        if isinstance(event, RequestSent):
            asked.append(event)
            raise RequestTimeoutError("mine")

    with pytest.raises(RuntimeError, match="broken raised: mine") as raised:
        await planned(stale, observers=broken)
    assert isinstance(raised.value.__cause__, RequestTimeoutError)
    assert len(asked) == 1


async def test_events_say_when_and_about_which_crd(stale: EmbeddedBed) -> None:
    began = time.time()
    seen: list[Event] = []
    quick = RetryPolicy(first_wait=0.001, max_wait=0.002)
    stale.server.faults.answer(503, verb="get", name=NAME, times=1)
    stale.server.faults.answer(503, verb="list", resource=NAME, times=1)
    stale.server.faults.answer(503, verb="patch", name="w-1", times=1)
    stale.server.faults.answer(503, verb="patch", name=NAME, times=1)
    async with Cluster.from_kubeconfig(stale.kubeconfig()) as cluster:
        todo = await plan(cluster, names=NAME, counts_within=0, observers=seen.append, retry_policy=quick)
        assert (await run(cluster, todo, observers=seen.append, retry_policy=quick)).ok
    times = [e.time for e in seen]
    assert times == sorted(times)
    assert began <= times[0]
    assert times[-1] <= time.time()
    assert {e.doing.partition(" ")[0] for e in seen if isinstance(e, Retrying)} == {"get", "list", "rewrite", "trim"}
    assert {e.crd for e in seen if isinstance(e, Retrying)} == {NAME}
    about_none = {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "/version"}
    for event in seen:
        if isinstance(event, RequestSent):
            assert event.crd == ("" if event.target in about_none else NAME), event


def test_an_event_is_made_and_matched_by_position() -> None:
    event = Retrying("get", 1, 0.5, "503")
    match event:
        case Retrying(doing, attempt, wait, error, crd):
            assert (doing, attempt, wait, error, crd) == ("get", 1, 0.5, "503", "")
    assert Retrying("get", 1, 0.5, "503", time=event.time) == event
    assert "time" not in CRDDecided.__match_args__
