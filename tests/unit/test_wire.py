"""What goes over the wire and what is made of the answers: the httpx transport against a mocked API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import chain, repeat
from typing import Any

import anyio
import httpx
import pytest
import respx

from asyncmigrate import Cluster, Decision, Outcome, Plan, Report, RetryPolicy, plan, run
from asyncmigrate.errors import (
    APIError,
    BadAnswerError,
    ConnectionLostError,
    ExpiredError,
    RequestTimeoutError,
    TransportError,
    UnauthorizedError,
    UnreachableError,
    WrongAddressError,
)
from asyncmigrate.events import CRDDecided, Event, RequestSent, Retrying

BASE = "https://api.example.test:6443"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NAME = "widgets.example.com"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
QUICK = RetryPolicy(first_wait=0.001, max_wait=0.002, max_seconds=0.3)
ONCE = RetryPolicy(max_tries=1)


def crd(stored: tuple[str, ...] = ("v1", "v2"), storage: str = "v2", **meta: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME, "uid": "u", "resourceVersion": "7", "generation": 2} | meta,
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [{"name": v, "served": True, "storage": v == storage} for v in ("v1", "v2")],
        },
        "status": {"storedVersions": stored},
    }


def page(*names: str, token: str = "", remaining: int | None = None) -> dict[str, Any]:
    meta: dict[str, Any] = {"resourceVersion": "9"} | ({"continue": token} if token else {})
    if remaining is not None:
        meta["remainingItemCount"] = remaining
    items = [{"metadata": {"namespace": "default", "name": n, "resourceVersion": "5"}} for n in names]
    return {"kind": "PartialObjectMetadataList", "metadata": meta, "items": items or None}


def rewritten(name: str, version: str = "6") -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "metadata": {"name": name, "resourceVersion": version}}


def review(*, allowed: bool) -> dict[str, Any]:
    return {"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed}}


def failure(code: int, reason: str, message: str = "no", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"kind": "Status", "code": code, "reason": reason, "message": message} | more


@pytest.fixture
async def api() -> AsyncIterator[respx.MockRouter]:
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        yield router


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with httpx.AsyncClient(base_url=BASE) as client, Cluster.from_httpx(client) as found:
        yield found


async def planned(cluster: Cluster, policy: RetryPolicy = QUICK) -> Plan:
    return await plan(cluster, names=[NAME], retry_policy=policy)


async def migrated(cluster: Cluster, policy: RetryPolicy = QUICK, observers: list[Any] | None = None) -> Report:
    made = await planned(cluster)
    return await run(cluster, made, settle=0, retry_policy=policy, webhook_policy=policy, observers=observers or [])


def usual(route: respx.Route) -> httpx.Response:
    """What a route answers when all goes well."""
    answer = route.return_value
    assert answer is not None
    return answer


def serve(api: respx.MockRouter, *names: str) -> dict[str, respx.Route]:
    """A stale CRD with objects, all going well."""
    return {
        "look": api.get(f"{CRD_PATH}/{NAME}", headers={"accept": METADATA}).respond(
            json=crd() | {"kind": "PartialObjectMetadata"}
        ),
        "crd": api.get(f"{CRD_PATH}/{NAME}").respond(json=crd()),
        "review": api.post(REVIEWS).respond(201, json=review(allowed=True)),
        "first": api.get("/apis/example.com/v2/widgets", params={"limit": "1"}).respond(json=page(*names[:1])),
        "list": api.get("/apis/example.com/v2/widgets").respond(json=page(*names)),
        "trim": api.patch(f"{CRD_PATH}/{NAME}/status").respond(json=crd(("v2",))),
        **{
            name: api.patch(f"/apis/example.com/v2/namespaces/default/widgets/{name}").respond(json=rewritten(name))
            for name in names
        },
        **{
            f"get {name}": api.get(f"/apis/example.com/v2/namespaces/default/widgets/{name}").respond(
                json=rewritten(name)
            )
            for name in names
        },
    }


async def test_a_rewrite_is_an_empty_merge_patch_that_asks_for_metadata_only(
    api: respx.MockRouter, cluster: Cluster
) -> None:
    routes = serve(api, "w-0")
    assert (await migrated(cluster)).ok
    listed, patched, trimmed = (routes[r].calls.last.request for r in ("list", "w-0", "trim"))
    assert listed.headers["accept"] == "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    assert dict(listed.url.params) == {"limit": "500"}
    assert patched.content == b"{}"
    assert patched.headers["content-type"] == "application/merge-patch+json"
    assert patched.headers["accept"] == "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    assert json.loads(trimmed.content) == {
        "metadata": {"uid": "u", "resourceVersion": "7"},
        "status": {"storedVersions": ["v2"]},
    }


async def test_a_list_without_a_resource_version_is_no_list(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0")
    made = await planned(cluster)
    empty: dict[str, Any] = {"kind": "PartialObjectMetadataList", "metadata": {}, "items": None}
    for route in ("first", "list"):
        routes[route].mock(return_value=httpx.Response(200, json=empty))
    [found] = (await run(cluster, made, settle=0, retry_policy=QUICK)).crds
    assert (found.outcome, found.reason) == (Outcome.FAILED, "ListFailed")
    assert not routes["trim"].called


async def test_names_are_percent_encoded(api: respx.MockRouter, cluster: Cluster) -> None:
    serve(api)
    api.get("/apis/example.com/v2/widgets").respond(json=page("a:b c"))
    odd = api.patch(url__regex=r".*/widgets/a%3Ab%20c$").respond(json=rewritten("a:b c"))
    assert (await migrated(cluster)).ok
    assert odd.call_count == 1


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("where", ["crd", "list", "w-0", "trim"])
async def test_transient_answers_are_tried_again_and_counted(
    api: respx.MockRouter, cluster: Cluster, where: str, code: int
) -> None:
    routes = serve(api, "w-0")
    good = usual(routes[where])
    routes[where].side_effect = chain([httpx.Response(code, text="busy")] * 2, repeat(good))
    events: list[Event] = []
    made = await plan(cluster, names=[NAME], retry_policy=QUICK, observers=[events.append])
    report = await run(cluster, made, settle=0, retry_policy=QUICK, observers=[events.append])
    assert report.crds[0].outcome is Outcome.MIGRATED
    assert made.retries + report.retries == 2
    # Where the trim meets what may be an outage, all is listed again, and another trim begins.
    again = where == "trim" and code != 429
    assert [e.attempt for e in events if isinstance(e, Retrying)] == ([1, 1] if again else [1, 2])
    assert [e.status for e in events if isinstance(e, RequestSent)].count(code) == 2


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), httpx.RemoteProtocolError("Server disconnected")])
async def test_a_lost_connection_is_tried_again(
    api: respx.MockRouter, cluster: Cluster, error: httpx.TransportError
) -> None:
    routes = serve(api, "w-0")
    routes["w-0"].side_effect = chain([error], repeat(usual(routes["w-0"])))
    report = await migrated(cluster)
    assert (report.crds[0].outcome, report.retries) == (Outcome.MIGRATED, 1)
    # A backup may have been put back meanwhile: all is listed again before the trim.
    assert routes["list"].call_count == 2


@pytest.mark.parametrize(("code", "reason"), [(400, "BadRequest"), (403, "Forbidden"), (422, "Invalid"), (501, "")])
async def test_other_answers_fail_that_object_at_once_and_the_crd_is_not_trimmed(
    api: respx.MockRouter, cluster: Cluster, code: int, reason: str
) -> None:
    routes = serve(api, "w-0", "w-1", "w-2")
    routes["w-1"].respond(code, json=failure(code, reason, "says the webhook"))
    report = await migrated(cluster)
    [found] = report.crds
    assert (found.outcome, found.reason, found.trimmed) == (Outcome.INCOMPLETE, "ObjectsFailed", False)
    assert (found.objects.rewritten, found.objects.failed) == (2, 1)
    [failed] = found.failures
    assert (failed.namespace, failed.name, failed.code, failed.attempts) == ("default", "w-1", code, 1)
    assert failed.message == "says the webhook"
    assert routes["w-1"].call_count == 1
    assert not routes["trim"].called


async def test_a_conflict_on_a_rewrite_is_tried_again(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0")
    routes["w-0"].side_effect = [httpx.Response(409, json=failure(409, "Conflict")), usual(routes["w-0"])]
    assert (await migrated(cluster)).retries == 1


GONE = {"name": "w-0", "kind": "widgets", "group": "example.com"}


async def test_an_object_is_gone_only_if_a_get_says_so_of_this_object(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0")
    missing = httpx.Response(404, json=failure(404, "NotFound", details=GONE))
    routes["w-0"].mock(return_value=missing)
    routes["get w-0"].mock(return_value=missing)
    report = await migrated(cluster)
    assert (report.crds[0].outcome, report.crds[0].objects.gone) == (Outcome.MIGRATED, 1)
    assert routes["trim"].call_count == 1


@pytest.mark.parametrize("details", [GONE, GONE | {"kind": "secrets", "group": ""}, {}])
async def test_a_404_to_a_write_fails_the_object_that_a_get_finds(
    api: respx.MockRouter, cluster: Cluster, details: dict[str, str]
) -> None:
    """Admission may answer a write with any Status."""
    routes = serve(api, "w-0", "w-1")
    routes["w-0"].respond(404, json=failure(404, "NotFound", 'secrets "w-0" not found', details=details))
    [found] = (await migrated(cluster)).crds
    assert (found.outcome, found.objects.rewritten, found.objects.gone) == (Outcome.INCOMPLETE, 1, 0)
    assert [(f.name, f.code, f.message) for f in found.failures] == [("w-0", 404, 'secrets "w-0" not found')]
    assert routes["w-0"].call_count == 2  # it may have been made anew between the two answers
    assert not routes["trim"].called


async def test_an_object_that_was_made_anew_is_rewritten(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0")
    missing = httpx.Response(404, json=failure(404, "NotFound", details=GONE))
    routes["w-0"].side_effect = [missing, usual(routes["w-0"])]
    [found] = (await migrated(cluster)).crds
    assert (found.outcome, found.objects.rewritten) == (Outcome.MIGRATED, 1)


async def test_a_404_that_names_nothing_means_that_the_version_is_not_served(
    api: respx.MockRouter, cluster: Cluster
) -> None:
    routes = serve(api, "w-0")
    routes["w-0"].respond(404, text="404 page not found")
    routes["get w-0"].respond(404, text="404 page not found")
    [found] = (await migrated(cluster)).crds
    assert (found.outcome, found.reason, found.objects.gone) == (Outcome.FAILED, "NotServed", 0)
    assert not routes["trim"].called


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 422, 429, 500, 503])
async def test_a_denial_fails_that_object_at_once_whatever_its_code(
    api: respx.MockRouter, cluster: Cluster, code: int
) -> None:
    routes = serve(api, *(f"w-{n}" for n in range(6)))
    words = 'admission webhook "policy.example.com" denied the request: no'
    routes["w-1"].respond(code, json=failure(code, "", words), headers={"Retry-After": "1"})
    report = await migrated(cluster)
    [found] = report.crds
    assert (found.outcome, found.reason, report.retries) == (Outcome.INCOMPLETE, "ObjectsFailed", 0)
    assert (found.objects.rewritten, found.objects.failed) == (5, 1)
    assert [(f.name, f.code, f.message, f.attempts) for f in found.failures] == [("w-1", code, words, 1)]


async def test_an_object_that_etcd_does_not_take_fails_at_once(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0", "w-1")
    words = "etcdserver: request is too large"
    routes["w-1"].respond(500, json=failure(500, "", words))
    report = await migrated(cluster)
    [found] = report.crds
    assert (found.outcome, found.reason, report.retries) == (Outcome.INCOMPLETE, "ObjectsFailed", 0)
    assert [(f.name, f.code, f.message, f.attempts) for f in found.failures] == [("w-1", 500, words, 1)]


async def test_a_404_of_an_api_server_that_names_no_crd_fails_that_crd(api: respx.MockRouter, cluster: Cluster) -> None:
    serve(api, "w-0")["crd"].respond(404, json=failure(404, "NotFound"))
    [found] = (await planned(cluster)).crds
    assert (found.decision, found.reason, found.refused) == (Decision.FAILED, "WrongAddress", True)


HTML = {"Content-Type": "text/html; charset=utf-8"}
LOGIN = "https://login.example.test/?rd=secret"
# What stands at a wrong address may answer: code, headers, body, and what is said of it.
ELSEWHERE: list[tuple[int, dict[str, str], str, str]] = [
    (404, {}, "404 page not found", "answers 404 and names no CRD (404 page not found)"),
    (404, {}, "<html>not here</html>", "answers 404 with a page of HTML (not here)"),
    (200, HTML, "<!DOCTYPE html><title>Sign in</title>", "answers 200 with a page of HTML (Sign in)"),
    (200, {}, "\n <html><style>a {}</style>Sign in", "answers 200 with a page of HTML (Sign in)"),
    (405, HTML, "<html>no", "answers 405 with a page of HTML (no)"),
    (302, {"Location": LOGIN}, "", "answers 302 with a redirect to https://login.example.test/"),
    (307, HTML, "<html>", "answers 307 with a redirect to nowhere"),
    (308, {"Location": "/login"}, "", "answers 308 with a redirect to /login"),
    (302, {"Location": "http://user:secret@sso/"}, "", "answers 302 with a redirect to http://sso/, which"),
    (
        302,
        {"Location": "http://user:secret@sso/#secret?secret"},
        "",
        "answers 302 with a redirect to http://sso/, which",
    ),
    (302, {"Location": "//user:secret@sso/"}, "", "answers 302 with a redirect to //sso/, which"),
    (308, {"Location": "/login?secret"}, "", "answers 308 with a redirect to /login, which"),
    (200, HTML, "go to http://user:secret@sso/", "answers 200 with a page of HTML (go to http://sso/)"),
    (200, {}, '{"hello": "world"}', "answers 200 with something else than Kubernetes' JSON"),
    (200, {}, "ok", "answers 200 with something else than Kubernetes' JSON (ok)"),
    (
        400,
        {},
        "Client sent an HTTP request to an HTTPS server.",
        "answers 400 with something else than Kubernetes' JSON",
    ),
    (204, {}, "", "answers 204 with something else than Kubernetes' JSON (nothing)"),
]


@pytest.mark.parametrize("answer", ELSEWHERE)
async def test_what_answers_at_a_wrong_address_is_named_at_once(
    api: respx.MockRouter, cluster: Cluster, answer: tuple[int, dict[str, str], str, str]
) -> None:
    code, headers, text, words = answer
    route = api.route().respond(code, text=text, headers=headers)
    for names, path in (([NAME], f"{CRD_PATH}/{NAME}"), ((), CRD_PATH)):
        with pytest.raises(WrongAddressError) as caught:
            await plan(cluster, names=names)
        assert str(caught.value).startswith(f"{BASE}{path} {words}")
        assert str(caught.value).endswith("check the server address and its path")
        assert "secret" not in str(caught.value)
    assert route.call_count == 2


@pytest.mark.parametrize("code", [503, 502, 429])
async def test_a_page_of_html_with_an_error_of_the_server_is_waited_for(
    api: respx.MockRouter, cluster: Cluster, code: int
) -> None:
    """What stands in front of a server that is restarted has a page of its own."""
    good = usual(serve(api, "w-0")["crd"])
    page = httpx.Response(code, headers=HTML, text="<html>try again</html>")
    api.get(f"{CRD_PATH}/{NAME}").mock(side_effect=chain([page, page], repeat(good)))
    assert (await planned(cluster)).crds[0].decision is Decision.STALE


async def test_a_redirect_in_the_middle_of_a_run_is_tried_again(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0")
    good = usual(routes["w-0"])
    routes["w-0"].mock(side_effect=chain([httpx.Response(302, headers={"Location": LOGIN})], repeat(good)))
    report = await migrated(cluster)
    assert (report.ok, report.retries) == (True, 1)


async def test_a_list_of_crds_that_is_not_found_is_a_wrong_address(api: respx.MockRouter, cluster: Cluster) -> None:
    api.get(CRD_PATH).respond(404, text="404 page not found")
    with pytest.raises(WrongAddressError, match="404 page not found"):
        await plan(cluster, retry_policy=QUICK)


async def test_a_plain_404_at_the_last_look_is_no_deleted_crd(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0")
    made = await planned(cluster)
    routes["crd"].respond(404, text="404 page not found")
    [found] = (await run(cluster, made, settle=0, retry_policy=QUICK)).crds
    assert (found.outcome, found.reason, found.refused) == (Outcome.FAILED, "LookupFailed", True)
    assert not routes["trim"].called


async def test_retry_after_in_seconds_is_obeyed(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0")
    busy = httpx.Response(429, text="Too many requests, please try again later.", headers={"Retry-After": "1"})
    routes["w-0"].side_effect = chain([busy], repeat(usual(routes["w-0"])))
    waits: list[float] = []

    def note(event: Event) -> None:
        if isinstance(event, Retrying):
            waits.append(event.wait)

    began = anyio.current_time()
    report = await migrated(cluster, RetryPolicy(first_wait=0.001, max_seconds=5), [note])
    assert report.ok
    assert waits == [1.0]
    assert anyio.current_time() - began >= 1


async def test_retry_after_as_a_date_is_obeyed(api: respx.MockRouter, cluster: Cluster) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    api.get(f"{CRD_PATH}/{NAME}").respond(503, text="", headers={"Retry-After": later})
    made = await planned(cluster)  # 90 s do not fit into the budget, so it is over at once
    assert (made.crds[0].decision, made.crds[0].reason) == (Decision.FAILED, "ServiceUnavailable")
    assert made.requests == 1


async def test_a_failing_page_is_asked_for_in_smaller_pieces(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0")
    routes["list"].side_effect = chain([httpx.Response(500)] * 2, repeat(usual(routes["list"])))
    assert (await migrated(cluster)).ok
    # The last is of another list, after what may have been an outage.
    assert [c.request.url.params["limit"] for c in routes["list"].calls] == ["500", "125", "31", "500"]


async def test_nothing_getting_through_ends_the_crd_and_not_each_object_by_itself(
    api: respx.MockRouter, cluster: Cluster
) -> None:
    names = [f"w-{n}" for n in range(200)]
    routes = serve(api, *names)
    for name in names:
        routes[name].respond(503, text="down")
    report = await migrated(cluster)
    [found] = report.crds
    assert (found.outcome, found.reason) == (Outcome.FAILED, "NothingGetsThrough")
    assert 0 < found.objects.failed < 200


async def test_401_ends_the_plan_and_later_the_crd(api: respx.MockRouter, cluster: Cluster) -> None:
    routes = serve(api, "w-0", "w-1")
    made = await planned(cluster)
    for route in routes.values():
        route.respond(401, json=failure(401, "Unauthorized", "Unauthorized"))
    with pytest.raises(UnauthorizedError, match="401 Unauthorized"):
        await planned(cluster)
    report = await run(cluster, made, settle=0)
    assert (report.crds[0].outcome, report.crds[0].refused) == (Outcome.FAILED, True)


async def test_a_crd_that_is_stopped_while_its_next_page_is_waited_for_ends_too(
    api: respx.MockRouter, cluster: Cluster
) -> None:
    routes = serve(api, "w-0")
    made = await planned(cluster)
    first = httpx.Response(200, json=page("w-0", token="next", remaining=1))
    routes["list"].side_effect = [first, *[httpx.Response(503)] * 50]
    routes["w-0"].respond(401, json=failure(401, "Unauthorized", "Unauthorized"))
    slow = RetryPolicy(first_wait=0.1, max_seconds=60)
    with anyio.fail_after(20):
        report = await run(cluster, made, settle=0, retry_policy=slow)
    assert (report.crds[0].outcome, report.crds[0].reason) == (Outcome.FAILED, "Unauthorized")


EXPIRED = failure(410, "Expired", metadata={"continue": "on"})


def live(name: str) -> dict[str, Any]:
    return crd(("v2",), name=f"{name}.example.com", uid=name)


def crd_page(*names: str, token: str = "") -> dict[str, Any]:
    meta = {"resourceVersion": "9"} | ({"continue": token} if token else {})
    return {"kind": "CustomResourceDefinitionList", "metadata": meta, "items": [live(n) for n in names]}


@pytest.mark.parametrize("body", [EXPIRED, failure(410, "Expired")])
async def test_a_list_of_crds_that_expires_without_end_is_given_up(
    api: respx.MockRouter, cluster: Cluster, body: dict[str, Any]
) -> None:
    route = api.get(CRD_PATH).respond(410, json=body)
    with anyio.fail_after(5), pytest.raises(ExpiredError):
        await plan(cluster, retry_policy=QUICK)
    assert route.call_count <= 11


async def test_a_list_of_crds_that_begins_anew_decides_about_each_once(api: respx.MockRouter, cluster: Cluster) -> None:
    route = api.get(CRD_PATH)
    pages = [crd_page("a", "b", token="on"), failure(410, "Expired"), crd_page("a", "b", token="on"), crd_page("c")]
    route.side_effect = [httpx.Response(410 if "code" in p else 200, json=p) for p in pages]
    events: list[Event] = []
    made = await plan(cluster, retry_policy=QUICK, observers=[events.append])
    assert [c.name for c in made.crds] == ["a.example.com", "b.example.com", "c.example.com"]
    assert sum(isinstance(e, CRDDecided) for e in events) == 3
    assert [dict(c.request.url.params) for c in route.calls] == [
        {"limit": "50"}, {"limit": "50", "continue": "on"}, {"limit": "50"}, {"limit": "50", "continue": "on"}
    ]  # fmt: skip


async def test_a_count_of_lost_fields_whose_list_expires_without_end_is_given_up(
    api: respx.MockRouter, cluster: Cluster
) -> None:
    pruning = crd()
    for version, fields in zip(pruning["spec"]["versions"], ({"legacy": {"type": "string"}}, {}), strict=True):
        version["schema"] = {"openAPIV3Schema": {"type": "object", "properties": fields}}
    routes = serve(api, "w-0")
    routes["crd"].respond(json=pruning)
    api.get("/version").respond(json={"major": "1", "minor": "37"})
    old = api.get("/apis/example.com/v1/widgets").respond(410, json=EXPIRED)
    made = await planned(cluster)
    with anyio.fail_after(5):
        [found] = (await run(cluster, made, settle=0, dry_run=True, retry_policy=QUICK)).crds
    assert (found.outcome, found.reason) == (Outcome.FAILED, "ReadFailed")
    assert old.call_count == 11


# What a proxy in front, or something that is no API server at all, may answer.
ODD = [
    b"",
    b"<html><body>Welcome</body></html>",
    b'{"kind":"PartialObjectMetadataList","metadata":{},"items":[{"metadata":{"na',
    b'{"kind":"Status","status":"Success","metadata":{}}',
    b'{"kind":"PodList","metadata":{},"items":[]}',
    b'{"kind":"CustomResourceDefinition"}',
    b"[]",
    b"null",
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", ODD)
async def test_what_no_api_server_answers_is_an_error_and_never_a_trim(
    api: respx.MockRouter, cluster: Cluster, body: bytes
) -> None:
    routes = serve(api, "w-0")
    made = await planned(cluster)
    for where in ("list", "w-0", "crd"):
        good = usual(routes[where])
        routes[where].mock(return_value=httpx.Response(200, content=body))
        report = await run(cluster, made, settle=0, retry_policy=ONCE)
        assert report.crds[0].outcome in {Outcome.FAILED, Outcome.INCOMPLETE}
        routes[where].mock(return_value=good)
    assert not routes["trim"].called
    routes["crd"].mock(return_value=httpx.Response(200, content=body))
    try:
        assert (await planned(cluster, ONCE)).crds[0].decision is Decision.FAILED
    except WrongAddressError:  # where not even this looks like an API server's
        assert not body.startswith(b'{"kind"')
    api.get(CRD_PATH).mock(return_value=httpx.Response(200, content=body))
    with pytest.raises(BadAnswerError):
        await plan(cluster, retry_policy=ONCE)


class Trickle(httpx.AsyncByteStream):
    """A body that never ends, each byte of it soon after the last."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await anyio.sleep(0.01)


