"""What history costs, and how fast it answers when it is full: python -m bench.history URL [PAYMENTS] [BATCH].

Fills an empty history with payments (a notification, an event, a delivery and an attempt each), as a recorder would:
packed entries, batches of BATCH payments, one transaction each. CPU time is that of this process: with SQLite all of
it, with PostgreSQL the client's part.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from history import History
from history.batch import Packed
from history.pages import PageRequest
from runtime.history_url import parse
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
ENDPOINT = "ep_m7kvpwuxarswm3udbe56"
ASKED = 20
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


async def fill(history: History, payments: int, batch: int) -> None:
    """Record payments, and say what each has cost."""
    some, rng, used = templates(random.Random(1)), random.Random(2), 0.0
    for first in range(0, payments, batch):
        numbers = range(first, min(first + batch, payments))
        entries: list[Packed] = [(pack(one), b"") for n in numbers for one in way(n, rng.choice(some))]
        after = await history.place("bench")
        before = time.process_time()
        assert await history.record("bench", after=after, upto=f"{first + 1}-0", entries=entries)
        used += time.process_time() - before if first else 0
    counted = max(payments - batch, 1)
    print(f"recording, batches of {batch} payments: {used / counted * 1e6:.1f} µs CPU a payment")


async def ask(history: History, payments: int) -> None:
    """Ask what operators ask, and say how long it took (wall time; median and slowest)."""
    middle = payments // 2
    page = PageRequest(50)
    since, until = ((BEGAN + middle * EVERY) / 1000 + days * 86400 for days in (0, 1))

    async def first_piece() -> Any:
        return await anext(history.exports.stream("payments", since=since))

    async def deep() -> Any:
        cursor = (await history.payments.list(PageRequest(1, until=since))).next_cursor
        return await history.payments.list(PageRequest(50, cursor))

    questions: dict[str, Callable[[], Awaitable[Any]]] = {
        "payments, first page": lambda: history.payments.list(page),
        "payments, a page in the middle": deep,
        "payments of a status": lambda: history.payments.list(page, status="paid"),
        "payments of a rare status": lambda: history.payments.list(page, status="failed"),
        "events of a window": lambda: history.events.list(PageRequest(50, since=since, until=until)),
        "events of a type": lambda: history.events.list(page, type_="payment.paid"),
        "deliveries, first page": lambda: history.deliveries.list(page),
        "deliveries that are dead": lambda: history.deliveries.list(page, state="dead"),
        "deliveries, three filters": lambda: history.deliveries.list(
            page, endpoint=ENDPOINT, merchant="unknown", type_="payment.paid"
        ),
        "notifications of a payment": lambda: history.notifications.list(page, imp_uid=f"imp_{middle:012d}"),
        "an order number": lambda: history.find(f"ORD-2023-{middle:08d}"),
        "a buyer": lambda: history.find("홍길동"),
        "an unknown buyer": lambda: history.find("unknown@nowhere"),
        "an export's first piece": first_piece,
        "a batch of 100 cold payments": lambda: history.payments.some(
            [("default", f"imp_{(n * 9973) % payments:012d}") for n in range(100)]
        ),
    }
    for name, question in questions.items():
        took = []
        for _ in range(ASKED):
            began = time.perf_counter()
            await question()
            took.append((time.perf_counter() - began) * 1000)
        print(f"{name}: {statistics.median(took):.1f} ms, slowest {max(took):.1f} ms")


async def main(url: str, payments: int = 20_000, batch: int = 200) -> None:
    """Fill and ask."""
    history = History.connect(parse(url))
    await history.prepare()
    if await history.is_empty():
        await fill(history, payments, batch)
    await ask(history, await history.payments.count())
    await history.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
