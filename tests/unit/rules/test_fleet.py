"""Which clusters of a fleet begin, why no more do, and what the whole comes to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from asyncmigrate._rules.decisions.exit_codes import Exit
from asyncmigrate._rules.decisions.fleet import Identity, Rollout, Standing, to_begin, why_stopped, worst
from asyncmigrate.errors import UsageError

NAMES = ("a", "b", "c", "d", "e")
OK, FAILED, USAGE, BLOCKED = Exit.OK, Exit.FAILED, Exit.USAGE, Exit.BLOCKED
UNREACHABLE, INTERRUPTED = Exit.UNREACHABLE, Exit.INTERRUPTED


def rollout(**rules: Any) -> Rollout:  # noqa: ANN401 -- its fields
    fields: dict[str, Any] = {"names": NAMES, "max_clusters": 2}
    return Rollout(**fields | rules)


CASES: list[tuple[str, dict[str, Any], set[str], dict[str, Exit], str]] = [
    ("as many as fit", {}, set(), {}, "ab"),
    ("all of them", {"max_clusters": 9}, set(), {}, "abcde"),
    ("the next ones", {}, {"b"}, {"a": OK}, "c"),
    ("none while all places are taken", {}, {"a", "b"}, {}, ""),
    ("one that failed holds up no other", {}, {"b"}, {"a": UNREACHABLE}, "c"),
    ("only canaries at first", {"canary": frozenset("d")}, set(), {}, "d"),
    ("several at once", {"canary": frozenset("bde")}, set(), {}, "bd"),
    ("nothing else while a canary is at work", {"canary": frozenset("bd")}, {"d"}, {"b": OK}, ""),
    ("the rest once all canaries are green", {"canary": frozenset("bd")}, set(), {"b": OK, "d": OK}, "ac"),
    ("nothing after a canary that failed", {"canary": frozenset("bd")}, set(), {"b": OK, "d": FAILED}, ""),
    ("not even a canary", {"canary": frozenset("abc")}, {"b"}, {"a": BLOCKED}, ""),
    ("all may be canaries", {"canary": frozenset(NAMES)}, {"a"}, {"b": OK}, "c"),
    ("fewer than stop_after", {"stop_after": 2}, set(), {"a": FAILED, "b": OK}, "cd"),
    ("stop_after", {"stop_after": 2}, {"c"}, {"a": FAILED, "b": UNREACHABLE}, ""),
    ("what is blocked counts as failed", {"stop_after": 1}, set(), {"a": BLOCKED}, ""),
    ("the end", {}, set(), dict.fromkeys(NAMES, OK), ""),
]


@pytest.mark.parametrize(("rules", "running", "codes", "begun"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_which_clusters_begin(rules: dict[str, Any], running: set[str], codes: dict[str, Exit], begun: str) -> None:
    assert to_begin(rollout(**rules), Standing(running=frozenset(running), codes=codes)) == tuple(begun)


@pytest.mark.parametrize(
    ("rules", "codes", "why"),
    [
        ({}, {"a": FAILED}, ""),
        ({"canary": frozenset("a")}, {"a": OK}, ""),
        (
            {"canary": frozenset("ab")},
            {"a": BLOCKED},
            "not tried: canary 'a' (exit code 3) failed, and the rest begin only once all canaries are done",
        ),
        (
            {"canary": frozenset("ab"), "stop_after": 1},
            {"a": BLOCKED, "b": FAILED},
            "not tried: canaries 'a' (exit code 3) and 'b' (exit code 1) failed, and the rest begin only once all "
            "canaries are done",
        ),
        ({"stop_after": 1}, {"a": FAILED}, "not tried: 1 cluster failed, and no more begin after 1"),
        ({"stop_after": 2}, dict.fromkeys("abc", FAILED), "not tried: 3 clusters failed, and no more begin after 2"),
    ],
)
def test_why_no_more_begin(rules: dict[str, Any], codes: dict[str, Exit], why: str) -> None:
    assert why_stopped(rollout(**rules), Standing(codes=codes)) == why


@given(
    names=some.lists(some.text("abcdefgh", min_size=1, max_size=2), min_size=1, max_size=8, unique=True),
    most=some.integers(1, 4),
    stop_after=some.none() | some.integers(1, 3),
    draws=some.data(),
)
def test_whatever_ends_how_and_when_the_rules_hold(
    names: list[str], most: int, stop_after: int | None, draws: some.DataObject
) -> None:
    canary = frozenset(draws.draw(some.sets(some.sampled_from(names))))
    rules = Rollout(names=tuple(names), max_clusters=most, canary=canary, stop_after=stop_after)
    running: set[str] = set()
    codes: dict[str, Exit] = {}
    while True:
        begun = to_begin(rules, Standing(running=frozenset(running), codes=codes))
        if begun:
            assert stop_after is None or sum(c is not OK for c in codes.values()) < stop_after
            if not canary.issuperset(begun):
                assert all(codes.get(n) is OK for n in canary)
        running |= set(begun)
        assert len(running) <= most
        if not running:
            break
        ended = draws.draw(some.sampled_from(sorted(running)))
        running.remove(ended)
        codes[ended] = draws.draw(some.sampled_from(Exit))
    untried = set(names) - codes.keys()
    assert bool(untried) <= bool(why_stopped(rules, Standing(codes=codes)))
    assert not untried or worst(codes.values()) is not OK


@pytest.mark.parametrize(
    ("codes", "whole"),
    [
        ([], OK),
        ([OK, OK], OK),
        ([OK, FAILED], FAILED),
        ([UNREACHABLE, FAILED], UNREACHABLE),
        ([UNREACHABLE, BLOCKED, FAILED], BLOCKED),
        ([BLOCKED, USAGE], USAGE),
        ([USAGE, BLOCKED, INTERRUPTED, OK], INTERRUPTED),
    ],
)
def test_the_exit_code_is_the_worst(codes: list[Exit], whole: Exit) -> None:
    assert worst(codes) is whole


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"names": ()}, "no clusters are given"),
        ({"names": ("a", "b", "a")}, "cluster 'a' is given twice"),
        ({"canary": frozenset("x")}, "canary 'x' is not among the clusters: a, b, c, d, e$"),
        ({"canary": frozenset("x"), "names": tuple("abcdefg")}, "a, b, c, d, e and 2 more$"),
        ({"max_clusters": 0}, "max_clusters is 0"),
        ({"max_clusters": True}, "max_clusters is True"),
        ({"stop_after": 0}, "stop_after is 0"),
        ({"stop_after": "1"}, "stop_after is '1'"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rollout(**wrong)


def test_two_names_are_one_cluster_only_if_that_is_certain() -> None:
    assert Identity("https://a", "u").is_known
    assert not Identity("https://a", "").is_known
