"""What errors are, and what is done about them."""

from __future__ import annotations

import pytest

from asyncmigrate import is_transient
from asyncmigrate._model import Status
from asyncmigrate._rules.errors.causes import is_about, is_denial
from asyncmigrate._rules.errors.classify import (
    Action,
    Health,
    Operation,
    classify,
    health_of,
    is_outage,
    is_refusal,
    is_webhook_down,
)
from asyncmigrate.errors import (
    BadAnswerError,
    ConfigError,
    ConnectionLostError,
    MigrateError,
    RequestTimeoutError,
    TLSError,
    UnreachableError,
    WrongAddressError,
)
from tests.unit.rules.cases import api

LOOK_UP, LIST, REWRITE, LOOK_AT, TRIM = Operation
NEW, GONE, LOOK, RETRY, ISOLATE, RESUME, RECHECK, FAIL = Action


DENIED = 'admission webhook "w.example.com" denied the request: secrets "w" not found'

# What apiserver's isTooLargeError looks for, as the server says it to its clients.
TOO_LARGE = (
    "etcdserver: request is too large",
    "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2200000 vs. 2097152)",
)
RECEIVED = "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)"

# design.md's table, row by row: what the operations make of each answer.
TABLE: list[tuple[MigrateError, tuple[Action, ...]]] = [
    (api(404), (NEW, GONE, LOOK, GONE, RECHECK)),
    (api(409), (FAIL, FAIL, RETRY, FAIL, RECHECK)),
    (api(410), (FAIL, RESUME, FAIL, FAIL, FAIL)),
    *((api(code), (RETRY,) * 5) for code in (408, 425, 429, 500, 502, 503, 504)),
    *((api(code), (FAIL,) * 5) for code in (400, 401, 403, 405, 413, 415, 422, 501)),
    (ConnectionLostError("x"), (RETRY,) * 5),
    (RequestTimeoutError("x"), (RETRY,) * 5),
    (BadAnswerError("x"), (RETRY,) * 5),
    (UnreachableError("x"), (RETRY,) * 5),
    (WrongAddressError("x"), (RETRY,) * 5),
    (TLSError("x"), (FAIL,) * 5),
    *((api(500, message=words), (FAIL,) * 5) for words in TOO_LARGE),
    *((api(code, message=DENIED), (FAIL,) * 5) for code in (400, 401, 403, 404, 409, 410, 422, 429, 500, 503)),
    (ConfigError("x"), (FAIL,) * 5),
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
    mesh = 'conversion webhook for v1 failed: an error on the server ("no healthy upstream") has prevented the request'
    assert is_webhook_down(api(500, "InternalError", mesh))
    assert not is_webhook_down(api(403, "Forbidden", "admission webhook denied"))


@pytest.mark.parametrize(
    ("message", "denied"),
    [
        (DENIED, True),
        ('admission webhook "w.example.com" denied the request without explanation', True),
        (
            "widgets.example.com \"w\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            True,
        ),
        ("ValidatingAdmissionPolicy 'p' denied request: no", True),
        ('failed calling webhook "w.example.com": the server denied the request', False),
        ("the server has asked for the client to provide credentials", False),
        ("Unauthorized", False),
        ("", False),
    ],
)
def test_a_denial_is_told_by_the_servers_own_words(message: str, *, denied: bool) -> None:
    assert is_denial(message) is denied


@pytest.mark.parametrize("error", [*(api(500, message=w) for w in TOO_LARGE), api(413, "RequestEntityTooLarge")])
def test_an_object_that_is_too_large_says_nothing_of_the_server(error: MigrateError) -> None:
    assert health_of(error) is Health.GOOD
    assert not is_outage(error)
    assert not is_refusal(error)


def test_a_list_that_is_too_large_gets_through_in_smaller_pages() -> None:
    assert classify(LIST, api(500, message=RECEIVED)) is RETRY


@pytest.mark.parametrize(
    "words",
    [
        'admission webhook "w.example.com" denied the request without explanation',  # no Status in the response
        'admission webhook "w.example.com" denied the request: Conflict',  # a reason, but no message
        'admission webhook "w.example.com" denied the request: Operation cannot be fulfilled on widgets "w"',
    ],
)
@pytest.mark.parametrize("code", [409, 429, 500])
def test_a_denial_in_any_of_the_servers_forms_is_not_tried_again(code: int, words: str) -> None:
    assert [classify(o, api(code, message=words)) for o in Operation] == [FAIL] * 5


@pytest.mark.parametrize("code", [401, 404, 409, 429, 500])
def test_a_denial_says_nothing_of_the_server_or_of_our_credentials(code: int) -> None:
    error = api(code, message=DENIED)
    assert health_of(error) is Health.GOOD
    assert not is_outage(error)
    assert not is_refusal(error)


def test_a_status_is_about_an_object_only_if_group_resource_and_name_are_its_own() -> None:
    status = Status(
        code=404, reason="NotFound", message="", details_group="g", details_kind="widgets", details_name="w"
    )
    assert is_about(status, "g", "widgets", "w")
    for other in (("", "secrets", "w"), ("g", "widgets", "v"), ("h", "widgets", "w")):
        assert not is_about(status, *other)
    assert not is_about(Status(code=404, reason="NotFound", message=""), "g", "widgets", "w")
