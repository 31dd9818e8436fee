"""How many requests one CRD may have in flight."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._rules.flow.window import Window


@given(ceiling=st.integers(1, 64), answers=st.lists(st.booleans(), max_size=300))
def test_the_window_keeps_between_one_and_its_ceiling(ceiling: int, answers: list[bool]) -> None:
    window = Window(ceiling)
    for good in answers:
        if good:
            window.good()
        else:
            window.bad(window.epoch)
        assert 1 <= window.size <= ceiling


def test_requests_of_one_round_cut_the_window_once() -> None:
    window = Window(32)
    for _ in range(40):
        window.good()
    epoch = window.epoch
    for _ in range(10):
        window.bad(epoch)
    assert window.size == 16
    window.bad(window.epoch)
    assert window.size == 8


@given(seats=st.integers(1, 24), ceiling=st.integers(1, 32))
def test_the_window_settles_where_the_server_lets_it(seats: int, ceiling: int) -> None:
    """A server with so many seats refuses what is beyond; the window neither hammers it nor leaves seats empty."""
    window = Window(ceiling)
    refused = used = rounds = done = 0
    while done < 2000:
        size, epoch = window.size, window.epoch
        let_in = min(size, seats)
        for _ in range(let_in):
            window.good()
        for _ in range(size - let_in):
            refused += 1
            window.bad(epoch)
        done += let_in
        rounds += 1
        used += let_in
    assert refused < 0.1 * done
    assert used / rounds > 0.6 * min(seats, ceiling)
