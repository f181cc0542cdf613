"""What real payments do, as i'mport's documents tell it, played with time compressed.

The first line of each scenario's docstring is what `relay trigger` shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from sandbox.book import SandboxPayment
from sandbox.stage import Stage

_REFUND = {"refund_holder": "Hong Gildong", "refund_bank": "004", "refund_account": "0000000000"}


async def _paid(stage: Stage, **fields: Any) -> SandboxPayment:
    payment = stage.book.approve(stage.start(**fields))
    await stage.webhook(payment)
    return payment


async def _account_issued(stage: Stage, deadline: int, **fields: Any) -> SandboxPayment:
    payment = stage.book.issue_account(stage.start(**fields), deadline)
    await stage.webhook(payment)
    return payment


async def card(stage: Stage) -> None:
    """A card payment is approved."""
    await _paid(stage)


async def failed(stage: Stage) -> None:
    """A scheduled payment is tried and fails; of an ordinary failure i'mport would say nothing."""
    payment = stage.start(channel="api", customer_uid="customer_1", customer_uid_usage="payment.scheduled")
    stage.book.fail(payment, "[한도초과] 카드 한도를 초과하였습니다")
    await stage.webhook(payment)


async def scheduled(stage: Stage) -> None:
    """A scheduled payment with a billing key is tried and approved."""
    await _paid(stage, channel="api", customer_uid="customer_1", customer_uid_usage="payment.scheduled")


async def promotion(stage: Stage) -> None:
    """A payment with a promotion's discount is approved, then cancelled in terms of the full amount."""
    payment = await _paid(stage, amount=10000, promotion={"id": "promotion-id-1", "discount": 1000})
    await stage.pause()
    await stage.cancel_in_console(payment, reason="all of it")


async def decimals(stage: Stage) -> None:
    """A payment in USD is approved and given back in two parts, with cents."""
    payment = await _paid(stage, amount=Decimal("10.10"), currency="USD")
    await stage.pause()
    await stage.cancel_in_console(payment, payment.left - Decimal("3.05"), reason="most of it")
    await stage.pause()
    await stage.cancel_in_console(payment, reason="the rest")


async def virtual_account(stage: Stage) -> None:
    """A virtual account is issued, later the deposit comes."""
    payment = await _account_issued(stage, stage.book.now + 86400)
    await stage.pause()
    stage.book.approve(payment)
    await stage.webhook(payment)


async def virtual_account_expired(stage: Stage) -> None:
    """A virtual account's deadline passes without a deposit; i'mport never announces this."""
    payment = await _account_issued(stage, stage.book.now + stage.options.deadline)
    await stage.until_deadline(payment)


async def virtual_account_late_deposit(stage: Stage) -> None:
    """A virtual account is paid into after its deadline."""
    payment = await _account_issued(stage, stage.book.now + stage.options.deadline)
    await stage.until_deadline(payment)
    await stage.pause(3)
    stage.book.approve(payment)
    await stage.webhook(payment)


async def fixed_virtual_account(stage: Stage) -> None:
    """A fixed virtual account, issued with amount 0, takes three deposits."""
    payment = await _account_issued(stage, 0, amount=0)
    for amount, depositor in ((5000, "Kim"), (3000, "Lee"), (5000, "Kim")):
        await stage.pause()
        stage.book.deposit(payment, amount, depositor)
        await stage.webhook(payment, "paid")


async def cancel_before_deposit(stage: Stage) -> None:
    """A virtual account is cancelled in i'mport's console before anything was paid."""
    payment = await _account_issued(stage, stage.book.now + 86400)
    await stage.pause()
    stage.book.void(payment, "not wanted any more")
    await stage.webhook(payment)


async def paymentwall(stage: Stage) -> None:
    """A Paymentwall payment is approved: pingback, then webhook."""
    await _paid(stage, pg_provider="paymentwall")


async def paymentwall_late_approval(stage: Stage) -> None:
    """Paymentwall reviews: first failed with an internal error of the PG, then approved after all."""
    payment = stage.start(pg_provider="paymentwall")
    stage.book.fail(payment, "[PAYMENTWALL] Internal error")
    await stage.webhook(payment)
    await stage.pause(2)
    stage.book.approve(payment)
    await stage.webhook(payment)


async def paymentwall_cancel(stage: Stage) -> None:
    """A Paymentwall cancellation: a ticket is opened, nothing changes, then it is final."""
    payment = await _paid(stage, pg_provider="paymentwall")
    await stage.pause()
    await stage.ask_to_cancel(payment, reason="changed my mind")
    await stage.ticket_decided(payment)


async def paymentwall_cancel_rejected(stage: Stage) -> None:
    """A Paymentwall cancellation is turned down: the payment stays paid."""
    payment = stage.book.approve(stage.start(outcome="rejected", pg_provider="paymentwall"))
    await stage.webhook(payment)
    await stage.pause()
    await stage.ask_to_cancel(payment, reason="changed my mind")
    await stage.ticket_decided(payment)


async def paypal_pending(stage: Stage) -> None:
    """A PayPal approval is pending, a status of its own, and then paid."""
    payment = stage.start(pg_provider="paypal_v2", pay_method="paypal", amount=Decimal("20.00"), currency="USD")
    stage.book.patch(payment, status="pending")
    await stage.webhook(payment)
    await stage.pause(2)
    stage.book.approve(payment)
    await stage.webhook(payment)


