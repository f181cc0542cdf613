"""What a worker counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Literal

from ledger.delivery_lane import ClaimedDelivery
from ledger.merchants import Merchants
from runtime.metrics import LONG_SECONDS, MOST_VALUES, OTHER, Metrics
from schemas.endpoints.delivery import AttemptResult, Dead, Delivered, Disable, Hold, Retry, Verdict
from schemas.errors import IamportError, WrongCredentials

LookupEnd = Literal["answered", "failing", "credentials"]

_PAYMENTS = (1, 2, 5, 10, 20, 50, 100)
_OUTCOMES: Mapping[type[Verdict], str] = {
    Delivered: "delivered", Retry: "retry", Dead: "dead", Disable: "held", Hold: "held",
}  # fmt: skip
"""What becomes of a delivery. If the attempt disables its endpoint, the delivery is held."""


class WorkerMetrics:
    """The counters of one worker process."""

    def __init__(self) -> None:
        self.exposed = metrics = Metrics()
        self._lookups = metrics.counter(
            "relay_lookups", "Look-ups at i'mport: answered, failing, or refused for wrong credentials.", "outcome"
        )
        self._lookup_payments = metrics.histogram("relay_lookup_payments", "Payments of one look-up.", _PAYMENTS)
        self._lookup_seconds = metrics.histogram("relay_lookup_seconds", "How long a look-up took.")
        self._events = metrics.counter("relay_events", "Events recorded.", "type")
        self._deliveries = metrics.counter("relay_deliveries", "Attempts, by what became of the delivery.", "outcome")
        self._delivery_seconds = metrics.histogram("relay_delivery_seconds", "How long an attempt took.", LONG_SECONDS)
        self._webhook_to_callback = metrics.histogram(
            "relay_webhook_to_callback_seconds",
            "From an accepted webhook until its callback was delivered, where the first attempt did that.",
            LONG_SECONDS,
        )
        self.breakers = OpenBreakers()
        metrics.gauge_by(
            "merchant",
            "relay_iamport_breaker_open",
            "1 while i'mport is not called for a merchant because it failed.",
            self.breakers.by_merchant,
        )

    def looked_up(self, merchant: str, payments: int, seconds: float, error: IamportError | None = None) -> None:
        """Count a look-up of ``payments`` payments of a merchant, or the error that it ended with."""
        end: LookupEnd = "answered"
        if error is None:
            self.breakers.close(merchant)
        else:
            end = "credentials" if isinstance(error, WrongCredentials) else "failing"
        self._lookups.add(end)
        self._lookup_payments.observe(payments)
        self._lookup_seconds.observe(seconds)

    def recorded(self, types: Iterable[str]) -> None:
        """Count recorded events, by type."""
        for type_ in types:
            self._events.add(type_)

    def attempted(self, delivery: ClaimedDelivery, answer: AttemptResult, verdict: Verdict) -> None:
        """Count an attempt and what becomes of its delivery."""
        self._deliveries.add(_OUTCOMES[type(verdict)])
        self._delivery_seconds.observe(answer.duration_ms / 1000)
        is_first = delivery.attempts == 0 and not delivery.replay
        if is_first and isinstance(verdict, Delivered) and delivery.webhook_at is not None:
            self._webhook_to_callback.observe(max(0.0, time.time() - delivery.webhook_at))

    def held(self) -> None:
        """Count a delivery that is held without an attempt."""
        self._deliveries.add(_OUTCOMES[Hold])


class OpenBreakers:
    """The merchants for whom i'mport failed at this process's last call, unless it has answered another process
    since."""

    def __init__(self) -> None:
        self._opened: dict[str, object] = {}
        """By merchant, a mark of the failure."""

    def open(self, merchant: str) -> None:
        """i'mport fails for this merchant."""
        self._opened[merchant] = object()

    def close(self, merchant: str) -> None:
        """i'mport answers again."""
        self._opened.pop(merchant, None)

    async def forget_answered(self, merchants: Merchants) -> None:
        """Forget the merchants for whom i'mport has answered another process, and those that were deleted; keep those
        for whom it fails here again meanwhile. Raises `LedgerUnavailable`."""
        before = dict(list(self._opened.items())[:MOST_VALUES])
        if not before:
            return
        troubled = {merchant.name for merchant in await merchants.some(list(before)) if merchant.trouble is not None}
        for merchant, mark in before.items():
            if merchant not in troubled and self._opened.get(merchant) is mark:
                del self._opened[merchant]

    def by_merchant(self) -> Mapping[str, float]:
        """1 for each merchant; those beyond `MOST_VALUES` share one value."""
        names = list(self._opened)
        shown = dict.fromkeys(names[:MOST_VALUES], 1.0)
        return shown | {OTHER: 1.0} if len(names) > MOST_VALUES else shown
