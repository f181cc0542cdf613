"""What workers do, done by hand and one step at a time, so that a test says what happened and when."""

from __future__ import annotations

import random
import time
from typing import Any

from ledger.keys import Lane
from ledger.ledger import Ledger
from schemas.endpoints.delivery import Attempt, Verdict
from schemas.errors import HiddenPayment
from schemas.payments.decide import Policy, decide
from schemas.payments.notification import new_id
from schemas.payments.snapshot import Snapshot
from tests.support.ledger_driver import notification
from tests.support.reasons import because

NOW = int(time.time())


def payment(imp_uid: str, **fields: Any) -> dict[str, Any]:
    """A card payment as i'mport shows it."""
    return {
        "imp_uid": imp_uid, "merchant_uid": f"order_{imp_uid}", "amount": 1004, "cancel_amount": 0, "currency": "KRW",
        "status": "paid", "paid_at": NOW, "sandbox": False, "pay_method": "card", "buyer_name": "홍길동", **fields,
    }  # fmt: skip


async def notify(
    ledger: Ledger, imp_uid: str, merchant: str = "default", *, extra: bytes = b"", verified: bool = False
) -> str:
    """A webhook for a payment comes in; its notification's id."""
    one = notification(
        imp_uid, id=new_id(time.time(), random.Random()), merchant=merchant, merchant_uid="claimed",
        source="203.0.113.7", verified=verified, extra=extra,
    )  # fmt: skip
    await ledger.intake.accept(one)
    return one.id


async def look_at(
    ledger: Ledger, found: dict[str, dict[str, Any]], merchant: str = "default", *, later: int = 0, **policy: Any
) -> None:
    """A worker looks at what is due of a merchant, so many seconds `later`; i'mport shows what was `found`, and knows
    nothing else."""
    claimed = await ledger.refresh_lane.claim(Lane("refresh", merchant))
    for one in claimed.payments:
        raw = found.get(one.record.imp_uid)
        if raw is None:
            await ledger.refresh_lane.postpone(
                one, "rejected", due_in=None, reason=because("unknown to i'mport"), tries=0
            )
            continue
        change = decide(
            one.record,
            Snapshot.parse(raw),
            int(claimed.now) + later,
            Policy(**policy),
            one.reported_cancellations,
            one.escrow_changes,
        )
        assert await ledger.refresh_lane.commit(change, claimed=one, now=claimed.now) == "ok"


async def hide(ledger: Ledger, imp_uid: str, merchant: str = "default") -> None:
    """A webhook for a payment of a test channel, and the look that finds out; the merchant does not include these."""
    await notify(ledger, imp_uid, merchant)
    claimed = await ledger.refresh_lane.claim(Lane("refresh", merchant))
    for one in claimed.payments:
        await ledger.refresh_lane.hide(one, reason=HiddenPayment(imp_uid, merchant).reason, now=claimed.now)


async def seen(ledger: Ledger, *imp_uids: str, merchant: str = "default", **fields: Any) -> None:
    """Webhooks for these payments, and the look that finds them."""
    for imp_uid in imp_uids:
        await notify(ledger, imp_uid, merchant)
    await look_at(ledger, {imp_uid: payment(imp_uid, **fields) for imp_uid in imp_uids}, merchant)


async def taken_back(ledger: Ledger, imp_uid: str) -> None:
    """A payment is paid, then cancelled, and the cancellation taken back: two looks a minute apart say so."""
    await seen(ledger, imp_uid)
    entry = {"amount": 1004, "cancelled_at": NOW, "cancellation_id": "c1", "pg_tid": "t", "reason": "r"}
    await seen(ledger, imp_uid, status="cancelled", cancel_amount=1004, cancel_history=[entry])
    await seen(ledger, imp_uid)
    await ledger.refresh_lane.mark_dirty("default", imp_uid)
    await look_at(ledger, {imp_uid: payment(imp_uid)}, later=61)


async def send(ledger: Ledger, endpoint: str, verdict: Verdict, *, status_code: int, response: str = "") -> int:
    """A worker sends what is due to an endpoint, all with this result; how many there were."""
    claimed = await ledger.delivery_lane.claim(Lane("deliver", endpoint))
    for delivery in claimed.deliveries:
        error = None if status_code < 300 else because(f"answered {status_code}")
        made = Attempt(time.time(), status_code, 12, error, response, replay=False)
        assert await ledger.delivery_lane.settle(delivery.lease, verdict, [made])
    return len(claimed.deliveries)
