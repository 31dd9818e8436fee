"""How many requests are kept in flight, against servers that are small, large, near, far, and change."""

from __future__ import annotations

from collections import deque

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._rules.flow.latency_window import LatencyWindow

CEILING = 32
# A look is taken with a quarter of the size, so where that many wait already they pass for none.
MOST_QUEUED = LatencyWindow.QUEUED * 4 / 3


class Server(msgspec.Struct, frozen=True):
    """One that works on so many requests at once, `work` seconds on each, and is `away` seconds away."""

    cores: int
    work: float = 0.01
    away: float = 0.0

    def takes(self, in_flight: int) -> float:
        return max(self.away + self.work, in_flight * self.work / self.cores)

    def rate(self, in_flight: int) -> float:
        return in_flight / self.takes(in_flight)


def play(depth: LatencyWindow, server: Server, answers: int, *, crds: int = 1) -> list[int]:
    """Have so many answers come, and say how many were in flight at each."""
    in_flight: deque[float] = deque()  # how long each takes, as the crowd was when it was sent
    sizes = []
    for _ in range(answers):
        while len(in_flight) < depth.size:
            in_flight.append(server.takes(depth.size * crds))
        sizes.append(len(in_flight))
        depth.answered(in_flight.popleft(), crds=crds)
    return sizes


@given(
    server=st.builds(Server, cores=st.integers(1, 8), work=st.floats(0.001, 1), away=st.floats(0, 0.1)),
    answers=st.integers(400, 900),
)
def test_a_server_is_kept_busy_and_little_waits_at_its_door(server: Server, answers: int) -> None:
    depth = LatencyWindow(CEILING)
    play(depth, server, answers)
    settled = play(depth, server, 64 * CEILING)
    best = server.rate(CEILING)
    usual = sorted(settled)[len(settled) // 2]
    assert server.rate(usual) >= 0.99 * best
    enough = server.cores * (server.away + server.work) / server.work
    assert usual <= min(CEILING, max(2 * enough + depth.QUEUED, MOST_QUEUED))
    # The looks cost little.
    assert sum(1 / server.rate(size) for size in settled) <= 1.05 * len(settled) / best


def test_a_server_that_makes_nobody_wait_is_given_as_many_as_may_be() -> None:
    depth = LatencyWindow(CEILING)
    assert max(play(depth, Server(cores=100), 100)) == CEILING
    assert 1 <= LatencyWindow(1).size <= 1


def test_it_follows_a_server_that_becomes_slower_and_quicker_again() -> None:
    depth = LatencyWindow(CEILING)
    small, large = Server(cores=2), Server(cores=100)
    play(depth, large, 5000)
    assert depth.size == CEILING
    # Every request takes longer now, however few there are: that is no waiting, and only a look can tell.
    play(depth, Server(cores=100, work=0.1), 5000)
    assert depth.size == CEILING
    play(depth, small, 5000)
    assert depth.size <= MOST_QUEUED
    play(depth, large, 5000)
    assert depth.size == CEILING


@pytest.mark.parametrize(("crds", "most"), [(1, 14), (4, 5), (16, 3)])
def test_what_waits_is_shared_between_crds(crds: int, most: int) -> None:
    depth = LatencyWindow(CEILING)
    for _ in range(4):  # learned alone
        depth.answered(Server(cores=2).takes(1), crds=1)
    play(depth, Server(cores=2), 40, crds=crds)
    assert depth.size <= most


@given(st.integers(1, 64), st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50)), max_size=300))
def test_it_keeps_between_one_and_its_ceiling(ceiling: int, answers: list[tuple[float, int]]) -> None:
    depth = LatencyWindow(ceiling)
    for seconds, crds in answers:
        depth.answered(seconds, crds=crds)
        assert 1 <= depth.size <= ceiling
