"""The metrics for Prometheus, with prometheus-client: the extra `asyncmigrate[metrics]`. Read where they are asked for.

They have a registry of their own: what an embedding program registers elsewhere stays out of it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from asyncmigrate._observers import measures as of
from asyncmigrate._observers.measures import BUCKETS, Labels, Measures, MetricName
from asyncmigrate._output.clean import clean
from asyncmigrate._results.plan import Decision
from asyncmigrate.events import FleetFinished

_LAST_SUCCESS = re.compile(rf"^{of.LAST_SUCCESS.name} ([0-9]+(?:\.[0-9]+)?(?:e\+?[0-9]+)?)$", re.MULTILINE)


class Metrics(Collector):
    """All metrics of this process: the sum over its clusters. `last_success` is what an earlier run left."""

    def __init__(self, *, last_success: float = 0.0) -> None:
        self._clusters: list[Measures] = []
        self._in_flight: list[Callable[[], int]] = []
        self._last_success = last_success
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def add(self, in_flight: Callable[[], int], *, is_part: bool = False) -> Measures:
        """Take one more cluster: an observer for it. `is_part` of a fleet, which `fleet_ended` is told the end of."""
        measures = Measures(is_part=is_part)
        self._in_flight.append(in_flight)
        self._clusters.append(measures)
        return measures

    def fleet_ended(self, event: FleetFinished) -> None:
        """Only all clusters together are a success. After a plan there are no reports."""
        if event.report.ok and not event.report.dry_run and any(c.report is not None for c in event.report.clusters):
            self._last_success = max(self._last_success, event.time)

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        clusters = list(self._clusters)
        decided = _sum(c.decisions for c in clusters)
        last = max([self._last_success, *(c.last_success for c in clusters)])
        yield _counter(of.OBJECTS, _sum(c.objects for c in clusters))
        yield _gauge(of.REMAINING, _sum(c.remaining for c in clusters))
        yield _gauge(of.CRDS, {(str(d),): decided[str(d),] for d in Decision})
        yield _counter(of.REQUESTS, _sum(c.requests for c in clusters))
        yield _counter(of.RETRIES, _sum(c.retries for c in clusters))
        yield _durations(clusters)
        yield _gauge(of.IN_FLIGHT, {(): sum(count() for count in list(self._in_flight))})
        yield _gauge(of.LAST_SUCCESS, {(): last} if last else {})


def _sum(counts: Iterable[Mapping[Labels, int]]) -> Counter[Labels]:
    """The counts of all clusters; copied first, for the event loop counts on meanwhile."""
    total: Counter[Labels] = Counter()
    for count in counts:
        total.update(dict(count))
    return total


def _counter(metric: MetricName, counts: Mapping[Labels, float]) -> Metric:
    return _filled(CounterMetricFamily(metric.name, metric.help, labels=metric.labels), counts)


def _gauge(metric: MetricName, counts: Mapping[Labels, float]) -> Metric:
    return _filled(GaugeMetricFamily(metric.name, metric.help, labels=metric.labels), counts)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, counts: Mapping[Labels, float]) -> Metric:
    for labels, count in sorted(counts.items()):
        family.add_metric([clean(label) for label in labels], count)
    return family


def _durations(clusters: list[Measures]) -> Metric:
    counts = [sum(in_one) for in_one in zip(*(c.in_buckets.copy() for c in clusters), strict=True)]
    edges = [*map(floatToGoString, BUCKETS), "+Inf"]
    up_to = list(accumulate(counts or [0] * len(edges)))
    family = HistogramMetricFamily(of.DURATION.name, of.DURATION.help, labels=of.DURATION.labels)
    family.add_metric([], list(zip(edges, up_to, strict=True)), sum(c.seconds for c in clusters))
    return family


def last_success_in(text: str) -> float:
    """When a run last succeeded, by what an earlier process wrote; 0 if it does not say."""
    found = _LAST_SUCCESS.search(text)
    when = float(found[1]) if found else 0.0
    return when if math.isfinite(when) else 0.0