async def test_a_request_ends_in_time_though_its_answer_trickles_in(api: respx.MockRouter) -> None:
    api.get(CRD_PATH).mock(return_value=httpx.Response(200, stream=Trickle()))
    async with httpx.AsyncClient(base_url=BASE) as client, Cluster.from_httpx(client, request_timeout=0.2) as cluster:
        with anyio.fail_after(5), pytest.raises(RequestTimeoutError, match=r"no answer within 0\.2 s"):
            await plan(cluster, retry_policy=ONCE)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx.ConnectError("refused"), UnreachableError),
        (httpx.ConnectTimeout("slow"), UnreachableError),
        (httpx.ReadTimeout("slow"), RequestTimeoutError),
        (httpx.ReadError("reset"), ConnectionLostError),
        (httpx.RemoteProtocolError("illegal status line"), BadAnswerError),
    ],
)
async def test_errors_of_httpx_become_ours(
    api: respx.MockRouter, cluster: Cluster, raised: httpx.TransportError, expected: type[TransportError]
) -> None:
    api.get(CRD_PATH).mock(side_effect=raised)
    with pytest.raises(expected) as caught:
        await plan(cluster, retry_policy=ONCE)
    assert BASE in str(caught.value)
    assert caught.value.__cause__ is raised


async def test_a_redirect_to_no_url_shows_no_piece_of_a_password(api: respx.MockRouter, cluster: Cluster) -> None:
    api.get(CRD_PATH).respond(302, headers={"Location": "http://user:hun/ter2@sso/"})
    with pytest.raises(BadAnswerError) as caught:
        await plan(cluster, retry_policy=ONCE)
    assert str(caught.value).endswith("the answer is not HTTP: a redirect to no URL")


async def test_an_error_keeps_kubernetes_status(api: respx.MockRouter, cluster: Cluster) -> None:
    body = failure(403, "Forbidden", "customresourcedefinitions is forbidden:\n  User", details={"kind": "x"})
    api.get(CRD_PATH).respond(403, json=body)
    with pytest.raises(APIError) as caught:
        await plan(cluster)
    status = caught.value.status
    assert (status.code, status.reason, status.details_kind) == (403, "Forbidden", "x")
    said, rule = str(caught.value).split("; ")
    assert said == "cannot list CRDs: 403 Forbidden: customresourcedefinitions is forbidden: User"
    assert rule.endswith("{apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [list]}")
