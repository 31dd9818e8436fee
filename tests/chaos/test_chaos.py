"""Chaos, seeded and repeatable: 120 rounds on embedded servers, 12 on a real one. More: `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bed import real
from tests.chaos.lanes import play_embedded, play_real
from tests.chaos.tally import Tally

_ROUNDS = 120  # each kind nine times; a round takes five seconds of CPU
_REAL_ROUNDS = 12  # each kind once


@pytest.mark.timeout(1500)
async def test_nothing_is_lost_on_the_embedded_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    await play_embedded(tally, range(_ROUNDS), tmp_path)
    with capsys.disabled():
        print(f"\nembedded server: {tally}")  # noqa: T201
    assert not tally.lost
    assert tally.rounds == _ROUNDS


@pytest.mark.real
@pytest.mark.timeout(1500)
async def test_nothing_is_lost_on_a_real_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], has_real_server: None
) -> None:
    del has_real_server
    tally = Tally()
    with real.start(tmp_path) as server:  # one of its own, for it is killed
        await play_real(tally, range(_REAL_ROUNDS), server, tmp_path)
    with capsys.disabled():
        print(f"\nreal server: {tally}")  # noqa: T201
    assert not tally.lost
    assert tally.rounds == _REAL_ROUNDS
