"""Erase the buyer of a payment, in the ledger and in history."""

from __future__ import annotations

from console.context import Context


async def erase_buyer(context: Context, merchant: str, imp_uid: str) -> None:
    """Blank what tells who paid, for good: in the ledger at once, in history as soon as the erasure is recorded. A
    payment that has left the ledger is put back first, so that a look-up at the same time cannot bring the buyer back.

    Raises `NotFound`, `Conflict` while any of its events is still to be delivered, and `HistoryUnavailable` if only
    history has the payment.
    """
    await context.ledger.cold.fetch(context.history.whole_payments, [(merchant, imp_uid)])
    await context.ledger.erasing.erase(merchant, imp_uid)
