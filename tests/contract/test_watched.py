"""What watches a run says what the run did: metrics, events, report and table agree, on both servers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from asyncmigrate import Cluster, Objects, Outcome, Report, plan, run
from asyncmigrate._observers.event_file import EventFile
from asyncmigrate._observers.metrics import Metrics
from asyncmigrate._output import words
from asyncmigrate._output.tables import sheet_of
from asyncmigrate.events import CRDRelisted, Event, Observer
from tests.bed.admission import AdmissionWebhook, open_admission_webhook, register
from tests.bed.bed import Bed
from tests.bed.scenes import crd, obj
from tests.command.runner import asyncmigrate
from tests.contract.test_denied import status
from tests.contract.test_proof import MARGIN, stale
from tests.contract.test_run import stale as plainly_stale

RESULTS = [f for f in Objects.__struct_fields__ if f != "listed"]


@pytest.fixture
async def webhook() -> AsyncIterator[AdmissionWebhook]:
    async with open_admission_webhook() as found:
        yield found


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """The value of each sample, by its name and the values of its labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels[k] for k in sorted(sample.labels))] = sample.value
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def scene(bed: Bed, webhook: AdmissionWebhook) -> list[str]:
    """Widgets with every result; gears that are changed in mid-run; gadgets that are current; a CRD that is absent."""
    widgets = await stale(bed)
    await bed.create(widgets, *(obj(widgets, "v1", f"more-{n}") for n in range(3)))
    await register(bed, widgets, webhook)
    webhook.answer("value-removed", deny=status(422, "Invalid"))
    gears = crd(bed.group, "v1", "v1", "v2", plural="gears")
    await bed.apply_crd(gears)
    await bed.create(gears, *(obj(gears, "v1", f"g-{n}") for n in range(7)))
    await bed.apply_crd(crd(bed.group, "v2", "v1", "v2", plural="gears"))
    await bed.apply_crd(crd(bed.group, "v1", "v1", plural="gadgets"))
    return [f"{plural}.{bed.group}" for plural in ("widgets", "gears", "gadgets", "absents")]


async def test_metrics_events_report_and_table_agree(bed: Bed, webhook: AdmissionWebhook, tmp_path: Path) -> None:
    names = await scene(bed, webhook)
    widgets = crd(bed.group, "v2", "v1", "v2")
    struck: set[str] = set()

    async def strike(request: httpx.Request) -> None:
        """Delete an object before the first rewrite, and change a CRD before its first trim."""
        path = request.url.path
        if request.method == "PATCH" and path.endswith("/widgets/forgotten") and "gone" not in struck:
            struck.add("gone")
            (await bed.http.delete(bed.path(widgets, "v2", name="forgotten"))).raise_for_status()
        if request.method == "PATCH" and path.endswith(f"/gears.{bed.group}/status") and "changed" not in struck:
            struck.add("changed")
            changed = crd(bed.group, "v2", "v1", "v2", plural="gears")
            changed["spec"]["names"]["shortNames"] = ["gg"]
            await bed.apply_crd(changed, settled=False)

    metrics, seen, said = Metrics(), list[Event](), list[str]()
    events = EventFile(str(tmp_path / "events.jsonl"), said.append)
    async with (
        bed.client(event_hooks={"request": [strike]}) as client,
        Cluster.from_httpx(client) as cluster,
    ):
        watching: list[Observer] = [metrics.add(lambda: cluster.in_flight), events.observer("beds"), seen.append]
        made = await plan(cluster, names=names, observers=watching)
        report = await run(cluster, made, settle=0, proof_margin=MARGIN, managed_fields="keep", observers=watching)
        assert cluster.in_flight == 0
    events.close(interrupted=False)
    assert said == []
    by_name = {c.name: c for c in report.crds}
    widget, gear = by_name[names[0]].objects, by_name[names[1]].objects
    assert all(getattr(widget, result) for result in RESULTS), widget
    assert (gear.listed, gear.failed) == (7, 0)
    assert [e.crd for e in seen if isinstance(e, CRDRelisted)] == [names[1]]
    check_metrics(metrics.text().decode(), report, made.requests, made.retries, names[:2])
    check_events(lines_of(tmp_path / "events.jsonl"), report, made.requests, made.retries)
    check_table(report)


def check_metrics(text: str, report: Report, plan_requests: int, plan_retries: int, begun: list[str]) -> None:
    found = samples(text)
    objects = {(c.name, r): getattr(c.objects, r) for c in report.crds for r in RESULTS if c.name in begun}
    assert found["asyncmigrate_objects_total"] == objects
    left = {(c.name,): c.objects.listed - c.objects.settled - c.objects.failed for c in report.crds if c.name in begun}
    assert found["asyncmigrate_objects_remaining"] == left
    decisions = Counter((str(c.plan.decision),) for c in report.crds)
    assert {k: n for k, n in found["asyncmigrate_crds"].items() if n} == decisions
    requests = report.requests + plan_requests
    assert sum(found["asyncmigrate_requests_total"].values()) == requests
    assert found["asyncmigrate_request_duration_seconds_count"] == {(): requests}
    assert sum(found.get("asyncmigrate_retries_total", {}).values()) == report.retries + plan_retries
    assert found["asyncmigrate_in_flight"] == {(): 0}
    assert "asyncmigrate_last_success_timestamp_seconds" not in found  # an object failed


