"""Shards are disjoint and complete, and cut where an API server that filters lists would cut."""

from __future__ import annotations

import re
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._rules.decisions.shard import MOST_SHARDS, Shard, hash_of, is_cut
from asyncmigrate.errors import UsageError

counts = st.integers(1, MOST_SHARDS)


# From the test vectors of the FNV authors; Kubernetes' pkg/sharding takes Go's hash/fnv, New64a.
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 0xCBF29CE484222325),
        ("a", 0xAF63DC4C8601EC8C),
        ("foobar", 0x85944171F73967E8),
        ("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", 0x93754B7248A00EB9),
    ],
)
def test_the_hash_is_fnv_1a_of_64_bits(text: str, found: int) -> None:
    assert hash_of(text) == found


@given(counts)
def test_the_ranges_cover_the_whole_space_once(count: int) -> None:
    shards = [Shard(i, count) for i in range(count)]
    assert (shards[0].start, shards[-1].end) == (0, 1 << 64)
    assert all(a.end == b.start for a, b in pairwise(shards))
    assert all(s.start < s.end for s in shards)


@given(counts, st.one_of(st.uuids().map(str), st.text()))
def test_every_uid_is_one_shards(count: int, uid: str) -> None:
    assert sum(Shard(i, count).owns(uid) for i in range(count)) == 1


def test_uids_are_spread_evenly() -> None:
    uids = [str(uuid4()) for _ in range(20_000)]
    for index in range(4):
        assert 4_600 < sum(Shard(index, 4).owns(uid) for uid in uids) < 5_400  # some six deviations


@pytest.mark.parametrize(
    ("shard", "selector"),
    [
        (Shard(0, 1), "shardRange(object.metadata.uid, '0x0000000000000000', '0x10000000000000000')"),
        (Shard(1, 4), "shardRange(object.metadata.uid, '0x4000000000000000', '0x8000000000000000')"),
        (Shard(3, 4), "shardRange(object.metadata.uid, '0xc000000000000000', '0x10000000000000000')"),
        (Shard(1, 3), "shardRange(object.metadata.uid, '0x5555555555555555', '0xaaaaaaaaaaaaaaaa')"),
    ],
)
def test_the_selector_is_in_the_form_of_kubernetes(shard: Shard, selector: str) -> None:
    assert shard.selector == selector


@given(counts)
def test_its_numbers_have_16_digits_but_for_the_end_of_all(count: int) -> None:
    for index in {0, count - 1}:
        start, end = re.findall(r"'0x([0-9a-f]+)'", Shard(index, count).selector)
        assert (len(start), len(end)) == (16, 17 if index == count - 1 else 16)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("4/4", "there is no shard 4/4: the first is 0/4, the last 3/4"),
        ("x/3", "shard 'x/3' cannot be read: write INDEX/COUNT, counted from 0, such as 0/4"),
        ("1/0", "shard 1/0: there may be 1 to 1,000 shards"),
        ("0/1001", "shard 0/1001: there may be 1 to 1,000 shards"),
        ("", "cannot be read"),
        ("1", "cannot be read"),
        ("-1/3", "cannot be read"),
        ("1/3/5", "cannot be read"),
        ("1/3 ", "cannot be read"),
        ("¹/3", "cannot be read"),
        ("9999999999/3", "cannot be read"),
    ],
)
def test_a_shard_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        Shard.parse(text)


@pytest.mark.parametrize("given", [(1,), [0, 4], "0/4", (0.0, 4), (True, 4), (-1, 4)])
def test_so_is_a_pair_that_is_none(given: object) -> None:
    with pytest.raises(UsageError, match="shard"):
        Shard.of(given)


@pytest.mark.parametrize(("objects", "cut"), [(0, False), (500, False), (501, True), (None, True)])
def test_a_crd_of_one_page_is_not_cut(objects: int | None, cut: bool) -> None:  # noqa: FBT001 -- a table
    assert is_cut(objects) is cut


@given(st.text(max_size=40), st.integers(1, 1000))
def test_the_owner_is_the_shard_that_owns_it(uid: str, count: int) -> None:
    assert Shard(Shard(0, count).owner_of(uid), count).owns(uid)
