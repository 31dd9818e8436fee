"""The rules, as tables and as properties."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmigrate import CRD, Decision, RetryPolicy, Version, is_transient
from asyncmigrate._model import Page, Status
from asyncmigrate._rules.classify import Action, Operation, classify, is_webhook_down
from asyncmigrate._rules.pages import Frontier
from asyncmigrate._rules.plan import access_version, decide
from asyncmigrate._rules.schedule import Schedule
from asyncmigrate._rules.selector import parse_selector
from asyncmigrate._rules.trim import TrimVerdict, may_trim
from asyncmigrate._rules.window import Window
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


def test_a_failing_page_shrinks_and_grows_back() -> None:
    frontier = Frontier(("v1",))
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
    frontier = Frontier(("v1",))
    assert list(itertools.takewhile(bool, (frontier.expired(expired) for _ in range(99)))) == [True] * 3
    resumable = Status(code=410, reason="Expired", message="", continue_token="again")
    frontier = Frontier(("v1",))
    assert all(frontier.expired(resumable) for _ in range(99))


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
