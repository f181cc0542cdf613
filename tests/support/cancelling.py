"""What tests of cancellations share: a payment that is paid, and the request to cancel it."""

from __future__ import annotations

import itertools
import time
from typing import Any

import httpx

from tests.support.relay import Relay

REQUESTED = "cancellation_pending"
_numbers = itertools.count(1)


async def paid(relay: Relay, **fields: Any) -> str:
    """A payment of 1004 that the relay knows as paid; its imp_uid."""
    imp_uid = f"imp_c{next(_numbers)}"
    await relay.payment_at_iamport(
        **{"imp_uid": imp_uid, "status": "paid", "paid_at": int(time.time()), "amount": 1004, **fields}
    )
    await relay.webhook(imp_uid)
    await relay.until_told(imp_uid, "paid")
    return imp_uid


async def cancel(relay: Relay, imp_uid: str, **fields: Any) -> httpx.Response:
    """Ask the relay to cancel."""
    return await relay.api.post(f"/v1/payments/{imp_uid}/cancellations", json=fields)
