"""Whose turn it is, played with lanes whose requests take as long as the case says."""

from __future__ import annotations

import heapq
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmigrate._rules.flow.lane_share import LONG, LaneShare, Sent
from asyncmigrate._rules.flow.share import Share

SECONDS = st.sampled_from((0.001, 0.005, 0.02, 0.1, 0.5, 0.99, 1.5, 10.0))


class Player(LaneShare):
    """A lane whose requests each take so many seconds, and that sends at most so many at once."""

    def __init__(self, seconds: float, most: int = 1000, *, known: bool = False, kin: str = "") -> None:
        super().__init__(known=known, kin=kin)
        self.takes = seconds
        self.most = most
        self.done = 0
        self.gaps: list[int] = [0]  # permits that others were given while it waited


class Game:
    """Virtual time, a budget, and players who always have something to send."""

    def __init__(self, size: int, *players: Player) -> None:
        self.size = size
        self.most = size + size // 2
        self.now = 0.0
        self.share: Share[Player] = Share(size)
        self.players = list(players)
        self._number = count()
        self._landing: list[tuple[float, int, Player, Sent]] = []
        for player in players:
            self.share.wait(player, waits=True)

    def look_at(self, player: Player) -> None:
        self.share.wait(player, waits=player.in_flight < player.most)

    def give(self) -> None:
        while (player := self.share.next(self.now, self.size)) is not None:
            self.judge(player)
            sent = self.share.send(player, self.now)
            heapq.heappush(self._landing, (self.now + player.takes, next(self._number), player, sent))
            for other in self.players:
                if other is not player and other.waits and not other.in_flight:
                    other.gaps[-1] += 1
            player.gaps.append(0)
            self.look_at(player)
            assert self.share.in_flight <= self.most

    def judge(self, player: Player) -> None:
        """Nobody of its kind who holds less, and has had less, waits."""
        waiting = [p for p in self.players if p.waits and p.kind is player.kind]
        weights = [p.weight(self.now, self.share.virtual, self.share.usual) for p in (player, *waiting)]
        assert weights[0] == min(weights)

    def play(self, seconds: float, most: int = 20_000) -> None:
        end = self.now + seconds
        self.give()
        while self._landing and self.now < end and (most := most - 1):
            late = max(self.now, self.share.late_at())
            if late <= self._landing[0][0]:
                self.now = late
            else:
                self.now, _, player, sent = heapq.heappop(self._landing)
                self.share.land(player, sent, self.now)
                self.share.prove(player)
                player.done += 1
                self.look_at(player)
            self.give()


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 40),
    takes=st.lists(st.tuples(SECONDS, st.integers(1, 50), st.sampled_from("abc")), min_size=1, max_size=60),
    known=st.booleans(),
)
def test_no_lane_starves_and_the_sum_is_bounded(
    size: int,
    takes: list[tuple[float, int, str]],
    known: bool,  # noqa: FBT001
) -> None:
    players = [Player(seconds, most, known=known, kin=kin) for seconds, most, kin in takes]
    game = Game(size, *players)
    game.play(60.0, most=1000)
    # A lane in debt waits until each other has had LONG as well, at 1 ms or more a permit.
    bound = (len(players) + size) * (LONG / 0.001)
    assert all(gap <= bound for player in players for gap in player.gaps)


@pytest.mark.parametrize("size", [1, 2, 3, 32])
@pytest.mark.parametrize("takes", [0.001, 0.5, 10.0])
@pytest.mark.parametrize("known", [False, True])
def test_one_lane_alone_has_all(size: int, takes: float, known: bool) -> None:  # noqa: FBT001
    player = Player(takes, known=known)
    game = Game(size, player)
    game.give()
    assert player.in_flight == size
    game.play(30)
    assert size <= player.in_flight <= size + size // 2


def test_a_slow_lane_leaves_a_quick_one_what_it_wants_and_has_the_rest() -> None:
    quick, *slow = Player(0.01, 12), Player(0.5), Player(0.5), Player(0.5)
    game = Game(32, quick, *slow)
    game.play(1.0)
    before = quick.done
    game.play(1.0)
    assert quick.done - before >= 0.95 * 12 / 0.01
    assert sum(s.in_flight for s in slow) >= 19
    assert max(s.in_flight for s in slow) <= 8


def test_a_quick_lane_that_comes_late_has_its_share_at_once() -> None:
    slow = Player(0.5)
    game = Game(32, slow)
    game.play(5.0)
    assert slow.in_flight == 32
    quick = Player(0.01, 12)
    game.players.append(quick)
    game.share.wait(quick, waits=True)
    game.play(0.5)
    assert quick.in_flight == 12


