"""At most so many objects a second."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._rules.flow.rate_limit import RateLimit


@given(rate=st.floats(0.1, 1000), gaps=st.lists(st.floats(0, 2), min_size=1, max_size=100))
def test_a_pace_is_kept_whatever_the_gaps(rate: float, gaps: list[float]) -> None:
    pace = RateLimit(rate)
    now = 100.0
    sent = []
    for gap in gaps:
        now += gap
        now += pace.wait(now)
        sent.append(now)
    for first, last in itertools.combinations(range(len(sent)), 2):
        assert last - first <= (sent[last] - sent[first] + 0.05) * rate + 1.001
