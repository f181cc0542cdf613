"""Prometheus metrics: declared once with their help, counted as plain numbers, turned into metrics by a scrape.

prometheus_client's own counters take a lock and look up labels for every increment, which would be a good part of the
cost of accepting a webhook. Code in one event loop needs no lock.
"""

from __future__ import annotations

import collections
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a histogram's buckets."""


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
        """How many there are with these label values."""
        return self._values[values]

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' metric."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, count in self._values.items():
            family.add_metric(values, count)
        yield family


class Histogram:
    """How long something took, in seconds."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._counts = [0] * (len(SECONDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """It took so long once."""
        self._counts[bisect_left(SECONDS, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' metric."""
        bounds = [*map(str, SECONDS), "+Inf"]
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


class Metrics:
    """What one process exposes: what is declared here, in that order, and `process_*`."""

    def __init__(self) -> None:
        self._families: list[_Family] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Declare a counter; without labels it is 0 from the start."""
        counter = Counter(name, text, labels)
        self._families.append(counter)
        return counter

    def histogram(self, name: str, text: str) -> Histogram:
        """Declare a histogram of seconds."""
        histogram = Histogram(name, text)
        self._families.append(histogram)
        return histogram

    def gauge(self, name: str, text: str, read: Callable[[], float | None]) -> None:
        """Declare a gauge."""
        self._families.append(Gauge(name, text, read))

    def collect(self) -> Iterator[Metric]:
        """Everything that is declared, for Prometheus' registry."""
        for family in self._families:
            yield from family.collect()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format, of type `CONTENT_TYPE`."""
        return generate_latest(self._registry)
