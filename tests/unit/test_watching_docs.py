"""What docs/ says of watching is what there is: events, metrics, the dashboard's queries and the alerts'."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from asyncmigrate import Decision
from asyncmigrate._observers.event_lines import Lines
from asyncmigrate._observers.measures import METRICS, RESULTS, MetricName
from asyncmigrate._rules.errors.causes import Cause
from tests.unit.test_event_file import HEAD, ONE_OF_EACH

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "watching.md").read_text()
BY_NAME = {m.name: m for m in METRICS}
VALUES = {
    "result": set(RESULTS),
    "decision": set(map(str, Decision)),
    "reason": {cause.name.lower() for cause in Cause},
}
OF_PROMETHEUS = {"job", "instance", "le"}
USE = re.compile(r"(asyncmigrate_\w+)(?:\{([^}]*)\})?")


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading whose first cell is in backticks."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]
    return [[c.strip("`") for c in row[:1]] + row[1:] for row in cells]


def test_each_event_is_in_the_table_with_its_fields() -> None:
    documented = {row[0]: set(re.findall(r"`([a-z]\w*)`", re.sub(r"\([^)]*\)", "", row[2]))) for row in rows("Events")}
    found = {type(e).__name__: set(json.loads(Lines("").line_of(e))) - set(HEAD) for e in ONE_OF_EACH}
    assert documented == found


def test_each_metric_is_in_the_table_with_its_type_and_labels() -> None:
    documented = {row[0]: (row[1], tuple(re.findall(r"`(\w+)`", row[2]))) for row in rows("Metrics")}
    assert documented == {m.name: (m.kind, m.labels) for m in METRICS}


def test_each_reason_is_named() -> None:
    section = PAGE.partition("- `reason` is one of")[2].partition("\n- ")[0]
    assert set(re.findall(r"`(\w+)`", section)) == VALUES["reason"]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text())
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard and of the alerts, by its title."""
    whole = dashboard()
    for panel in whole["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in whole["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]
    for group in yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def metric_of(name: str) -> MetricName:
    """The metric that has a sample of this name."""
    parts = [name, *(name.removesuffix(s) for s in ("_bucket", "_sum", "_count") if name.endswith(s))]
    found = [m for part in parts if (m := BY_NAME.get(part)) and (part == name) != (m.kind == "histogram")]
    assert found, f"there is no {name}"
    return found[0]


@pytest.mark.parametrize(("title", "query"), [*queries()])
def test_each_query_asks_for_what_there_is(title: str, query: str) -> None:
    used = USE.findall(query)
    assert used, title
    known = set(OF_PROMETHEUS)
    for name, matchers in used:
        metric = metric_of(name)
        known |= set(metric.labels)
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert label in {*metric.labels, *OF_PROMETHEUS}, (title, label)
            if label in VALUES:
                assert set(value.split("|")) <= VALUES[label], (title, value)
    for labels in re.findall(r"\bby \(([^)]*)\)", query):
        assert {label.strip() for label in labels.split(",")} <= known, title
    assert query.count("(") == query.count(")")
    rated = re.findall(r"\b(?:rate|increase)\((asyncmigrate_\w+)", query)
    assert all(metric_of(name).kind != "gauge" for name in rated), title
    counters = {name for name, _ in used if metric_of(name).kind == "counter"}
    assert counters <= {*rated, "asyncmigrate_objects_total"}, title  # that one says how many there were


def test_a_query_for_what_there_is_not_would_be_found() -> None:
    for wrong in ("asyncmigrate_objects", "asyncmigrate_crds_total", "asyncmigrate_crds_sum", "asyncmigrate_x_bucket"):
        with pytest.raises(AssertionError, match="there is no"):
            metric_of(wrong)
    with pytest.raises(AssertionError):
        test_each_query_asks_for_what_there_is("x", 'sum(asyncmigrate_crds{decision="stael"})')
    with pytest.raises(AssertionError):
        test_each_query_asks_for_what_there_is("x", "sum by (name) (asyncmigrate_crds)")


def test_all_metrics_are_drawn_and_panels_neither_lie_over_each_other_nor_share_an_id() -> None:
    panels = dashboard()["panels"]
    drawn = {metric_of(name).name for p in panels for t in p["targets"] for name, _ in USE.findall(t["expr"])}
    assert drawn == set(BY_NAME)
    assert len({p["id"] for p in panels}) == len(panels)
    cells = [
        (x, y)
        for p in panels
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_each_alert_says_what_to_know() -> None:
    rules = [r for g in yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"] for r in g["rules"]]
    assert len({r["alert"] for r in rules}) == len(rules) >= 5
    for rule in rules:
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]