async def paypal_cancel(stage: Stage) -> None:
    """A PayPal cancellation waits until cancel_history holds it."""
    payment = await _paid(stage, pg_provider="paypal_v2", pay_method="paypal", amount=Decimal("20.00"), currency="USD")
    await stage.pause()
    await stage.ask_to_cancel(payment, reason="changed my mind")
    await stage.ticket_decided(payment)


async def smartro_refund(stage: Stage) -> None:
    """A Smartro virtual account is refunded; only a later webhook says so."""
    payment = await _account_issued(stage, stage.book.now + 86400, pg_provider="smartro_v2")
    await stage.pause()
    stage.book.approve(payment)
    await stage.webhook(payment)
    await stage.pause()
    await stage.ask_to_cancel(payment, reason="returned", **_REFUND)
    await stage.ticket_decided(payment)


async def partial_cancel(stage: Stage) -> None:
    """Part of a card payment is cancelled in i'mport's console; the status stays paid."""
    payment = await _paid(stage)
    await stage.pause()
    await stage.cancel_in_console(payment, payment.total // 4, reason="one item")


async def full_cancel_in_steps(stage: Stage) -> None:
    """A card payment is cancelled in three steps."""
    payment = await _paid(stage)
    part = payment.total // 3
    for amount in (part, part, None):
        await stage.pause()
        await stage.cancel_in_console(payment, amount, reason="step by step")


async def taken_back(stage: Stage) -> None:
    """A cancellation is taken back at the gateway on the same day: the payment reads paid again, a webhook says so."""
    payment = await _paid(stage)
    await stage.pause()
    await stage.cancel_in_console(payment, reason="by mistake")
    await stage.pause()
    stage.book.undo(payment)
    await stage.webhook(payment)


async def duplicate(stage: Stage) -> None:
    """One approval is announced twenty times at once."""
    payment = stage.book.approve(stage.start())
    await asyncio.gather(*(stage.webhook(payment) for _ in range(stage.options.copies)))


async def out_of_order(stage: Stage) -> None:
    """A virtual account's webhooks arrive the wrong way round: paid, then ready."""
    payment = stage.book.issue_account(stage.start(), stage.book.now + 86400)
    stage.book.approve(payment)
    await stage.webhook(payment, "paid")
    await stage.pause()
    await stage.webhook(payment, "ready")


async def lost_webhook(stage: Stage) -> None:
    """A card payment is approved and its webhook never comes: only asking finds it."""
    stage.book.approve(stage.start())


async def missed_webhooks(stage: Stage) -> None:
    """Only a cancellation's webhook comes: the first look shows paid and cancelled together."""
    payment = stage.book.approve(stage.start())
    await stage.pause()
    await stage.cancel_in_console(payment, reason="changed my mind")


async def forged(stage: Stage) -> None:
    """Made-up webhooks: of a payment nobody knows, and of a cancellation that never was."""
    await stage.forge(imp_uid="imp_000000000000", merchant_uid="order_made_up", status="paid")
    payment = await _paid(stage)
    await stage.pause()
    claim = {"imp_uid": payment.imp_uid, "merchant_uid": payment.fields["merchant_uid"], "status": "cancelled"}
    await stage.forge(**claim, cancellation_id="cancellation_made_up")


async def test_call(stage: Stage) -> None:
    """The test button of i'mport's console posts a made-up payment."""
    await stage.forge(imp_uid="imp_1234567890", merchant_uid="merchant_1234567890", status="paid")


async def test_channel(stage: Stage) -> None:
    """A payment of a test channel is approved; a merchant without include_sandbox hears nothing of it."""
    await _paid(stage, sandbox=True)


async def amount_mismatch(stage: Stage) -> None:
    """A payment of 900 comes for an order that was registered beforehand with 1004."""
    payment = stage.start(amount=900)
    order = payment.fields["merchant_uid"]
    stage.book.prepared[order] = {"merchant_uid": order, "amount": 1004, "currency": "KRW"}
    stage.book.approve(payment)
    await stage.webhook(payment)


async def sub_merchant(stage: Stage) -> None:
    """A payment of an agency's sub-merchant is approved: i'mport shows it to whoever sends its code (SUB) only."""
    await _paid(stage, tier="SUB")


async def escrow(stage: Stage) -> None:
    """An Inicis escrow purchase is paid and shipped; the buyer refuses it, and the shop confirms that."""
    payment = await _paid(stage, escrow=True, pay_method="trans")
    for code, denied_reason in (("2", None), ("4", "사이즈가 맞지 않습니다"), ("10", None)):
        await stage.pause()
        await stage.escrow_changed(payment, code, denied_reason)


_PLAYED: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    card,
    failed,
    scheduled,
    promotion,
    decimals,
    virtual_account,
    virtual_account_expired,
    virtual_account_late_deposit,
    fixed_virtual_account,
    cancel_before_deposit,
    paymentwall,
    paymentwall_late_approval,
    paymentwall_cancel,
    paymentwall_cancel_rejected,
    paypal_pending,
    paypal_cancel,
    smartro_refund,
    partial_cancel,
    full_cancel_in_steps,
    taken_back,
    duplicate,
    out_of_order,
    lost_webhook,
    missed_webhooks,
    forged,
    test_call,
    test_channel,
    amount_mismatch,
    sub_merchant,
    escrow,
)
SCENARIOS: Mapping[str, Callable[[Stage], Awaitable[None]]] = {
    scenario.__name__.replace("_", "-"): scenario for scenario in _PLAYED
}
