"""Store what a merchant expects to be paid for an order."""

from __future__ import annotations

from decimal import Decimal

import structlog

from console.context import Context
from history.pages import PageRequest
from schemas.errors import HistoryUnavailable

log = structlog.get_logger()

MOST = 100
"""The most payments of an order that are compared; these are the newest."""


async def expect_amount(
    context: Context, merchant: str, merchant_uid: str, amount: Decimal, currency: str | None
) -> None:
    """Store the expected amount, in the currency's major unit, and compare the order's existing payments with it.
    Payments that have left the ledger are put back for that, unless history is away.

    Raises `NotFound` for an unknown merchant.
    """
    try:
        page = await context.history.payments.list(PageRequest(MOST), merchant=merchant, merchant_uid=merchant_uid)
        names = [(row.merchant, row.imp_uid) for row in page.rows]
        await context.ledger.cold.fetch(context.history.whole_payments, names)
    except HistoryUnavailable as error:
        log.warning("cold_payments_not_compared", merchant=merchant, merchant_uid=merchant_uid, error=str(error))
    await context.ledger.payments.expect(merchant, merchant_uid, amount, currency)