def check_events(lines: list[dict[str, Any]], report: Report, plan_requests: int, plan_retries: int) -> None:
    of = Counter(line["type"] for line in lines)
    assert of["RequestSent"] == report.requests + plan_requests
    assert of["Retrying"] == report.retries + plan_retries
    counted: dict[str, Counter[str]] = {}
    for line in lines:
        match line["type"]:
            case "CRDRelisted":
                counted[line["crd"]] = Counter()
            case "ObjectSettled":
                counted.setdefault(line["crd"], Counter())[line["how"]] += 1
            case "ObjectFailed":
                counted.setdefault(line["crd"], Counter())["failed"] += 1
    wanted = {c.name: Counter({r: n for r in RESULTS if (n := getattr(c.objects, r))}) for c in report.crds}
    assert counted == {name: count for name, count in wanted.items() if count}
    finished = {line["crd"]: line for line in lines if line["type"] == "CRDFinished"}
    assert {name: line["outcome"] for name, line in finished.items()} == {c.name: c.outcome for c in report.crds}
    assert {n: Objects(**line["objects"]) for n, line in finished.items()} == {c.name: c.objects for c in report.crds}
    [last] = [line for line in lines if line["type"] == "RunFinished"]
    assert Objects(**last["objects"]) == report.objects
    assert (last["requests"], last["retries"]) == (report.requests, report.retries)
    assert lines[-1] is last


def check_table(report: Report) -> None:
    sheet = sheet_of(report)
    titles = [c.title.lower() for c in sheet.columns]
    rows = {r.cells[0].text: dict(zip(titles, (c.plain or c.text for c in r.cells), strict=True)) for r in sheet.rows}
    for found in report.crds:
        assert {r: int(rows[found.name][r] or 0) for r in RESULTS} == {r: getattr(found.objects, r) for r in RESULTS}


async def test_the_command_writes_all_of_it(bed: Bed, tmp_path: Path) -> None:
    await plainly_stale(bed, 5)
    name = f"widgets.{bed.group}"
    events, metrics, report = tmp_path / "events.jsonl", tmp_path / "m.prom", tmp_path / "report.json"
    config = ("--kubeconfig", bed.kubeconfig(), "--events-file", events, "--metrics-file", metrics)
    planned = await asyncmigrate("plan", name, "--check", "-o", "junit", *config, home=tmp_path)
    assert planned.code == 1
    suites = ET.fromstring(planned.out)  # noqa: S314 -- our own
    assert [c.get("name") for c in suites.iter("testcase") if c.find("failure") is not None] == [name]
    first = samples(metrics.read_text())
    assert first["asyncmigrate_objects_remaining"] == {(name,): 5}
    ended = await asyncmigrate(
        *(
            "run",
            name,
            "-y",
            "--settle",
            "0",
            "--log-format",
            "json",
            "--metrics-port",
            "0",
            "--metrics-address",
            "::1",
        ),
        *("--report", report, "-o", "github", *config),
        home=tmp_path,
    )
    assert ended.code == 0, ended.err
    logs = [json.loads(line) for line in ended.err.splitlines()]
    assert {line["level"] for line in logs} <= {"debug", "info", "warning", "error"}
    assert all(line["timestamp"].endswith("Z") for line in logs)
    decided = next(line for line in logs if line["event"] == "decided")
    assert (decided["crd"], decided["server"], bool(decided["context"])) == (name, bed.url, True)
    written = Report.from_json(report.read_text())
    assert written.crds[0].outcome is Outcome.MIGRATED
    found = samples(metrics.read_text())
    assert found["asyncmigrate_objects_total"][name, "rewritten"] == written.objects.rewritten
    assert found["asyncmigrate_last_success_timestamp_seconds"][()] > 0
    lines = lines_of(events)
    assert [line["type"] for line in lines].count("PlanFinished") == 2  # the second process went on in the same file
    requests = [line for line in lines if line["type"] == "RequestSent"]
    assert "admin-token" not in events.read_text()
    ours = requests[first_of_run(requests, first) :]
    assert sum(found["asyncmigrate_requests_total"].values()) == len(ours)
    assert ended.out == f"::notice title=asyncmigrate run::{summary(written)}\n"


def first_of_run(requests: list[dict[str, Any]], first: dict[str, dict[tuple[str, ...], float]]) -> int:
    """How many of the requests were those of the plan before."""
    sent = int(sum(first["asyncmigrate_requests_total"].values()))
    assert 0 < sent < len(requests)
    return sent


def summary(report: Report) -> str:
    return words.report_line(report).replace("%", "%25")
