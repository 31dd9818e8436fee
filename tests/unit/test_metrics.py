"""The metrics: their names and types, what they count, and that Prometheus' own parsers take them."""

from __future__ import annotations

import math
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from asyncmigrate import CRDReport, Decision, Outcome
from asyncmigrate._observers.measures import METRICS, RESULTS, Measures
from asyncmigrate._observers.metrics import Metrics, last_success_in
from asyncmigrate._observers.metrics_server import MetricsServer
from asyncmigrate._observers.verbs import verb_of
from asyncmigrate._results.fleet import ClusterResult, FleetReport
from asyncmigrate.events import (
    CRDDecided,
    CRDFinished,
    CRDRelisted,
    CRDStarted,
    Event,
    FleetFinished,
    ObjectFailed,
    ObjectSettled,
    PageListed,
    RequestSent,
    Retrying,
    RunFinished,
    Settled,
)
from tests.unit.test_report import failure_of, planned, report_of, reported

NAME = "widgets.example.com"


@pytest.mark.parametrize(
    ("method", "target", "verb"),
    [
        ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?limit=50", "list"),
        ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com", "get"),
        ("GET", "/apis/example.com/v1/widgets?limit=500&continue=x%2Fy", "list"),
        ("GET", "/apis/example.com/v1/namespaces/default/widgets", "list"),
        ("GET", "/apis/example.com/v1/namespaces/default/widgets/w-1", "get"),
        ("GET", "/apis/example.com/v1/namespaces/default/widgets/w-1/status", "get"),
        ("GET", "/apis/example.com/v1/clusterwidgets/namespaces", "get"),
        ("GET", "/api/v1/namespaces", "list"),
        ("GET", "/api/v1/namespaces/kube-system", "get"),
        ("GET", "/api/v1/namespaces/kube-system/configmaps", "list"),
        ("GET", "/version", "get"),
        ("GET", "/apis", "get"),
        ("GET", "/apis/example.com/v1", "get"),
        ("PATCH", "/apis/example.com/v1/namespaces/default/widgets/w-1?dryRun=All", "patch"),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "create"),
        ("PUT", "/api/v1/namespaces/x/configmaps/y", "update"),
        ("DELETE", "/api/v1/namespaces/x/configmaps/y", "delete"),
        ("BREW", "/pot", "other"),
    ],
)
def test_the_verb_is_kubernetes(method: str, target: str, verb: str) -> None:
    assert verb_of(method, target) == verb


def stale(name: str = NAME) -> CRDDecided:
    return CRDDecided(planned(Decision.STALE, name))


def ended(outcome: Outcome) -> CRDReport:
    return reported(outcome, planned(Decision.STALE, NAME))


def played(*events: Event, metrics: Metrics | None = None) -> Metrics:
    metrics = metrics or Metrics()
    watch = metrics.add(lambda: 3)
    for event in events:
        watch(event)
    return metrics


def values(metrics: Metrics) -> dict[str, float]:
    """Each sample as it is written, but for the histogram's."""
    lines = [line for line in metrics.text().decode().splitlines() if line[0] != "#" and "_seconds_" not in line]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


EVERYTHING = (
    RequestSent("GET", "/version", 200, 0.0051),
    RequestSent("PATCH", "/apis/example.com/v1/namespaces/x/widgets/w", 0, 61.0),
    stale(),
    Retrying("get", 1, 0.5, "503", cause="server_error"),
    CRDStarted(NAME, "v1"),
    PageListed(NAME, 3, 2),
    ObjectSettled(NAME, "x", "w-0", Settled.REWRITTEN),
    ObjectFailed(NAME, failure_of("w-1")),
)


def families(metrics: Metrics) -> list[list[Metric]]:
    """As each of the two parsers reads them."""
    plain = list(text_string_to_metric_families(metrics.text().decode()))
    return [plain, list(openmetrics_families(openmetrics.generate_latest(metrics.registry).decode()))]


def test_both_parsers_read_just_the_names_types_and_labels_that_are_documented() -> None:
    metrics = played(*EVERYTHING, RunFinished(report_of(ended(Outcome.MIGRATED))))
    for found in families(metrics):
        assert [(f.name, f.type) for f in found] == [(m.name.removesuffix("_total"), m.kind) for m in METRICS]
        for family, metric in zip(found, METRICS, strict=True):
            assert family.documentation == metric.help
            labels = {frozenset(s.labels) - {"le"} for s in family.samples}
            assert labels == {frozenset(metric.labels)}, metric.name


def test_names_end_as_prometheus_names_do() -> None:
    for metric in METRICS:
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert metric.name.startswith("asyncmigrate_")
        assert not metric.name.endswith(("_count", "_sum", "_bucket", "_milliseconds"))


