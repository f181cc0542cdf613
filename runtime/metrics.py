"""Prometheus metrics: declared once with their help, counted as plain numbers, turned into metrics at each scrape.

prometheus_client's own counters take a lock and look up labels for every increment. That would be a good part of the
cost of accepting a webhook, and code in one event loop needs no lock.
"""

from __future__ import annotations

import collections
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from runtime.version import relay_version

CONTENT_TYPE = CONTENT_TYPE_LATEST

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LONG_SECONDS = (*SECONDS, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0)
"""Upper bounds of a histogram's buckets."""
MOST_VALUES = 300
"""The most values of a label that come from outside, e.g. names of merchants; further values count as `OTHER`."""
OTHER = "other"


class _Family(Protocol):
    def collect(self) -> Iterator[Metric]: ...


class Counter:
    """A number that only grows, for each combination of label values; `name` without Prometheus' `_total`."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._values: collections.Counter[tuple[str, ...]] = (
            collections.Counter() if labels else collections.Counter({(): 0})
        )

    def add(self, *values: str) -> None:
        """One more with these label values."""
        self._values[values] += 1

    def value(self, *values: str) -> int:
        """The number counted for these label values."""
        return self._values[values]

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' metric."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, count in self._values.items():
            family.add_metric(values, count)
        yield family


class Histogram:
    """How large something was: mostly how long it took, in seconds."""

    def __init__(self, name: str, text: str, bounds: Sequence[float] = SECONDS) -> None:
        self._name, self._text, self._bounds = name, text, tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' metric."""
        bounds = [*map(str, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._sum)


class Gauge:
    """A number that each scrape reads; left out while it is None."""

    def __init__(self, name: str, text: str, read: Callable[[], float | None]) -> None:
        self._name, self._text, self._read = name, text, read

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' metric."""
        if (value := self._read()) is not None:
            yield GaugeMetricFamily(self._name, self._text, value=value)


class GaugeByLabel:
    """A number for each value of a label, which each scrape reads."""

    def __init__(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        self._name, self._text, self._label, self._read = name, text, label, read

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' metric."""
        family = GaugeMetricFamily(self._name, self._text, labels=[self._label])
        for value, number in self._read().items():
            family.add_metric([value], number)
        yield family


class Metrics:
    """Everything that one process exposes: the metrics declared here, in that order, the version, and `process_*`."""

    def __init__(self) -> None:
        version = {relay_version(): 1.0}
        self._families: list[_Family] = [
            GaugeByLabel("relay_build_info", "1, with the version that runs.", "version", lambda: version)
        ]
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Declare a counter; without labels it is 0 from the start."""
        counter = Counter(name, text, labels)
        self._families.append(counter)
        return counter

    def histogram(self, name: str, text: str, bounds: Sequence[float] = SECONDS) -> Histogram:
        """Declare a histogram with these upper bounds of its buckets."""
        histogram = Histogram(name, text, bounds)
        self._families.append(histogram)
        return histogram

    def gauge(self, name: str, text: str, read: Callable[[], float | None]) -> None:
        """Declare a gauge."""
        self._families.append(Gauge(name, text, read))

    def gauge_by(self, label: str, name: str, text: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Declare a gauge with a label."""
        self._families.append(GaugeByLabel(name, text, label, read))

    def collect(self) -> Iterator[Metric]:
        """Everything that is declared, for Prometheus' registry."""
        for family in self._families:
            yield from family.collect()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format, of type `CONTENT_TYPE`."""
        return generate_latest(self._registry)
