"""The rules, as tables and as properties."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate import CRD, Decision, RetryPolicy, Version, is_transient
from asyncmigrate._model import ObjectRef, Page, Status
from asyncmigrate._rules.decisions.decide import decide
from asyncmigrate._rules.decisions.page_cursor import PageCursor
from asyncmigrate._rules.decisions.rights import needed, rules_for
from asyncmigrate._rules.decisions.selector import parse_selector
from asyncmigrate._rules.decisions.versions import access_version, rewrite_version
from asyncmigrate._rules.errors.classify import Action, Operation, classify, is_webhook_down
from asyncmigrate._rules.flow.rate_limit import RateLimit
from asyncmigrate._rules.flow.retry_schedule import Schedule
from asyncmigrate._rules.flow.window import Window
from asyncmigrate._rules.safety.move_age import settle_wait
from asyncmigrate._rules.safety.proof import bound_of, is_proven
from asyncmigrate._rules.safety.resource_versions import is_newer
from asyncmigrate._rules.safety.resume import may_resume, record_of
from asyncmigrate._rules.safety.trim import TrimVerdict, may_trim
from asyncmigrate.errors import (
    APIError,
    BadAnswerError,
    ConfigError,
    ConnectionLostError,
    MigrateError,
    RequestTimeoutError,
    TLSError,
    UnreachableError,
    UsageError,
)

LOOK_UP, LIST, REWRITE, TRIM = Operation
NEW, GONE, RETRY, ISOLATE, RESUME, RECHECK, FAIL = Action


def api(code: int, reason: str = "", message: str = "") -> APIError:
    return APIError(Status(code=code, reason=reason, message=message), doing="test")


# design.md's table, row by row: what the four operations make of each answer.
TABLE: list[tuple[MigrateError, tuple[Action, Action, Action, Action]]] = [
    (api(404), (NEW, GONE, GONE, GONE)),
    (api(409), (FAIL, FAIL, RETRY, RECHECK)),
    (api(410), (FAIL, RESUME, FAIL, FAIL)),
    *((api(code), (RETRY,) * 4) for code in (408, 425, 429, 500, 502, 503, 504)),
    *((api(code), (FAIL,) * 4) for code in (400, 401, 403, 405, 413, 415, 422, 501)),
    (ConnectionLostError("x"), (RETRY,) * 4),
    (RequestTimeoutError("x"), (RETRY,) * 4),
    (BadAnswerError("x"), (RETRY,) * 4),
    (UnreachableError("x"), (RETRY,) * 4),
    (TLSError("x"), (FAIL,) * 4),
    (ConfigError("x"), (FAIL,) * 4),
]


@pytest.mark.parametrize(("error", "actions"), TABLE, ids=lambda v: repr(v) if isinstance(v, MigrateError) else "")
def test_operation_and_status_decide(error: MigrateError, actions: tuple[Action, ...]) -> None:
    assert tuple(classify(o, error) for o in Operation) == actions


def test_the_reason_comes_before_the_bare_code() -> None:
    assert classify(LOOK_UP, api(500, "NotFound")) is NEW
    assert classify(REWRITE, api(500, "Invalid")) is FAIL
    assert classify(REWRITE, api(403, "TooManyRequests")) is RETRY
    assert classify(LIST, api(404, "Expired")) is RESUME


def test_an_address_that_never_answered_is_not_waited_for() -> None:
    assert classify(LOOK_UP, UnreachableError("x"), contacted=False) is FAIL
    assert classify(LOOK_UP, ConnectionLostError("x"), contacted=False) is RETRY


def test_the_default_filter_of_retry() -> None:
    assert is_transient(api(503))
    assert not is_transient(api(404))
    assert not is_transient(ValueError())


def test_a_webhook_that_is_down_is_told_from_one_that_says_no() -> None:
    down = 'conversion webhook for example.com/v1, Kind=W failed: Post "https://x/": dial tcp: connection refused'
    assert is_webhook_down(api(500, "InternalError", down))
    assert is_webhook_down(api(500, "InternalError", 'failed calling webhook "a": context deadline exceeded'))
    assert not is_webhook_down(api(500, "InternalError", "conversion webhook for v1 failed: w-1 has no size"))
    assert not is_webhook_down(api(403, "Forbidden", "admission webhook denied"))


def crd(storage: str | None, *versions: str, stored: tuple[str, ...] = (), **more: object) -> CRD:
    made = tuple(Version(v, served=not v.startswith("-"), storage=v.lstrip("-") == storage) for v in versions)
    made = tuple(Version(v.name.lstrip("-"), served=v.served, storage=v.storage) for v in made)
    base = {"name": "widgets.example.com", "group": "example.com", "plural": "widgets", "kind": "Widget"}
    return CRD(**base | {"versions": made, "stored_versions": stored, "uid": "u", "generation": 1} | more)  # type: ignore[arg-type]


DECISIONS = [
    (None, crd("v1", "v1"), "NotFound", Decision.NEW),
    (None, None, "NotFound", Decision.NEW),
    (None, crd(None, "v1"), "NoStorageVersion", Decision.BLOCKED),
    (crd("v1", "v1", stored=("v1",)), None, "StoredAsStorageVersion", Decision.CURRENT),
    (crd("v1", "v1", stored=("v1",)), crd("v2", "v1", "v2"), "StoredAsStorageVersion", Decision.CURRENT),
    (crd("v1", "v1", stored=("v1",)), crd("v2", "v2"), "StorageVersionDropped", Decision.BLOCKED),
    (crd("v2", "v1", "v2", stored=("v1", "v2")), None, "OldStoredVersions", Decision.STALE),
    (crd("v2", "v1", "v2", stored=("v1",)), None, "OldStoredVersions", Decision.STALE),
    (crd("v2", "v1", "v2"), None, "StoredVersionsEmpty", Decision.STALE),
    (crd("v2", "v1", "v2", stored=("v1", "v2")), crd("v3", "v2", "v3"), "OldStoredVersions", Decision.STALE),
    (crd("v2", "-v1", "-v2", stored=("v1", "v2")), None, "NoServedVersion", Decision.BLOCKED),
    (crd("v2", "-v1", "-v2", stored=("v2",)), None, "StoredAsStorageVersion", Decision.CURRENT),
    (crd(None, "v1", stored=("v1",)), None, "NoStorageVersion", Decision.BLOCKED),
    (crd("v2", "v1", "v2", stored=("v1",), terminating=True), None, "Terminating", Decision.BLOCKED),
]


@pytest.mark.parametrize(("live", "manifest", "reason", "decision"), DECISIONS)
def test_decisions(live: CRD | None, manifest: CRD | None, reason: str, decision: Decision) -> None:
    found = decide("widgets.example.com", live, manifest)
    assert (found.decision, found.reason) == (decision, reason)
    assert found.message


def test_objects_are_reached_through_a_served_version() -> None:
    assert access_version(crd("v2", "v1", "v2")) == "v2"
    assert access_version(crd("v2", "v1", "-v2")) == "v1"
    assert access_version(crd("v2", "-v1", "-v2")) is None


PLANNED = crd("v2", "v1", "v2", stored=("v1", "v2"))
TRIMS = [
    (None, TrimVerdict.GONE, "CRDDeleted"),
    (PLANNED, TrimVerdict.TRIM, "Migrated"),
    (crd("v2", "v1", "v2", stored=("v2", "v1")), TrimVerdict.TRIM, "Migrated"),
    (crd("v2", "v1", "v2", stored=("v2",), generation=5), TrimVerdict.ALREADY, "Migrated"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), uid="other"), TrimVerdict.NO, "CRDReplaced"),
    (crd("v1", "v1", "v2", stored=("v1", "v2")), TrimVerdict.NO, "StorageVersionMoved"),
    (crd("v2", "v1", "v2", "v3", stored=("v1", "v2", "v3")), TrimVerdict.NO, "StoredVersionsChanged"),
    (crd("v2", "v1", "-v2", stored=("v1", "v2")), TrimVerdict.NO, "VersionNotServed"),
    (crd("v2", "v1", "v2", stored=("v1", "v2"), generation=3), TrimVerdict.AGAIN, "SpecChanged"),
]


@pytest.mark.parametrize(("fresh", "verdict", "reason"), TRIMS)
def test_trims(fresh: CRD | None, verdict: TrimVerdict, reason: str) -> None:
    assert may_trim(PLANNED, fresh)[:2] == (verdict, reason)


@given(
    storage=st.sampled_from(["v1", "v2", "v3"]),
    stored=st.sets(st.sampled_from(["v1", "v2", "v3"])),
    uid=st.sampled_from(["u", "w"]),
    generation=st.integers(1, 2),
)
def test_nothing_is_trimmed_unless_all_is_as_planned(storage: str, stored: set[str], uid: str, generation: int) -> None:
    fresh = crd(storage, "v1", "v2", "v3", stored=tuple(sorted(stored)), uid=uid, generation=generation)
    as_planned = (storage, stored, uid, generation) == ("v2", {"v1", "v2"}, "u", 1)
    assert (may_trim(PLANNED, fresh)[0] is TrimVerdict.TRIM) is as_planned


@given(
    first=st.floats(0.001, 5),
    most=st.floats(0.001, 20),
    budget=st.floats(0, 200),
    demands=st.lists(st.none() | st.floats(0, 60), min_size=60, max_size=60),
)
def test_the_schedule_never_exceeds_its_budget_nor_comes_back_too_soon(
    first: float, most: float, budget: float, demands: list[float | None]
) -> None:
    policy = RetryPolicy(first_wait=first, max_wait=most, max_seconds=budget)
    schedule = Schedule()
    elapsed = 0.0
    for demand in demands:
        wait = schedule.next_wait(policy, elapsed, demand)
        if wait is None:
            break
        assert wait >= (demand or 0)
        elapsed += wait
        assert elapsed <= budget


def test_waits_double_up_to_the_longest() -> None:
    policy = RetryPolicy(first_wait=1, max_wait=5, max_seconds=100, jitter=lambda wait: wait)
    schedule = Schedule()
    assert [schedule.next_wait(policy, 0) for _ in range(5)] == [1, 2, 4, 5, 5]


def test_tries_are_bounded_too() -> None:
    policy = RetryPolicy(max_tries=3)
    schedule = Schedule()
    assert [schedule.next_wait(policy, 0) is None for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("wrong", [{"max_tries": 0}, {"max_seconds": -1}, {"multiplier": 0.5}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"max_tries|negative"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("written_as", "version"),
    [
        ("example.com/v1", "v1"),  # where its managedFields are, the server has nothing to convert
        ("example.com/v2", "v2"),
        ("example.com/v0", "v2"),  # not served: as everything else
        ("example.com/v3", "v2"),  # its schema would let pass what the storage version's does not
        ("elsewhere.com/v1", "v2"),
        ("v1", "v2"),
        ("", "v2"),
    ],
)
def test_an_object_is_rewritten_through_the_version_that_it_was_written_in(written_as: str, version: str) -> None:
    versions = (Version("v0", served=False), Version("v1"), Version("v2", storage=True), Version("v3"))
    alike = ("v0", "v1", "v2")
    crd = CRD(name="w.example.com", group="example.com", plural="w", kind="W", versions=versions, alike=alike)
    assert rewrite_version(crd, written_as) == version


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


MOVED = "2026-11-24T10:00:00Z"
AT = 1795514400.0  # the same in seconds since the epoch


@pytest.mark.parametrize(
    ("changed", "settle", "server_now", "seen_for", "wait"),
    [
        (MOVED, 5, AT, 0, 5.0),  # only just; times are whole seconds, so that it may not even be one old
        (MOVED, 5, AT + 3, 0, 3.0),
        (MOVED, 5, AT + 6, 0, 0.0),
        (MOVED, 5, AT + 3, 4, 1.0),  # we have known it so for longer than the clocks tell
        (MOVED, 5, AT - 3600, 2, 3.0),  # stamped by a clock that is ahead: what we have seen bounds the wait
        (MOVED, 5, None, 0, 5.0),
        ("", 5, AT, 1, 4.0),
        ("soon", 5, AT, 0, 5.0),
        (MOVED, 0, AT, 0, 0.0),
    ],
)
def test_settling(changed: str, settle: float, server_now: float | None, seen_for: float, wait: float) -> None:
    assert settle_wait(changed, settle=settle, server_now=server_now, seen_for=seen_for) == pytest.approx(wait)


@pytest.mark.parametrize(
    ("version", "stamped", "proven"),
    [
        ("101", "2026-11-24T10:01:01Z", True),
        ("101", "2026-11-24T10:01:00Z", False),  # stamps are whole seconds: it may have been a moment less
        ("100", "2026-11-24T10:01:01Z", False),  # written before the CRD, by a clock that is ahead
        ("101", "2026-11-24T09:59:00Z", False),
        ("101", "", False),
        ("", "2026-11-24T10:01:01Z", False),
        ("101", "2026-11-24T12:01:01+02:00", False),  # none that an API server writes
        ("101", "tomorrow", False),
    ],
)
def test_what_a_list_proves(version: str, stamped: str, *, proven: bool) -> None:
    crd = msgspec.structs.replace(RESUMABLE, resource_version="100", stamped=MOVED)
    ref = ObjectRef("", "w", version, stamped)
    assert is_proven(ref, bound_of(crd, margin=60, settle=5)) is proven
    assert is_proven(ref, bound_of(crd, margin=5, settle=60)) is proven
    assert not is_proven(ref, bound_of(crd, margin=60, settle=61.5))
    assert not is_proven(ref, bound_of(msgspec.structs.replace(crd, stamped=""), margin=60, settle=5))


RESUMABLE = CRD(
    name="w.x",
    group="x",
    plural="w",
    kind="W",
    versions=(Version("v2", storage=True),),
    uid="u",
    generation=2,
    changed=MOVED,
)


@pytest.mark.parametrize(
    ("change", "cluster", "list_version", "resumed"),
    [
        ({}, "here", "150", True),
        ({}, "here", "100", True),
        ({}, "here", "99", False),  # the store has been put back to an older state
        ({}, "elsewhere", "150", False),
        ({"uid": "other"}, "here", "150", False),
        ({"generation": 3}, "here", "150", False),
        ({"changed": "2026-11-24T10:00:01Z"}, "here", "150", False),
        ({"versions": (Version("v3", storage=True),)}, "here", "150", False),
    ],
)
def test_a_record_is_ignored_when_anything_about_the_crd_has_changed(
    change: dict[str, Any], cluster: str, list_version: str, *, resumed: bool
) -> None:
    record = record_of(RESUMABLE, "here", "100")
    assert may_resume(record, msgspec.structs.replace(RESUMABLE, **change), cluster, list_version) is resumed


@pytest.mark.parametrize(
    ("one", "than", "newer"),
    [
        ("11", "9", True),
        ("9", "11", False),
        ("9", "9", False),
        ("", "9", False),
        ("11", "", False),
        ("0x9", "1", False),
    ],
)
def test_resource_versions_are_compared_as_integers(one: str, than: str, *, newer: bool) -> None:
    assert is_newer(one, than) is newer


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


def test_rights_become_the_fewest_rules() -> None:
    crd = CRD(name="w.x", group="x", plural="w", kind="W")
    assert [str(r) for r in rules_for(needed(crd))] == [
        "- {apiGroups: [x], resources: [w], verbs: [list, patch]}",
        "- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get]}",
        "- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions/status], verbs: [patch]}",
    ]


SELECTORS = [
    ("", {}, True),
    ("app=web", {"app": "web"}, True),
    ("app==web", {"app": "db"}, False),
    ("app!=web", {"app": "db"}, True),
    ("app!=web", {}, True),
    ("app in (web, db),tier", {"app": "db", "tier": "1"}, True),
    ("app in (web, db),tier", {"app": "db"}, False),
    ("app notin (web)", {"app": "web"}, False),
    ("app notin (web)", {}, True),
    ("!legacy", {}, True),
    ("!legacy", {"legacy": ""}, False),
    ("example.com/app=web", {"example.com/app": "web"}, True),
    ("app=", {"app": ""}, True),
]


@pytest.mark.parametrize(("text", "labels", "matches"), SELECTORS)
def test_selectors(text: str, labels: dict[str, str], matches: bool) -> None:  # noqa: FBT001
    assert parse_selector(text).matches(labels) is matches


@pytest.mark.parametrize("text", ["a b", "=web", "a in web", "a,,b", "a=b c", "a in (b d)", "-x=1"])
def test_selectors_that_do_not_parse(text: str) -> None:
    with pytest.raises(UsageError, match="label selector: cannot read"):
        parse_selector(text)
