"""Log lines about webhooks: one line each, up to a budget.

Writing a line costs more than accepting a webhook. So only the first `LINES` a second are written, and once a second
the number of the others is logged; every accepted webhook is in the ledger anyway. Refusals have a budget of their own:
unverified sources must not be able to fill a disk with log lines.
"""

from __future__ import annotations

import time

import structlog

from receiver.interfaces import Place
from receiver.limiter import RateLimiter
from runtime.tracing import trace_id
from schemas.payments.body_reasons import BodyReason
from schemas.payments.notification import Notification

LINES = 50
BURST = 200
"""Lines a second, and at once."""


class WebhookLog:
    """Writes `webhook_accepted` and `webhook_refused`."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._budget = RateLimiter(rate=LINES, burst=BURST)
        self._accepted_left_out = 0
        self._refused_left_out = 0

    def accepted(self, notification: Notification, place: Place) -> None:
        """A webhook was acknowledged."""
        if not self._budget.admits("accepted", time.monotonic()):
            self._accepted_left_out += 1
            return
        self._log.info(
            "webhook_accepted",
            merchant=notification.merchant,
            imp_uid=notification.imp_uid,
            status=notification.status,
            notification=notification.id,
            place=place,
            **trace_id(notification.traceparent),
        )

    def refused(self, merchant: str, status: int, source: str, reason: BodyReason | None) -> None:
        """A webhook got a 4xx or a 503; `reason` is what is wrong with its body."""
        if not self._budget.admits("refused", time.monotonic()):
            self._refused_left_out += 1
            return
        why = {"reason": reason} if reason is not None else {}
        self._log.warning("webhook_refused", merchant=merchant, status_code=status, source=source, **why)

    async def log_left_out(self) -> None:
        """Log how many lines were left out since the last call, if any."""
        if self._accepted_left_out or self._refused_left_out:
            accepted, self._accepted_left_out = self._accepted_left_out, 0
            refused, self._refused_left_out = self._refused_left_out, 0
            self._log.info("more_webhooks", accepted=accepted, refused=refused)
