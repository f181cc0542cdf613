"""Cancellations: what i'mport refuses, what is final at once, and what waits for a ticket at the PG.

Paymentwall, PayPal and refunds of virtual accounts at Smartro and Daou are not immediate: until the PG has decided,
the payment stays as it was, and no webhook is sent at request time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from sandbox.book import Book, Money, SandboxPayment, new_cancellation_id
from sandbox.responses import number
from sandbox.webhooks import Webhooks

log = structlog.get_logger()

_LATE_PGS = frozenset({"paymentwall", "paypal_v2"})
_LATE_REFUND_PGS = frozenset({"smartro", "smartro_v2", "daou"})
_TAX_FREE_PGS = ("kcp", "kicc", "nice", "payco")
_REFUND_ACCOUNT = ("refund_holder", "refund_bank", "refund_account")


class Refused(Exception):
    """i'mport says no; nothing has changed."""


@dataclass(slots=True)
class Ticket:
    """A cancellation that waits at the PG; ``done`` is set when it was decided."""

    payment: SandboxPayment
    amount: Money
    reason: str
    cancellation_id: str = field(default_factory=new_cancellation_id)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Cancellations:
    """Decides on requests, and on tickets one by one as their time comes."""

    def __init__(self, book: Book, webhooks: Webhooks) -> None:
        self._book = book
        self._webhooks = webhooks
        self._running: set[asyncio.Task[object]] = set()
        self._desk = asyncio.Lock()
        self.tickets: list[Ticket] = []

    def ask(self, payment: SandboxPayment, form: Mapping[str, Any]) -> str | None:
        """`POST /payments/cancel`, or the button in i'mport's console; raises `Refused`.

        The cancellation's id where it is final at once, for the caller to announce or not; None where a ticket was
        opened, whose result is always announced.
        """
        amount = amount_of(payment, form)
        reason = form["reason"] if isinstance(form.get("reason"), str) else ""
        if not _is_late(payment):
            cancellation_id = new_cancellation_id()
            self._book.take_back(payment, amount, reason, cancellation_id)
            return cancellation_id
        ticket = Ticket(payment, amount, reason)
        self.tickets.append(ticket)
        if payment.late.outcome != "never":
            self._run(self._decide_later(ticket))
        return None

    def announce(self, payment: SandboxPayment, cancellation_id: str) -> None:
        """Sends the webhook of a final cancellation in the background (`enable_webhook`)."""
        self._run(self._webhooks.send(payment, "cancelled", cancellation_id))

    def ticket_of(self, payment: SandboxPayment) -> Ticket | None:
        """The latest ticket of this payment."""
        return next((ticket for ticket in reversed(self.tickets) if ticket.payment is payment), None)

    async def decide(self, ticket: Ticket, outcome: str) -> None:
        """The PG's pingback: the money went back, or the ticket was turned down; either is announced by a webhook."""
        async with self._desk:
            if ticket.done.is_set():
                return
            if outcome == "cancelled" and ticket.amount <= ticket.payment.left:
                self._book.take_back(ticket.payment, ticket.amount, ticket.reason, ticket.cancellation_id)
                await self._webhooks.send(ticket.payment, "cancelled", ticket.cancellation_id)
            else:
                await self._webhooks.send(ticket.payment)
            ticket.done.set()
            log.info("ticket_decided", imp_uid=ticket.payment.imp_uid, outcome=outcome)

    async def close(self) -> None:
        """Stops what still waits."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _decide_later(self, ticket: Ticket) -> None:
        await asyncio.sleep(ticket.payment.late.seconds)
        await self.decide(ticket, ticket.payment.late.outcome)

    def _run(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def amount_of(payment: SandboxPayment, form: Mapping[str, Any]) -> Money:
    """How much a request takes back. Raises `Refused` with i'mport's reason.

    ``checksum`` is what the caller believes is left and is compared first; no amount, or 0, is all that is left.
    """
    if payment.fields["status"] not in ("paid", "cancelled"):
        raise Refused("결제완료 상태가 아닙니다")
    try:
        amount, checksum = number(form.get("amount")), number(form.get("checksum"))
    except ValueError:
        raise Refused("amount 또는 checksum이 숫자가 아닙니다") from None
    if checksum is not None and checksum != payment.left:
        raise Refused(f"취소 가능 금액이 일치하지 않습니다: 요청 {checksum}, 현재 {payment.left}")
    if payment.left <= 0:
        raise Refused("이미 전액취소된 주문입니다")
    amount = amount or payment.left
    if not 0 < amount <= payment.left:
        raise Refused(f"취소 가능 금액을 초과하였습니다: 요청 {amount}, 현재 {payment.left}")
    if str(payment.fields["pg_provider"]).startswith(_TAX_FREE_PGS) and form.get("tax_free") is None:
        raise Refused("취소 요청 금액 중 면세금액(tax_free)이 필요합니다")
    if payment.fields["pay_method"] == "vbank" and not all(form.get(name) for name in _REFUND_ACCOUNT):
        raise Refused("가상계좌 환불에는 refund_holder, refund_bank, refund_account가 필요합니다")
    return amount


def _is_late(payment: SandboxPayment) -> bool:
    pg, by_account = payment.fields["pg_provider"], payment.fields["pay_method"] == "vbank"
    return pg in _LATE_PGS or (by_account and pg in _LATE_REFUND_PGS)
