"""Cancellations: refused, final at once, or pending until the PG decides.

Paymentwall, PayPal and refunds of virtual accounts at Smartro and Daou are not immediate: until the PG has decided, the
payment stays as it was, and no webhook is sent for the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from sandbox.payments import Money, SandboxPayment, SandboxPayments, new_cancellation_id
from sandbox.responses import parse_number
from sandbox.webhooks import Webhooks

log = structlog.get_logger()

_SLOW_PGS = frozenset({"paymentwall", "paypal_v2"})
_SLOW_REFUND_PGS = frozenset({"smartro", "smartro_v2", "daou"})
_TAX_FREE_PGS = ("kcp", "kicc", "nice", "payco")
_REFUND_ACCOUNT = ("refund_holder", "refund_bank", "refund_account")


class CancellationRefused(Exception):
    """i'mport refuses the cancellation; nothing has changed."""


@dataclass(slots=True)
class PendingCancellation:
    """A cancellation that the PG has not decided yet; ``done`` is set once it has."""

    payment: SandboxPayment
    amount: Money
    reason: str
    cancellation_id: str = field(default_factory=new_cancellation_id)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Cancellations:
    """Decides on cancellation requests at once, or later in the PG's place."""

    def __init__(self, payments: SandboxPayments, webhooks: Webhooks) -> None:
        self._payments = payments
        self._webhooks = webhooks
        self._running: set[asyncio.Task[object]] = set()
        self._deciding = asyncio.Lock()
        self.pending: list[PendingCancellation] = []

    def ask(self, payment: SandboxPayment, form: Mapping[str, Any]) -> str | None:
        """`POST /payments/cancel`, or the button in i'mport's console; raises `CancellationRefused`.

        Returns the cancellation's id if it is final at once; the caller may then announce it. Returns None if it is
        pending; its result is always announced.
        """
        amount = amount_to_cancel(payment, form)
        reason = form["reason"] if isinstance(form.get("reason"), str) else ""
        if not _is_slow(payment):
            cancellation_id = new_cancellation_id()
            self._payments.refund(payment, amount, reason, cancellation_id)
            return cancellation_id
        pending = PendingCancellation(payment, amount, reason)
        self.pending.append(pending)
        if payment.delayed_outcome.outcome != "never":
            self._run(self._decide_later(pending))
        return None

    def announce(self, payment: SandboxPayment, cancellation_id: str) -> None:
        """Sends the webhook of a final cancellation in the background (`enable_webhook`)."""
        self._run(self._webhooks.send(payment, "cancelled", cancellation_id))

    def latest_pending(self, payment: SandboxPayment) -> PendingCancellation | None:
        """The latest pending or decided cancellation of this payment at a slow PG."""
        return next((pending for pending in reversed(self.pending) if pending.payment is payment), None)

    async def decide(self, pending: PendingCancellation, outcome: str) -> None:
        """The PG's pingback: refunded, or declined (any other ``outcome``). Both are announced by a webhook."""
        async with self._deciding:
            if pending.done.is_set():
                return
            if outcome == "cancelled" and pending.amount <= pending.payment.left:
                self._payments.refund(pending.payment, pending.amount, pending.reason, pending.cancellation_id)
                await self._webhooks.send(pending.payment, "cancelled", pending.cancellation_id)
            else:
                await self._webhooks.send(pending.payment)
            pending.done.set()
            log.info("cancellation_decided", imp_uid=pending.payment.imp_uid, outcome=outcome)

    async def close(self) -> None:
        """Cancels the background work."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _decide_later(self, pending: PendingCancellation) -> None:
        await asyncio.sleep(pending.payment.delayed_outcome.seconds)
        await self.decide(pending, pending.payment.delayed_outcome.outcome)

    def _run(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def amount_to_cancel(payment: SandboxPayment, form: Mapping[str, Any]) -> Money:
    """The amount that a request cancels. Raises `CancellationRefused` with i'mport's reason.

    ``checksum``, the amount that the caller believes is left, is compared first. Without an amount, or with 0, the
    request cancels everything that is left.
    """
    if payment.fields["status"] not in ("paid", "cancelled"):
        raise CancellationRefused("결제완료 상태가 아닙니다")
    try:
        amount, checksum = parse_number(form.get("amount")), parse_number(form.get("checksum"))
    except ValueError:
        raise CancellationRefused("amount 또는 checksum이 숫자가 아닙니다") from None
    if checksum is not None and checksum != payment.left:
        raise CancellationRefused(f"취소 가능 금액이 일치하지 않습니다: 요청 {checksum}, 현재 {payment.left}")
    if payment.left <= 0:
        raise CancellationRefused("이미 전액취소된 주문입니다")
    amount = amount or payment.left
    if not 0 < amount <= payment.left:
        raise CancellationRefused(f"취소 가능 금액을 초과하였습니다: 요청 {amount}, 현재 {payment.left}")
    if str(payment.fields["pg_provider"]).startswith(_TAX_FREE_PGS) and form.get("tax_free") is None:
        raise CancellationRefused("취소 요청 금액 중 면세금액(tax_free)이 필요합니다")
    if payment.fields["pay_method"] == "vbank" and not all(form.get(name) for name in _REFUND_ACCOUNT):
        raise CancellationRefused("가상계좌 환불에는 refund_holder, refund_bank, refund_account가 필요합니다")
    return amount


def _is_slow(payment: SandboxPayment) -> bool:
    pg, by_account = payment.fields["pg_provider"], payment.fields["pay_method"] == "vbank"
    return pg in _SLOW_PGS or (by_account and pg in _SLOW_REFUND_PGS)
