"""What a refresh does with payments that it cannot commit: look them up again later, or give them up."""

from __future__ import annotations

import asyncio
from random import Random

import structlog

from ledger.keys import Lane
from ledger.refresh_lane import ClaimedPayment, ClaimedPayments, RefreshLane
from runtime.settings import Settings
from runtime.tracing import trace_id
from schemas.errors import (
    HiddenPayment,
    HistoryUnavailable,
    IamportError,
    IamportFailing,
    RelayError,
    WrongCredentials,
)
from schemas.reasons import Reason
from schemas.retry_schedule import exhausted, jittered, wait
from workers.cold_payments import ColdPayments
from workers.metrics import WorkerMetrics

log = structlog.get_logger()

LONGEST_PAUSE = 30.0
"""Seconds between two probes of a failing i'mport, at most, so that payments catch up soon after it recovers."""


class PostponedRefreshes:
    """Postpones, hides and rejects claimed payments, and pauses their lanes."""

    def __init__(
        self, settings: Settings, lane: RefreshLane, cold: ColdPayments, metrics: WorkerMetrics, rng: Random
    ) -> None:
        self._settings = settings
        self._lane = lane
        self._cold = cold
        self._metrics = metrics
        self._rng = rng

    async def unknown(self, payment: ClaimedPayment) -> None:
        """i'mport does not know the payment: look it up a few more times, then reject its notifications.

        A payment that i'mport once knew is never rejected.
        """
        record, schedule = payment.record, self._settings.unknown_schedule
        if record.facts or record.version:
            await self.failed(payment, IamportFailing(Reason.of("payment_no_longer_known")))
            return
        tries = payment.tries if payment.lease.lane.kind == "unknown" else 0
        if exhausted(schedule, tries):
            await self._give_up(payment)
            return
        await self._lane.postpone(payment, "unknown", due_in=schedule[tries], tries=tries + 1)

    async def _give_up(self, payment: ClaimedPayment) -> None:
        """Reject the notifications of a payment that i'mport never knew. The ledger does not have the payment, so only
        history can rule out that i'mport once knew it."""
        record = payment.record
        try:
            was_known = await self._cold.is_known(record.merchant, record.imp_uid)
        except HistoryUnavailable as error:
            await self.failed(payment, error)
            return
        if was_known:
            await self.failed(payment, IamportFailing(Reason.of("payment_no_longer_known")))
            return
        log.warning(
            "notification_rejected", merchant=record.merchant, imp_uid=record.imp_uid, reason="unknown to i'mport",
            **trace_id(payment.traceparent),
        )  # fmt: skip
        await self._lane.postpone(payment, "rejected", due_in=None, reason=Reason.of("payment_unknown"))

    async def hide(self, payment: ClaimedPayment, hidden: HiddenPayment, now: float) -> None:
        """Treat a payment of a test channel as unknown, because its merchant excludes test payments."""
        record = payment.record
        log.info(
            "notification_rejected", merchant=record.merchant, imp_uid=record.imp_uid, reason="test channel",
            **trace_id(payment.traceparent),
        )  # fmt: skip
        await self._lane.hide(payment, reason=hidden.reason, now=now)

    async def failed(self, payment: ClaimedPayment, error: RelayError) -> None:
        """Postpone one payment that could not be refreshed although i'mport works."""
        record, due_in = payment.record, self._due_in(payment)
        log.warning(
            "refresh_failed", merchant=record.merchant, imp_uid=record.imp_uid, error=str(error),
            next_in=round(due_in, 1), **trace_id(payment.traceparent),
        )  # fmt: skip
        reason = Reason.of("lookup_failed", error.reason)
        await self._lane.postpone(payment, "stalled", due_in=due_in, tries=payment.tries + 1, reason=reason)

    async def pause(self, lane: Lane, claimed: ClaimedPayments, error: IamportError) -> None:
        """Pause the lane of a merchant for which i'mport fails. One probe after each pause tests i'mport again."""
        pause = min(jittered(wait(self._settings.fetch_schedule, claimed.failures), self._rng), LONGEST_PAUSE)
        if isinstance(error, IamportFailing) and error.retry_after:
            pause = min(max(pause, error.retry_after), 10 * LONGEST_PAUSE)
        level = log.error if isinstance(error, WrongCredentials) else log.warning
        try:
            await self._lane.pause(lane, pause, error.reason)
        finally:
            level(
                "iamport_failing", merchant=lane.name, error=str(error), payments=len(claimed.payments),
                next_in=round(pause, 1),
            )  # fmt: skip
        self._metrics.breakers.open(lane.name)
        await asyncio.gather(*(self._for_pause(lane, payment) for payment in claimed.payments))

    async def _for_pause(self, lane: Lane, payment: ClaimedPayment) -> None:
        """Postpone a payment whose lane is paused. For an unknown payment the failure does not count as a try, because
        its tries are limited."""
        if lane.kind == "unknown":
            due_in, tries = 0.0, payment.tries
        else:
            due_in, tries = self._due_in(payment), payment.tries + 1
        await self._lane.postpone(payment, "stalled", due_in=due_in, tries=tries)

    def _due_in(self, payment: ClaimedPayment) -> float:
        """Seconds until a payment is looked up again after a failure."""
        return jittered(wait(self._settings.fetch_schedule, payment.tries), self._rng)
