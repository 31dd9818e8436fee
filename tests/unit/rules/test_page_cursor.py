"""Where a list goes on."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate._model import ObjectRef, Page, Status
from asyncmigrate._rules.decisions.page_cursor import PageCursor


def test_a_failing_page_shrinks_and_grows_back() -> None:
    frontier = PageCursor(("v1",))
    sizes = []
    for _ in range(6):
        sizes.append(frontier.limit)
        frontier.failed()
    assert sizes == [500, 125, 31, 7, 1, 1]
    frontier.got(Page((), continue_token="t"))
    assert (frontier.token, frontier.limit, frontier.done) == ("t", 2, False)
    frontier.got(Page(()))
    assert frontier.done


def test_a_list_is_not_started_over_for_ever() -> None:
    expired = Status(code=410, reason="Expired", message="")
    frontier = PageCursor(("v1",))
    assert list(itertools.takewhile(bool, (frontier.expired(expired) for _ in range(99)))) == [True] * 3
    resumable = Status(code=410, reason="Expired", message="", continue_token="again")
    frontier = PageCursor(("v1",))
    for _ in range(99):
        assert frontier.expired(resumable)
        frontier.got(Page((), continue_token="t"))
    assert list(itertools.takewhile(bool, (frontier.expired(resumable) for _ in range(99)))) == [True] * 10


def test_a_page_that_cannot_be_converted_is_isolated_and_listed_through_another_version() -> None:
    frontier = PageCursor(("v2", "v1", "v0"))
    tried = []
    while frontier.unconvertible():
        tried.append((frontier.version, frontier.limit))
    assert tried == [("v2", 125), ("v2", 31), ("v2", 7), ("v2", 1), ("v1", 1), ("v0", 1)]
    assert frontier.version == "v2"
    assert frontier.unconvertible()
    frontier.got(Page((ObjectRef("ns", "stuck"),), continue_token="t"))
    assert (frontier.version, frontier.limit, str(frontier.last)) == ("v2", 2, "ns/stuck")


def test_a_version_that_lists_no_more_is_left_for_good() -> None:
    frontier = PageCursor(("v2", "v1"))
    frontier.failed()
    assert frontier.leave()
    assert (frontier.version, frontier.limit) == ("v1", 500)
    frontier.got(Page((), continue_token="t"))
    assert frontier.version == "v1"
    assert not frontier.leave()


@given(
    answers=st.lists(st.sampled_from(["page", "failed", "unconvertible", "leave", "expired", "restart"]), max_size=200),
    versions=st.integers(1, 4),
)
def test_a_frontier_asks_for_real_pages_of_known_versions_and_ends_only_on_the_last_page(
    answers: list[str], versions: int
) -> None:
    known = tuple(f"v{n}" for n in range(versions))
    frontier = PageCursor(known)
    for answer in answers:
        match answer:
            case "page":
                frontier.got(Page((), continue_token="t"))
            case "failed":
                frontier.failed()
            case "unconvertible":
                frontier.unconvertible()
            case "leave":
                frontier.leave()
            case _:
                token = "again" if answer == "expired" else ""
                frontier.expired(Status(code=410, reason="Expired", message="", continue_token=token))
        assert 1 <= frontier.limit <= 500
        assert frontier.version in known
        assert not frontier.done
    frontier.got(Page(()))
    assert frontier.done
