"""Store what a merchant expects to be paid for an order."""

from __future__ import annotations

from decimal import Decimal

from console.context import Context


async def expect_amount(
    context: Context, merchant: str, merchant_uid: str, amount: Decimal, currency: str | None
) -> None:
    """Store the expected amount, in the currency's major unit; payments of the order that exist are compared with it.

    Raises `NotFound` for an unknown merchant.
    """
    await context.ledger.payments.expect(merchant, merchant_uid, amount, currency)
