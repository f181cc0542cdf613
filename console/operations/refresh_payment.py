"""Refresh a payment now, and wait for the result."""

from __future__ import annotations

from console.context import Context
from console.operations.polling import poll
from console.operations.read_merchants import check_merchant
from ledger.payments import RefreshState
from schemas.errors import HiddenPayment, Invalid, NotFound
from schemas.payments.snapshot import IMP_UID
from schemas.reasons import Reason

PATIENCE = 10.0
"""Seconds for which a request waits for a refresh."""
POLL_EVERY = 0.1
"""Seconds between two reads while waiting."""


async def refresh_payment(context: Context, merchant: str, imp_uid: str) -> bool:
    """Refresh a payment. False if that takes longer than `PATIENCE`; the refresh goes on all the same.

    Raises `Invalid`, `NotFound` if there is no such merchant or i'mport knows no such payment, and `HiddenPayment`.
    """
    if not IMP_UID.fullmatch(imp_uid):
        raise Invalid("imp_uid", Reason.of("not_an_imp_uid"))
    return await refresh_and_wait(context, merchant, imp_uid)


async def refresh_and_wait(context: Context, merchant: str, imp_uid: str) -> bool:
    """Mark a payment dirty and wait for a look-up that begins after that; False after `PATIENCE`.

    Raises `NotFound` if there is no such merchant or i'mport knows no such payment, and `HiddenPayment`.
    """
    ledger = context.ledger
    await check_merchant(context, merchant)
    began, before = await ledger.now(), await ledger.payments.refresh_state(merchant, imp_uid)

    def is_refreshed(state: RefreshState) -> bool:
        if state.hidden_at is not None and state.hidden_at >= began:
            raise HiddenPayment(imp_uid, merchant)
        if state.fetched_at is None and (state.unknown > before.unknown or not state.due):
            raise NotFound(Reason.of("payment_unknown_to_iamport", imp_uid=imp_uid, merchant=merchant))
        return state.fetched_at is not None and state.fetched_at >= began

    await ledger.refresh_lane.mark_dirty(merchant, imp_uid)
    state = await poll(
        lambda: ledger.payments.refresh_state(merchant, imp_uid), is_refreshed, within=PATIENCE, every=POLL_EVERY
    )
    return is_refreshed(state)
