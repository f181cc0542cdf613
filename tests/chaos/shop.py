"""What happens to payments at i'mport: each goes a few steps, and each step is one fact."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

Step = tuple[str, dict[str, Any]]
"""The type of the event without its prefix, and the fields of i'mport's object that it changes."""


def _paid(at: int) -> Step:
    return "paid", {"status": "paid", "paid_at": at}


def _cancelled(at: int, *amounts: int) -> Step:
    """The last of these amounts is cancelled; each entry of the history has an id of its own."""
    history = [
        {
            "cancellation_id": f"c{place}",
            "pg_tid": f"t{place}",
            "amount": amount,
            "cancelled_at": at - 10 * (len(amounts) - place),
        }
        for place, amount in enumerate(amounts, start=1)
    ]
    is_all = sum(amounts) == 1000
    fields = {"cancel_amount": sum(amounts), "cancel_history": history, "cancelled_at": at}
    return "cancelled" if is_all else "partially_cancelled", {**fields, "status": "cancelled" if is_all else "paid"}


def _ways(at: int) -> list[list[Step]]:
    account = {"pay_method": "vbank", "vbank_num": "110-1", "vbank_issued_at": at, "vbank_date": at + 86_400 * 90}
    return [
        [_paid(at)],
        [_paid(at), _cancelled(at + 10, 300), _cancelled(at + 20, 300, 700)],
        [("virtual_account_issued", account), _paid(at + 10)],
        [("failed", {"status": "failed", "failed_at": at}), _paid(at + 10)],
        [_paid(at), _cancelled(at + 10, 100), _cancelled(at + 20, 100, 200)],
    ]


@dataclass
class Payment:
    """A payment: what i'mport shows of it now, what has happened to it so far and what will."""

    imp_uid: str
    left: list[Step]
    told: list[str] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)

    def go_on(self) -> int:
        """Take the next step; which one it was, counted from 1."""
        event, fields = self.left.pop(0)
        self.shown |= fields
        self.told.append(event)
        return len(self.told)


class Shop:
    """All payments. ``began`` is when they began, in UNIX seconds: recent enough to be announced."""

    def __init__(self, rng: random.Random, began: int) -> None:
        self._rng = rng
        self._began = began
        self._open: list[Payment] = []
        self.payments: dict[str, Payment] = {}

    def next_step(self) -> tuple[Payment, int]:
        """Let something happen, to a payment that has been there for a while or to a new one."""
        if len(self._open) > 20 and self._rng.random() < 0.5:
            payment = self._open.pop(self._rng.randrange(len(self._open)))
        else:
            payment = self._new()
        step = payment.go_on()
        if payment.left:
            self._open.append(payment)
        return payment, step

    def _new(self) -> Payment:
        imp_uid = f"imp_{len(self.payments):08}"
        way = self._rng.choice(_ways(self._began + self._rng.randrange(600)))
        shown = {
            "imp_uid": imp_uid, "merchant_uid": f"order_{imp_uid}", "status": "ready", "amount": 1000,
            "cancel_amount": 0, "currency": "KRW", "pay_method": "card", "sandbox": False, "paid_at": 0,
        }  # fmt: skip
        self.payments[imp_uid] = Payment(imp_uid, list(way), shown=shown)
        return self.payments[imp_uid]
