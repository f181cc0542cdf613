"""What this receiver counts, for Prometheus and for operators' eyes in the ledger."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from receiver.ports import Place
from schemas.body_reasons import BodyReason

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Refusals(NamedTuple):
    """How many webhooks were refused: as `merchant:status`, and those with 400 as `merchant:reason` besides."""

    by_status: Counter[str]
    by_reason: Counter[str]


class ReceiverMetrics:
    """Plain numbers, because a webhook's way must stay short; Prometheus' shapes are made when someone looks.

    A gauge that is None has no value at the moment and is left out.
    """

    def __init__(self) -> None:
        self.accepted: Counter[Place] = Counter()
        self.refused: Counter[tuple[str, int]] = Counter()
        self.unkept = 0
        self.drained = 0
        self.refused_bodies: Counter[tuple[str, BodyReason]] = Counter()
        self._unreported = Refusals(Counter(), Counter())
        self._gauges: dict[str, tuple[str, Callable[[], float | None]]] = {}
        self._registry = CollectorRegistry()
        self._seconds = [0] * (len(_BUCKETS) + 1)
        self._seconds_sum = 0.0
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def accept(self, place: Place, seconds: float) -> None:
        """A webhook is on disk, so many seconds after its request began."""
        self.accepted[place] += 1
        self._seconds[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds_sum += seconds

    def refuse(self, merchant: str, status: int, reason: BodyReason | None = None) -> None:
        """A webhook for this merchant (as `KnownMerchants.label` names it) was answered with a 4xx, a 400 for this
        reason."""
        self.refused[merchant, status] += 1
        self._unreported.by_status[f"{merchant}:{status}"] += 1
        if reason is not None:
            self.refused_bodies[merchant, reason] += 1
            self._unreported.by_reason[f"{merchant}:{reason}"] += 1

    def take_unreported(self) -> Refusals:
        """Refusals since the last call."""
        counts, self._unreported = self._unreported, Refusals(Counter(), Counter())
        return counts

    def give_back(self, counts: Refusals) -> None:
        """What was taken could not be reported: keep it for the next time."""
        self._unreported.by_status.update(counts.by_status)
        self._unreported.by_reason.update(counts.by_reason)

    def watch(self, name: str, text: str, value: Callable[[], float | None]) -> None:
        """Add a gauge that is read when someone looks."""
        self._gauges[name] = (text, value)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The numbers as Prometheus' metrics."""
        accepted = CounterMetricFamily("relay_webhooks_accepted", "Webhooks acknowledged.", labels=["place"])
        for place, count in self.accepted.items():
            accepted.add_metric([place], count)
        yield accepted
        bounds = [*map(str, _BUCKETS), "+Inf"]
        yield HistogramMetricFamily(
            "relay_webhook_seconds",
            "From the start of a webhook's request until it is on disk.",
            buckets=list(zip(bounds, accumulate(self._seconds), strict=True)),
            sum_value=self._seconds_sum,
        )
        refused = CounterMetricFamily(
            "relay_webhooks_refused",
            "Webhooks answered with a 4xx; they do not come again.",
            labels=["merchant", "status"],
        )
        for (merchant, status), count in self.refused.items():
            refused.add_metric([merchant, str(status)], count)
        yield refused
        bodies = CounterMetricFamily(
            "relay_webhook_bodies_refused",
            "Webhooks answered with 400, by what is wrong with their bodies.",
            labels=["merchant", "reason"],
        )
        for (merchant, reason), count in self.refused_bodies.items():
            bodies.add_metric([merchant, reason], count)
        yield bodies
        yield CounterMetricFamily("relay_webhooks_unkept", "Webhooks answered with 503.", value=self.unkept)
        yield CounterMetricFamily("relay_spool_drained", "Notifications moved to the ledger.", value=self.drained)
        for name, (text, read) in self._gauges.items():
            if (value := read()) is not None:
                yield GaugeMetricFamily(name, text, value=value)
