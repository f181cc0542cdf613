"""Forget the buyer of a payment, wherever it is."""

from __future__ import annotations

from console.context import Context
from schemas.errors import Conflict, NotFound
from schemas.outbox import cold_record
from schemas.outbox.codec import pack
from schemas.outbox.entries import Erasure
from schemas.payments.erased_record import erased
from schemas.reasons import Reason


async def erase_buyer(context: Context, merchant: str, imp_uid: str) -> None:
    """Blank what tells who paid, for good: in the ledger, and in history as soon as that is recorded; in history at
    once where the payment has left the ledger.

    Raises `NotFound`, `Conflict` while something of it is still to be delivered, and `HistoryUnavailable` where only
    history has it.
    """
    try:
        await context.ledger.erasing.erase(merchant, imp_uid)
    except NotFound:
        await _erase_in_history(context, merchant, imp_uid)


async def _erase_in_history(context: Context, merchant: str, imp_uid: str) -> None:
    payment = await context.history.payments.get(merchant, imp_uid)
    awaited_by = await context.history.deliveries.awaited_by(merchant, imp_uid)
    if awaited_by & (await context.ledger.endpoints.states()).keys():  # one that was deleted waits for nothing
        raise Conflict(Reason.of("erased_when_delivered", imp_uid=imp_uid))
    at = round(1000 * await context.ledger.now())
    record = erased(cold_record.load(merchant, imp_uid, payment.record, payment.snapshot), at)
    erasure = Erasure(merchant, imp_uid, record.erased_at or at, cold_record.dump(record))
    await context.history.erase(erasure)
    # What is still on its way there is blanked behind it.
    await context.ledger.outbox.append_of(merchant, [pack(erasure)])