def test_what_happens_is_counted() -> None:
    found = values(played(*EVERYTHING))
    assert found[f'asyncmigrate_objects_total{{resource="{NAME}",result="rewritten"}}'] == 1
    assert found[f'asyncmigrate_objects_total{{resource="{NAME}",result="failed"}}'] == 1
    assert found[f'asyncmigrate_objects_total{{resource="{NAME}",result="gone"}}'] == 0  # there from the beginning
    assert found[f'asyncmigrate_objects_remaining{{resource="{NAME}"}}'] == 3
    assert found['asyncmigrate_crds{decision="stale"}'] == 1
    assert found['asyncmigrate_crds{decision="blocked"}'] == 0
    assert found['asyncmigrate_requests_total{code="0",verb="patch"}'] == 1
    assert found['asyncmigrate_retries_total{reason="server_error"}'] == 1
    assert found["asyncmigrate_in_flight"] == 3


def test_the_histogram_counts_each_request_in_its_bucket() -> None:
    metrics = played(*(RequestSent("GET", "/", 200, s) for s in (0.001, 0.005, 0.3, 61.0)))
    text = metrics.text().decode()
    for edge, count in (("0.005", 2), ("0.25", 2), ("0.5", 3), ("60.0", 3), ("+Inf", 4)):
        assert f'_bucket{{le="{edge}"}} {count}.0\n' in text
    assert "asyncmigrate_request_duration_seconds_count 4.0\n" in text


def test_a_list_that_begins_again_is_counted_from_nothing_and_as_large_as_before() -> None:
    begun = (*EVERYTHING, CRDRelisted(NAME, "changed"))
    found = values(played(*begun))
    assert [found[f'asyncmigrate_objects_total{{resource="{NAME}",result="{r}"}}'] for r in RESULTS] == [0] * 5
    assert found[f'asyncmigrate_objects_remaining{{resource="{NAME}"}}'] == 5
    again = [ObjectSettled(NAME, "x", f"w-{n}", Settled.UNCHANGED) for n in range(4)]
    found = values(played(*begun, PageListed(NAME, 4, None), *again))
    assert found[f'asyncmigrate_objects_total{{resource="{NAME}",result="unchanged"}}'] == 4
    assert found[f'asyncmigrate_objects_remaining{{resource="{NAME}"}}'] == 0


def test_a_crd_that_is_deleted_in_mid_run_leaves_nothing_to_do() -> None:
    found = values(played(*EVERYTHING, CRDFinished(ended(Outcome.SKIPPED))))
    assert found[f'asyncmigrate_objects_remaining{{resource="{NAME}"}}'] == 0
    found = values(played(*EVERYTHING, CRDFinished(ended(Outcome.INCOMPLETE))))
    assert found[f'asyncmigrate_objects_remaining{{resource="{NAME}"}}'] == 3


def test_the_clusters_of_a_fleet_add_up_and_one_that_begins_again_takes_nothing_from_another() -> None:
    metrics = played(*EVERYTHING)
    played(*EVERYTHING, CRDRelisted(NAME, "changed"), metrics=metrics)
    found = values(metrics)
    assert found[f'asyncmigrate_objects_total{{resource="{NAME}",result="rewritten"}}'] == 1
    assert found[f'asyncmigrate_objects_remaining{{resource="{NAME}"}}'] == 3 + 5
    assert found['asyncmigrate_crds{decision="stale"}'] == 2
    assert found["asyncmigrate_in_flight"] == 6


LAST = "asyncmigrate_last_success_timestamp_seconds"


@pytest.mark.parametrize(
    ("outcome", "how", "counts"),
    [
        (Outcome.MIGRATED, {}, True),
        (Outcome.SKIPPED, {}, True),
        (Outcome.FAILED, {}, False),
        (Outcome.INCOMPLETE, {}, False),
        (Outcome.MIGRATED, {"dry_run": True}, False),
        (Outcome.MIGRATED, {"interrupted": True}, False),
    ],
)
def test_only_a_run_that_left_nothing_is_a_success(outcome: Outcome, how: dict[str, bool], *, counts: bool) -> None:
    report = msgspec.structs.replace(report_of(ended(outcome)), **how)
    found = values(played(RunFinished(report, time=1234.5)))
    assert found.get(LAST) == (1234.5 if counts else None)
    kept = Metrics(last_success=1000.0)
    assert values(played(RunFinished(report, time=1234.5), metrics=kept))[LAST] == (1234.5 if counts else 1000.0)


@pytest.mark.parametrize(
    ("codes", "how", "counts"),
    [
        ((0, 0), {}, True),
        ((0, 4), {"code": 4}, False),
        ((0, None), {}, False),
        ((0, 0), {"dry_run": True}, False),
        ((0, 0), {"code": 130, "interrupted": True}, False),
    ],
)
def test_a_fleet_is_a_success_only_as_a_whole(
    codes: tuple[int | None, ...], how: dict[str, Any], *, counts: bool
) -> None:
    good = report_of(ended(Outcome.MIGRATED))
    metrics = Metrics(last_success=1000.0)
    metrics.add(lambda: 0, is_part=True)(RunFinished(good, time=1200.0))
    clusters = tuple(ClusterResult(name=f"c{n}", code=c, report=None if c else good) for n, c in enumerate(codes))
    fleet = msgspec.structs.replace(FleetReport(clusters=clusters, code=0, seconds=1.0), **how)
    assert values(metrics)[LAST] == 1000.0
    metrics.fleet_ended(FleetFinished(fleet, time=1234.5))
    assert values(metrics)[LAST] == (1234.5 if counts else 1000.0)