@pytest.mark.parametrize("many", [31, 32, 40, 200])
def test_however_many_hang_the_quick_ones_go_on(many: int) -> None:
    quick = [Player(0.01, 4) for _ in range(5)]
    hanging = [Player(10.0, 1) for _ in range(many)]
    game = Game(32, *quick, *hanging)
    game.play(30.0, most=30_000)
    # An eighth is kept for them while most of the others are tried for the first time.
    assert all(player.done >= 4 / 0.01 * 5 for player in quick)
    assert all(h.done or h.in_flight for h in hanging[:40])


def test_forty_that_hang_hold_up_five_that_come_last_for_a_second_at_most() -> None:
    quick = [Player(0.01, 4) for _ in range(5)]
    game = Game(32, *(Player(10.0, 1) for _ in range(40)), *quick)
    game.play(2.0)
    assert all(player.done >= 0.9 * 8 / 5 / 0.01 for player in quick)


@pytest.mark.parametrize("size", [3, 8, 32])
@pytest.mark.parametrize("many", [60, 300])
def test_however_many_of_one_kin_hang_those_of_another_begin_soon(size: int, many: int) -> None:
    hanging = [Player(10.0, 1, kin="hanging.example") for _ in range(many)]
    quick = [Player(0.01, 4, kin="healthy.example") for _ in range(5)]
    game = Game(size, *hanging, *quick)
    game.play(2.0)
    assert all(player.done for player in quick)
    assert sum(player.done for player in quick) >= 1.5 / 0.01


def test_a_suspect_has_its_turn_beside_a_quick_one_that_never_ends() -> None:
    quick = Player(0.01, known=True)
    hanging = [Player(10.0, 1, kin="a") for _ in range(20)]
    suspects = [Player(0.01, 1, kin="a") for _ in range(20)]
    game = Game(32, quick, *hanging, *suspects)
    game.play(3.0)
    assert all(player.done for player in suspects)


def test_a_budget_of_one_is_shared_with_a_lane_of_which_nothing_is_known() -> None:
    quick, unknown = Player(0.01, known=True), Player(0.01)
    game = Game(32, quick)
    game.play(1.0)
    game.size = 1
    game.players.append(unknown)
    game.share.wait(unknown, waits=True)
    game.play(1.0)
    assert unknown.done


def test_those_that_hang_leave_half_free_while_nobody_else_wants_it() -> None:
    game = Game(32, *(Player(10.0, 1) for _ in range(100)))
    game.play(100.0)
    late = [Player(0.01, 4, known=True) for _ in range(4)]
    for player in late:
        game.players.append(player)
        game.share.wait(player, waits=True)
    game.give()
    assert all(player.in_flight == 4 for player in late)


def test_time_and_not_requests_is_shared_where_there_are_more_lanes_than_permits() -> None:
    quick = [Player(0.01, known=True) for _ in range(5)]
    slow = [Player(0.5, known=True) for _ in range(40)]
    game = Game(32, *slow, *quick)
    game.play(5.0)
    before = [p.done for p in quick]
    game.play(5.0)
    assert min(p.done - b for p, b in zip(quick, before, strict=True)) >= 0.7 * 32 / 45 * 5 / 0.01
    assert min(p.done for p in slow) >= 5


def test_a_lane_that_turns_slow_and_quick_again() -> None:
    turns, steady = Player(0.01, 20), Player(0.01, 20)
    game = Game(32, turns, steady)
    game.play(2.0)
    assert abs(turns.in_flight - steady.in_flight) <= 8
    turns.takes = 10.0
    game.play(5.0)
    assert steady.in_flight >= 16
    turns.takes = 0.01
    game.play(15.0, most=60_000)
    assert abs(turns.in_flight - steady.in_flight) <= 8


@given(cut=st.integers(1, 32))
def test_a_budget_that_is_cut_is_not_taken_up_by_those_that_hang(cut: int) -> None:
    game = Game(32, *(Player(10.0, 1) for _ in range(20)))
    game.play(5.0)
    game.size = cut
    quick = Player(0.01, known=True)
    game.players.append(quick)
    game.share.wait(quick, waits=True)
    game.give()
    assert quick.in_flight == max(0, cut - 4)  # of twenty, sixteen are out apart


def test_what_was_never_used_costs_nothing() -> None:
    share: Share[LaneShare] = Share(1)
    lane = LaneShare()
    share.wait(lane, waits=True)
    assert share.next(0.0, 1) is lane
    had = lane.had
    share.land(lane, share.send(lane, 0.0), 5.0, used=False)
    assert (lane.had, lane.in_flight, share.in_flight) == (had, 0, 0)
    share.wait(lane, waits=False)
    assert share.next(0.0, 1) is None
