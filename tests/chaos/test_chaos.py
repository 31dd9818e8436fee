"""Chaos, seeded and repeatable: a hundred rounds on the embedded server, ten on a real one. More: `make chaos`."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest

from tests.bed import real
from tests.bed.bed import open_embedded, open_real, trust
from tests.chaos.proxy import open_proxy
from tests.chaos.rounds import Tally, folder_for, play_rounds


@pytest.mark.timeout(600)
async def test_nothing_is_lost_on_the_embedded_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()

    async def play(seeds: range) -> None:
        async with (
            open_embedded(folder_for(tmp_path, f"from-{seeds.start}")) as bed,
            open_proxy(bed.url, None, random.Random(seeds.start)) as proxy,  # noqa: S311
        ):
            await play_rounds(bed, proxy, tally, seeds, objects=60)
            tally.requests += proxy.requests
            tally.faults += proxy.injected

    async with anyio.create_task_group() as halves:  # most of a round is waiting
        halves.start_soon(play, range(50))
        halves.start_soon(play, range(50, 100))
    with capsys.disabled():
        print(f"\nembedded server: {tally}")  # noqa: T201
    assert not tally.lost
    assert tally.rounds == 100


@pytest.mark.real
@pytest.mark.timeout(900)
async def test_nothing_is_lost_on_a_real_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], has_real_server: None
) -> None:
    del has_real_server
    tally = Tally()
    with real.start(tmp_path) as server:  # one of its own, for it is killed
        async with (
            open_real(server, tmp_path) as bed,
            open_proxy(server.url, trust(server), random.Random(0)) as proxy,  # noqa: S311
        ):
            await play_rounds(bed, proxy, tally, range(10), objects=300)
            tally.requests, tally.faults = proxy.requests, proxy.injected
    with capsys.disabled():
        print(f"\nreal server: {tally}")  # noqa: T201
    assert not tally.lost
    assert tally.rounds == 10
