"""Fills a history with payments (a notification, an event, a delivery and an attempt each), as a recorder would: packed
entries, one transaction a batch."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace

from history import History
from history.batch import Packed
from history.write import Move
from sandbox.blank_payment import blank_payment
from schemas import wire
from schemas.outbox import entries as e
from schemas.outbox import of_change
from schemas.outbox.codec import pack
from schemas.payments.decide import Policy, Record, decide
from schemas.payments.events import event_id
from schemas.payments.snapshot import Snapshot

BEGAN = 1_700_000_000_000
EVERY = 200
"""Milliseconds between two payments."""
TEMPLATES = 200
OUTBOX = "bench"
ENDPOINT = "ep_m7kvpwuxarswm3udbe56"
NAMES = ("홍길동", "김민수", "이서연", "박지훈", "최유진", "정하늘", "강도윤", "조은서")


def templates(rng: random.Random) -> list[tuple[e.Payment, e.Event]]:
    """Payments that differ as real ones do; their compressed objects are used again and again."""
    made = []
    for _ in range(TEMPLATES):
        number = f"{rng.randrange(10**10):010d}"
        looked_up = blank_payment(BEGAN // 1000) | {
            "status": "paid",
            "paid_at": BEGAN // 1000 + 20,
            "amount": rng.randrange(10, 3000) * 100,
            "buyer_name": rng.choice(NAMES),
            "buyer_email": f"user{number}@example.com",
            "buyer_tel": f"010-{number[:4]}-{number[4:8]}",
            "pg_tid": f"StdpayCARDINIpayTest{number}{number}",
            "apply_num": number[:8],
            "card_code": "366",
            "card_name": "신한카드",
            "receipt_url": f"https://iniweb.inicis.com/DefaultWebApp/mall/cr/cm/mCmReceipt_head.jsp?noTid={number}",
            "custom_data": f'{{"cart":{number}}}',
        }
        snapshot = Snapshot.parse(wire.loads(wire.dumps(looked_up)))
        change = decide(Record("default", snapshot.imp_uid), snapshot, BEGAN // 1000 + 60, Policy(lookback=10**9))
        event = of_change.of_events(change, BEGAN).events[0]
        made.append((of_change.of_payment(change.record, BEGAN), event))
    return made


def way(number: int, template: tuple[e.Payment, e.Event]) -> Iterator[e.Entry]:
    """What a payment puts into the outbox."""
    at, imp_uid, order = BEGAN + number * EVERY, f"imp_{number:012d}", f"ORD-2023-{number:08d}"
    payment, event = template
    event_at = replace(
        event, id=event_id("default", imp_uid, "paid"), imp_uid=imp_uid, merchant_uid=order, recorded_at=at + 40
    )
    notification = e.Notification(
        f"ntf_{number:026d}", "default", imp_uid, order, "paid", None, "52.78.100.19", True, at
    )
    delivery = e.Delivery(
        event_at.id, ENDPOINT, "default", imp_uid, event.type, 1, "pending", at + 40, at + 40, at + 40, revision=1
    )
    yield notification
    yield replace(
        payment, imp_uid=imp_uid, merchant_uid=order, first_at=at + 40, changed_at=at + 40, fetched_at=at + 40
    )
    yield event_at
    yield replace(notification, outcome="applied", revision=1)
    yield delivery
    yield e.Attempt(imp_uid, event_at.id, ENDPOINT, 1, at + 45, 200, 7, None, "ok")
    yield replace(delivery, state="delivered", changed_at=at + 60, next_attempt_at=None, attempts=1, revision=2)


async def fill(history: History, payments: int, *, first: int = 0, batch: int = 200) -> float:
    """Records payments that come one after the other, the first of them with this number; returns the seconds of CPU
    that writing them took this process and its threads, without making them up."""
    some, rng, used = templates(random.Random(1)), random.Random(2), 0.0
    for begin in range(first, first + payments, batch):
        numbers = range(begin, min(begin + batch, first + payments))
        entries: list[Packed] = [(pack(one), b"") for n in numbers for one in way(n, rng.choice(some))]
        after = await history.place(OUTBOX)
        before = time.process_time()
        if not await history.record_all([Move(OUTBOX, after, f"{begin + 1}-0")], entries):
            raise RuntimeError("somebody else records into this history")
        used += time.process_time() - before
    return used