def test_the_last_success_is_read_back() -> None:
    metrics = played(RunFinished(report_of(ended(Outcome.MIGRATED)), time=1796068563.25))
    assert last_success_in(metrics.text().decode()) == 1796068563.25


@pytest.mark.parametrize(
    "text", ["", "# a comment\n", f"{LAST} \n", f"{LAST} NaN\n", f"{LAST} 1e999\n", f"x{LAST} 5\n"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert last_success_in(text) == 0
    assert math.isfinite(last_success_in(text))


@pytest.mark.parametrize("text", [f"{LAST} ...\n", f"{LAST} 1.2.3\n", f"{LAST} e+e\n"])
def test_nor_is_what_only_looks_like_a_number(text: str) -> None:
    assert last_success_in(text) == 0


def test_a_strange_name_neither_breaks_the_format_nor_forges_a_line() -> None:
    name = 'w"} 1\nasyncmigrate_in_flight 99\n\ud800\x1b[31m\\'
    metrics = played(stale(name), CRDStarted(name, "v1"), PageListed(name, 3, None))
    for found in families(metrics):
        by_name = {f.name: f for f in found}
        assert [s.value for s in by_name["asyncmigrate_in_flight"].samples] == [3]
        assert {s.labels["resource"] for s in by_name["asyncmigrate_objects_remaining"].samples} == {
            'w"} 1\\nasyncmigrate_in_flight 99\\n\\ud800\\x1b[31m\\'
        }


def test_it_may_be_read_while_it_is_counted() -> None:
    metrics, over = Metrics(), threading.Event()
    watch = metrics.add(lambda: 0)

    def count() -> None:
        for number in range(2_000):
            watch(CRDStarted(f"c{number}", "v1"))
            watch(ObjectSettled(f"c{number}", "", "x", Settled.GONE))
            watch(Retrying("get", 1, 0.5, "503", cause=f"x{number}"))
        over.set()

    thread = threading.Thread(target=count)
    thread.start()
    while not over.is_set():
        metrics.text()
    thread.join()


# The server


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    found = MetricsServer(played(*EVERYTHING), "127.0.0.1", 0)
    yield found
    found.close()


def port_of(server: MetricsServer) -> int:
    return int(server.server_address[1])


def get(url: str, **headers: str) -> tuple[str, str]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
        return answer.headers["Content-Type"], answer.read().decode()


def test_it_serves_what_the_scraper_takes(server: MetricsServer) -> None:
    kind, text = get(server.url)
    assert kind.startswith("text/plain; version=0.0.4")
    assert "asyncmigrate_in_flight 3.0\n" in text
    kind, text = get(server.url, Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server.url.replace("/metrics", "/etc/passwd"))
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(urllib.request.Request(server.url, data=b"x"), timeout=10)  # noqa: S310


def test_an_address_of_ipv6_will_do() -> None:
    server = MetricsServer(Metrics(), "::1", 0)
    try:
        assert server.url.startswith("http://[::1]:")
        assert "asyncmigrate_in_flight 0.0\n" in get(server.url)[1]
    finally:
        server.close()


def test_a_port_that_is_taken_is_an_error(server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer(Metrics(), "127.0.0.1", port_of(server))


def test_scrapers_that_hang_hold_up_neither_others_nor_the_end() -> None:
    server = MetricsServer(Metrics(), "127.0.0.1", 0)
    with ExitStack() as stack:
        for _ in range(8):
            hung = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(server))))
            hung.sendall(b"GET /metrics HTTP/1.1\r\n")  # and no more
        assert "asyncmigrate_in_flight" in get(server.url)[1]
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 0.5
    with pytest.raises(OSError, match="refused"):
        get(server.url)


def test_so_many_of_them_that_no_more_are_let_in_take_no_more_threads() -> None:
    server = MetricsServer(Metrics(), "127.0.0.1", 0)
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(40):
            hung = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(server))))
            hung.settimeout(10)
        assert hung.recv(1) == b""  # the last one is turned away
        assert threading.active_count() - before <= 16
    server.close()


def test_measures_do_not_grow_with_the_objects() -> None:
    watch = Measures()
    for number in range(1000):
        watch(ObjectSettled(NAME, "", f"w-{number}", Settled.GONE))
        watch(RequestSent("PATCH", f"/apis/example.com/v1/widgets/w-{number}", 200, 0.1))
        watch(Retrying("rewrite", 1, 0.1, f"w-{number}", cause="conflict"))
    assert len(watch.requests) == 1
    assert len(watch.retries) == 8
