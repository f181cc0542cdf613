"""The log's account of webhooks: one line each, up to a budget.

A line costs more than accepting a webhook does. So the first LINES a second are written one by one, and what comes
beyond is told once a second as a number; every webhook is in the ledger anyway. Refusals have a budget of their own:
strangers must not be able to fill a disk with log lines.
"""

from __future__ import annotations

import time

import structlog

from receiver.limiter import Limiter
from receiver.ports import Place
from schemas.body_reasons import BodyReason
from schemas.payments.notification import Notification

LINES = 50
BURST = 200


class WebhookLog:
    """Writes `webhook_accepted` and `webhook_refused`."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._budget = Limiter(rate=LINES, burst=BURST)
        self._accepted_untold = 0
        self._refused_untold = 0

    def accepted(self, notification: Notification, place: Place) -> None:
        """A webhook was acknowledged."""
        if not self._budget.admits("accepted", time.monotonic()):
            self._accepted_untold += 1
            return
        self._log.info(
            "webhook_accepted",
            merchant=notification.merchant,
            imp_uid=notification.imp_uid,
            status=notification.status,
            notification=notification.id,
            place=place,
        )

    def refused(self, merchant: str, status: int, source: str, reason: BodyReason | None) -> None:
        """A webhook got a 4xx, or a 503; `reason` is what was wrong with its body."""
        if not self._budget.admits("refused", time.monotonic()):
            self._refused_untold += 1
            return
        why = {"reason": reason} if reason is not None else {}
        self._log.warning("webhook_refused", merchant=merchant, status_code=status, source=source, **why)

    async def tell(self) -> None:
        """Say how many lines the budget left out since this was last called."""
        if self._accepted_untold or self._refused_untold:
            accepted, self._accepted_untold = self._accepted_untold, 0
            refused, self._refused_untold = self._refused_untold, 0
            self._log.info("more_webhooks", accepted=accepted, refused=refused)
