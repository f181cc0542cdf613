"""The scenarios: how real payments proceed according to i'mport's documentation, in compressed time.

`relay trigger` shows the first line of each scenario's docstring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from sandbox.payments import SandboxPayment
from sandbox.scenario_run import ScenarioRun

_REFUND = {"refund_holder": "Hong Gildong", "refund_bank": "004", "refund_account": "0000000000"}


async def _paid(run: ScenarioRun, **fields: Any) -> SandboxPayment:
    payment = run.payments.approve(run.start(**fields))
    await run.webhook(payment)
    return payment


async def _account_issued(run: ScenarioRun, deadline: int, **fields: Any) -> SandboxPayment:
    payment = run.payments.issue_account(run.start(**fields), deadline)
    await run.webhook(payment)
    return payment


async def card(run: ScenarioRun) -> None:
    """A card payment is approved."""
    await _paid(run)


async def failed(run: ScenarioRun) -> None:
    """A scheduled payment fails; of an ordinary failure i'mport would send no webhook."""
    payment = run.start(channel="api", customer_uid="customer_1", customer_uid_usage="payment.scheduled")
    run.payments.fail(payment, "[한도초과] 카드 한도를 초과하였습니다")
    await run.webhook(payment)


async def scheduled(run: ScenarioRun) -> None:
    """A scheduled payment with a billing key is approved."""
    await _paid(run, channel="api", customer_uid="customer_1", customer_uid_usage="payment.scheduled")


async def promotion(run: ScenarioRun) -> None:
    """A payment with a promotion's discount is approved, then cancelled for the full amount."""
    payment = await _paid(run, amount=10000, promotion={"id": "promotion-id-1", "discount": 1000})
    await run.pause()
    await run.cancel_in_console(payment, reason="all of it")


async def decimals(run: ScenarioRun) -> None:
    """A payment in USD is approved and refunded in two parts, with cents."""
    payment = await _paid(run, amount=Decimal("10.10"), currency="USD")
    await run.pause()
    await run.cancel_in_console(payment, payment.left - Decimal("3.05"), reason="most of it")
    await run.pause()
    await run.cancel_in_console(payment, reason="the rest")


async def virtual_account(run: ScenarioRun) -> None:
    """A virtual account is issued; the deposit comes later."""
    payment = await _account_issued(run, run.payments.now + 86400)
    await run.pause()
    run.payments.approve(payment)
    await run.webhook(payment)


async def virtual_account_expired(run: ScenarioRun) -> None:
    """A virtual account's deadline passes without a deposit; i'mport never announces this."""
    payment = await _account_issued(run, run.payments.now + run.options.deadline)
    await run.until_deadline(payment)


async def virtual_account_late_deposit(run: ScenarioRun) -> None:
    """A virtual account is paid after its deadline."""
    payment = await _account_issued(run, run.payments.now + run.options.deadline)
    await run.until_deadline(payment)
    await run.pause(3)
    run.payments.approve(payment)
    await run.webhook(payment)


async def fixed_virtual_account(run: ScenarioRun) -> None:
    """A fixed virtual account, issued with amount 0, takes three deposits."""
    payment = await _account_issued(run, 0, amount=0)
    for amount, depositor in ((5000, "Kim"), (3000, "Lee"), (5000, "Kim")):
        await run.pause()
        run.payments.deposit(payment, amount, depositor)
        await run.webhook(payment, "paid")


async def cancel_before_deposit(run: ScenarioRun) -> None:
    """A virtual account is cancelled in i'mport's console before anything was paid."""
    payment = await _account_issued(run, run.payments.now + 86400)
    await run.pause()
    run.payments.void(payment, "not wanted any more")
    await run.webhook(payment)


async def paymentwall(run: ScenarioRun) -> None:
    """A Paymentwall payment is approved: pingback, then webhook."""
    await _paid(run, pg_provider="paymentwall")


async def paymentwall_late_approval(run: ScenarioRun) -> None:
    """A Paymentwall payment is under review: first failed with an internal error, then approved."""
    payment = run.start(pg_provider="paymentwall")
    run.payments.fail(payment, "[PAYMENTWALL] Internal error")
    await run.webhook(payment)
    await run.pause(2)
    run.payments.approve(payment)
    await run.webhook(payment)


async def paymentwall_cancel(run: ScenarioRun) -> None:
    """A Paymentwall cancellation is pending at first, then final."""
    payment = await _paid(run, pg_provider="paymentwall")
    await run.pause()
    await run.ask_to_cancel(payment, reason="changed my mind")
    await run.until_cancellation_decided(payment)


async def paymentwall_cancel_rejected(run: ScenarioRun) -> None:
    """A Paymentwall cancellation is rejected: the payment stays paid."""
    payment = run.payments.approve(run.start(outcome="rejected", pg_provider="paymentwall"))
    await run.webhook(payment)
    await run.pause()
    await run.ask_to_cancel(payment, reason="changed my mind")
    await run.until_cancellation_decided(payment)


