"""Forget the buyer of a payment, wherever it is."""

from __future__ import annotations

from console.context import Context


async def erase_buyer(context: Context, merchant: str, imp_uid: str) -> None:
    """Blank what tells who paid, for good: in the ledger, and in history as soon as that is recorded. A payment that
    has left the ledger is put back first, so that a look-up that comes at the same time cannot bring the buyer back.

    Raises `NotFound`, `Conflict` while something of it is still to be delivered, and `HistoryUnavailable` where only
    history has it.
    """
    await context.ledger.cold.fetch(context.history.whole_payments, [(merchant, imp_uid)])
    await context.ledger.erasing.erase(merchant, imp_uid)
