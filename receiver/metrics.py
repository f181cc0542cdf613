"""What this receiver counts, for Prometheus and, through the ledger, for operators."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from receiver.interfaces import Place
from runtime.metrics import Metrics
from schemas.payments.body_reasons import BodyReason


class Refusals(NamedTuple):
    """How many webhooks were refused: as `merchant:status`, and those with 400 also as `merchant:reason`."""

    by_status: Counter[str]
    by_reason: Counter[str]


class ReceiverMetrics:
    """The receiver's counters; gauges are added to `exposed` where their values are known."""

    def __init__(self) -> None:
        self.exposed = metrics = Metrics()
        self._accepted = metrics.counter("relay_webhooks_accepted", "Webhooks acknowledged.", "place")
        self._seconds = metrics.histogram(
            "relay_webhook_seconds", "From the start of a webhook's request until it is on disk."
        )
        self._refused = metrics.counter(
            "relay_webhooks_refused", "Webhooks answered with a 4xx; they do not come again.", "merchant", "status"
        )
        self._refused_bodies = metrics.counter(
            "relay_webhook_bodies_refused",
            "Webhooks answered with 400, by what is wrong with their bodies.",
            "merchant",
            "reason",
        )
        self.unavailable = metrics.counter("relay_webhooks_unkept", "Webhooks answered with 503.")
        self.drained = metrics.counter("relay_spool_drained", "Notifications moved to the ledger.")
        self._unreported = Refusals(Counter(), Counter())

    def accept(self, place: Place, seconds: float) -> None:
        """Count a webhook that is on disk, ``seconds`` after its request began."""
        self._accepted.add(place)
        self._seconds.observe(seconds)

    def refuse(self, merchant: str, status: int, reason: BodyReason | None = None) -> None:
        """Count a webhook that was answered with a 4xx. `merchant` is a label of `KnownMerchants.label`; `reason` is
        given with a 400."""
        self._refused.add(merchant, str(status))
        self._unreported.by_status[f"{merchant}:{status}"] += 1
        if reason is not None:
            self._refused_bodies.add(merchant, reason)
            self._unreported.by_reason[f"{merchant}:{reason}"] += 1

    def take_unreported(self) -> Refusals:
        """Refusals since the last call."""
        refusals, self._unreported = self._unreported, Refusals(Counter(), Counter())
        return refusals

    def restore_unreported(self, refusals: Refusals) -> None:
        """Take back refusals that could not be reported; the next report has them."""
        self._unreported.by_status.update(refusals.by_status)
        self._unreported.by_reason.update(refusals.by_reason)