async def paypal_pending(run: ScenarioRun) -> None:
    """A PayPal payment is pending first (a status of its own), then paid."""
    payment = run.start(pg_provider="paypal_v2", pay_method="paypal", amount=Decimal("20.00"), currency="USD")
    run.payments.patch(payment, status="pending")
    await run.webhook(payment)
    await run.pause(2)
    run.payments.approve(payment)
    await run.webhook(payment)


async def paypal_cancel(run: ScenarioRun) -> None:
    """A PayPal cancellation is pending until cancel_history shows it."""
    payment = await _paid(run, pg_provider="paypal_v2", pay_method="paypal", amount=Decimal("20.00"), currency="USD")
    await run.pause()
    await run.ask_to_cancel(payment, reason="changed my mind")
    await run.until_cancellation_decided(payment)


async def smartro_refund(run: ScenarioRun) -> None:
    """A Smartro virtual account is refunded; only a later webhook reports it."""
    payment = await _account_issued(run, run.payments.now + 86400, pg_provider="smartro_v2")
    await run.pause()
    run.payments.approve(payment)
    await run.webhook(payment)
    await run.pause()
    await run.ask_to_cancel(payment, reason="returned", **_REFUND)
    await run.until_cancellation_decided(payment)


async def partial_cancel(run: ScenarioRun) -> None:
    """Part of a card payment is cancelled in i'mport's console; the status stays paid."""
    payment = await _paid(run)
    await run.pause()
    await run.cancel_in_console(payment, payment.total // 4, reason="one item")


async def full_cancel_in_steps(run: ScenarioRun) -> None:
    """A card payment is cancelled in three steps."""
    payment = await _paid(run)
    part = payment.total // 3
    for amount in (part, part, None):
        await run.pause()
        await run.cancel_in_console(payment, amount, reason="step by step")


async def taken_back(run: ScenarioRun) -> None:
    """A cancellation is taken back at the gateway on the same day; a webhook reports the payment as paid again."""
    payment = await _paid(run)
    await run.pause()
    await run.cancel_in_console(payment, reason="by mistake")
    await run.pause()
    run.payments.take_back(payment)
    await run.webhook(payment)


async def duplicate(run: ScenarioRun) -> None:
    """One approval is announced twenty times at once."""
    payment = run.payments.approve(run.start())
    await asyncio.gather(*(run.webhook(payment) for _ in range(run.options.copies)))


async def out_of_order(run: ScenarioRun) -> None:
    """A virtual account's webhooks arrive in the wrong order: paid, then ready."""
    payment = run.payments.issue_account(run.start(), run.payments.now + 86400)
    run.payments.approve(payment)
    await run.webhook(payment, "paid")
    await run.pause()
    await run.webhook(payment, "ready")


async def lost_webhook(run: ScenarioRun) -> None:
    """A card payment is approved and its webhook never comes: only a reconciliation or a refresh finds it."""
    run.payments.approve(run.start())


async def missed_webhooks(run: ScenarioRun) -> None:
    """Only the cancellation's webhook comes: the first look-up shows paid and cancelled together."""
    payment = run.payments.approve(run.start())
    await run.pause()
    await run.cancel_in_console(payment, reason="changed my mind")


async def forged(run: ScenarioRun) -> None:
    """Forged webhooks: for a payment that does not exist, and for a cancellation that never happened."""
    await run.forge(imp_uid="imp_000000000000", merchant_uid="order_made_up", status="paid")
    payment = await _paid(run)
    await run.pause()
    fields = {"imp_uid": payment.imp_uid, "merchant_uid": payment.fields["merchant_uid"], "status": "cancelled"}
    await run.forge(**fields, cancellation_id="cancellation_made_up")


async def test_call(run: ScenarioRun) -> None:
    """The test button of i'mport's console posts a made-up payment."""
    await run.forge(imp_uid="imp_1234567890", merchant_uid="merchant_1234567890", status="paid")


async def test_channel(run: ScenarioRun) -> None:
    """A payment of a test channel is approved; it does not exist for a merchant without include_sandbox."""
    await _paid(run, sandbox=True)


async def amount_mismatch(run: ScenarioRun) -> None:
    """A payment of 900 is approved for an order that was registered beforehand with 1004."""
    payment = run.start(amount=900)
    order = payment.fields["merchant_uid"]
    run.payments.prepared[order] = {"merchant_uid": order, "amount": 1004, "currency": "KRW"}
    run.payments.approve(payment)
    await run.webhook(payment)


async def sub_merchant(run: ScenarioRun) -> None:
    """A payment of an agency's sub-merchant is approved; i'mport shows it only to requests with its code (SUB)."""
    await _paid(run, tier="SUB")


async def escrow(run: ScenarioRun) -> None:
    """An Inicis escrow purchase is paid and shipped; the buyer refuses it, and the shop confirms that."""
    payment = await _paid(run, escrow=True, pay_method="trans")
    for code, denied_reason in (("2", None), ("4", "사이즈가 맞지 않습니다"), ("10", None)):
        await run.pause()
        await run.escrow_changed(payment, code, denied_reason)


_PLAYED: tuple[Callable[[ScenarioRun], Awaitable[None]], ...] = (
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
SCENARIOS: Mapping[str, Callable[[ScenarioRun], Awaitable[None]]] = {
    scenario.__name__.replace("_", "-"): scenario for scenario in _PLAYED
}
