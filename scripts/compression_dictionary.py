"""Trains the dictionary that stored objects are compressed with: python -m scripts.compression_dictionary > FILE.

What is written once is read for years, so a dictionary is never replaced: a better one would come beside it, under
another number (zstd frames name theirs).
"""

from __future__ import annotations

import base64
import random
import textwrap
from collections.abc import Iterator
from typing import Any

import zstandard

from sandbox.blank_payment import blank_payment
from schemas import wire
from schemas.payments.decide import Policy, Record, decide
from schemas.payments.snapshot import Snapshot

NUMBER = 1
SIZE = 8192
SAMPLES = 3000

_HEAD = '''"""The first dictionary of `schemas.compression`: what i'mport's objects and our callbacks have in common.

Made by `python -m scripts.compression_dictionary` from payments with random values. Never to be changed: what was
compressed with it is read for years.
"""

from __future__ import annotations

import base64

DICTIONARY = base64.b85decode(
'''


def samples(rng: random.Random) -> Iterator[bytes]:
    """Objects and callbacks' bodies of all kinds, with nothing in common but their shape."""
    for place in range(SAMPLES):
        snapshot = Snapshot.parse(wire.loads(wire.dumps(_payment(rng, 1_600_000_000 + rng.randrange(10**8)))))
        change = decide(Record("default", snapshot.imp_uid), snapshot, snapshot.started_at + 60, Policy())
        yield snapshot.raw
        yield from (event.body if place % 2 else event.callback.text for event in change.events)


def _payment(rng: random.Random, now: int) -> dict[str, Any]:
    payment = blank_payment(now)
    tid = f"{rng.choice(['StdpayCARDINIpayTest', 'tviva', 'nictest00m', 'T'])}{rng.randrange(10**20):020d}"
    receipt = rng.choice(["https://iniweb.inicis.com/receipt?noTid=", "https://dashboard.tosspayments.com/receipt?id="])
    payment |= {
        "imp_uid": f"imp_{rng.randrange(10**12):012d}",
        "merchant_uid": _text(rng, "order_ORD-0123456789abcdef", 14),
        "pg_provider": rng.choice(["html5_inicis", "tosspayments", "nice", "kakaopay", "naverpay", "kcp", "paypal"]),
        "pg_tid": tid,
        "pg_id": _text(rng, "abcdefghijklmnop0123456789", 10),
        "name": _hangul(rng, 10),
        "amount": rng.randrange(10, 30_000) * 100,
        "buyer_name": _hangul(rng, 3),
        "buyer_email": f"{_text(rng, 'abcdefghijklmnop0123456789', 8)}@{rng.choice(['naver.com', 'gmail.com'])}",
        "buyer_tel": f"010-{rng.randrange(10**4):04d}-{rng.randrange(10**4):04d}",
        "buyer_addr": f"{rng.choice(['서울특별시', '경기도', '부산광역시'])} {_hangul(rng, 8)} {rng.randrange(900)}",
        "buyer_postcode": f"{rng.randrange(10**5):05d}",
        "user_agent": "Mozilla/5.0 (" + rng.choice(["iPhone; CPU iPhone OS 17_5 like Mac OS X", "Linux; Android 14"]),
        "status": "paid",
        "paid_at": now + rng.randrange(90),
        "receipt_url": receipt + tid,
    }
    kind = rng.random()
    if kind < 0.6:
        payment |= {
            "apply_num": f"{rng.randrange(10**8):08d}",
            "card_code": f"{rng.randrange(361, 381)}",
            "card_name": rng.choice(["BC카드", "KB국민카드", "신한카드", "현대카드", "삼성카드"]),
            "card_number": f"{rng.randrange(10**6):06d}******{rng.randrange(10**4):04d}",
            "card_type": rng.choice([0, 1]),
            "card_quota": rng.choice([0, 0, 3, 6, 12]),
        }
    else:
        payment |= {
            "pay_method": "vbank",
            "vbank_code": f"{rng.randrange(100):03d}",
            "vbank_name": rng.choice(["KB국민은행", "신한은행", "우리은행", "농협은행"]),
            "vbank_num": f"{rng.randrange(10**14):014d}",
            "vbank_holder": _hangul(rng, 4),
            "vbank_date": now + 86400,
            "vbank_issued_at": now,
            "status": rng.choice(["ready", "paid"]),
        }
    if kind < 0.15:
        entry = {
            "pg_tid": tid,
            "amount": payment["amount"],
            "cancelled_at": now + 3600,
            "reason": _hangul(rng, 6),
            "cancellation_id": _text(rng, "0123456789abcdef", 16),
            "receipt_url": receipt + tid,
        }
        payment |= {
            "status": "cancelled",
            "cancel_amount": payment["amount"],
            "cancelled_at": now + 3600,
            "cancel_reason": entry["reason"],
            "cancel_history": [entry],
        }
    return payment


def _text(rng: random.Random, letters: str, length: int) -> str:
    return "".join(rng.choice(letters) for _ in range(length))


def _hangul(rng: random.Random, length: int) -> str:
    return "".join(chr(rng.randrange(0xAC00, 0xD7A4)) for _ in range(length))


if __name__ == "__main__":
    trained = zstandard.train_dictionary(SIZE, list(samples(random.Random(1))), dict_id=NUMBER, level=3)
    lines = textwrap.wrap(base64.b85encode(trained.as_bytes()).decode(), 112)
    print(_HEAD + "\n".join(f'    r"{line}"' for line in lines).replace('"', '"') + "\n)")  # noqa: T201
