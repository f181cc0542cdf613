"""Looking at a payment now, and waiting for what the look finds."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from console.context import Context
from console.http.models import Nothing, OfMerchant, Out
from console.http.operation import Call, Operation, OperationResult
from console.resources.payments import PaymentOut, payment_out
from schemas.errors import HiddenPayment, Invalid, NotFound
from schemas.payments.snapshot import IMP_UID
from schemas.reasons import Reason

PATIENCE = 10.0
"""Seconds for which an answer waits for a look."""
_LOOK_EVERY = 0.1


class Looking(Out):
    """A look that has not come to an end yet."""

    merchant: str
    imp_uid: str
    state: Literal["looking"]


async def refreshed(context: Context, merchant: str, imp_uid: str) -> bool:
    """Ask for a look and wait for one that began after this; False where it takes longer than `PATIENCE`.

    Raises `NotFound` where there is no such merchant, or i'mport knows no such payment, and `HiddenPayment`.
    """
    ledger = context.ledger
    if merchant not in await ledger.merchants.names():
        raise NotFound(Reason.of("not_found", kind="merchant", id=merchant))
    asked, before = await ledger.store.now(), await ledger.payments.look(merchant, imp_uid)
    await ledger.refresh_lane.mark_dirty(merchant, imp_uid)
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        await asyncio.sleep(_LOOK_EVERY)
        look = await ledger.payments.look(merchant, imp_uid)
        if look.hidden_at is not None and look.hidden_at >= asked:
            raise HiddenPayment(imp_uid, merchant)
        if look.fetched_at is not None and look.fetched_at >= asked:
            return True
        if look.fetched_at is None and (look.unknown > before.unknown or not look.due):
            raise NotFound(Reason.of("payment_unknown_to_iamport", imp_uid=imp_uid, merchant=merchant))
    return False


async def refresh(call: Call[OfMerchant, Nothing]) -> OperationResult:
    """Look at a payment now."""
    merchant, imp_uid = call.query.merchant, call.path["imp_uid"]
    if not IMP_UID.fullmatch(imp_uid):
        raise Invalid("imp_uid", Reason.of("not_an_imp_uid"))
    if not await refreshed(call.context, merchant, imp_uid):
        return OperationResult(Looking(merchant=merchant, imp_uid=imp_uid, state="looking"), 202)
    payment = await call.context.ledger.payments.get(merchant, imp_uid)
    return OperationResult(await payment_out(call.context, payment))


OPERATIONS = (
    Operation(
        "POST", "/v1/payments/{imp_uid}/refresh", "Look at it now", refresh, {200: PaymentOut, 202: Looking},
        query=OfMerchant, problems=(404,),
    ),
)  # fmt: skip
