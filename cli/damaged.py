"""Damaged rows of history: all other rows are put back, and the operator sees which were not and what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from schemas.errors import HistoryDamaged
from schemas.outbox.entries import Endpoint, Merchant, Order, Payment, Reconciliation, Replay

T = TypeVar("T")
Row = Merchant | Endpoint | Order | Payment | Replay | Reconciliation

_ADVICE = {
    "merchant": "set it up again: relay merchants put {id}",
    "endpoint": "create it again: relay endpoints create URL --merchant {merchant}",
    "order": "set it again: relay payments expect {id} AMOUNT --merchant {merchant}",
    "payment": "its webhooks and look-ups wait until history has a sound copy: put a backup of history in place",
    "event": "it is not sent any more: see docs/operating.md, Backups",
    "replay": "start it again: relay replay",
    "reconciliation": "start it again: relay reconcile --merchant {merchant}",
}


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that was not put back, and why. `id` is an imp_uid, an order number, a merchant's name, …"""

    what: str
    merchant: str
    id: str
    why: str

    @property
    def advice(self) -> str:
        """What an operator can do about it."""
        return _ADVICE[self.what].format(id=self.id, merchant=self.merchant)


async def put_sound_ones(
    rows: Sequence[T], put: Callable[[Sequence[T]], Awaitable[None]], found: dict[tuple[str, str, str], Damaged],
    named: Callable[[T], tuple[str, str, str]],
) -> None:  # fmt: skip
    """Put rows back together, or one by one if one of them is damaged. Adds each damaged row to `found`, under the name
    that `named` gives it (what, merchant, id)."""
    if not rows:
        return
    try:
        await put(rows)
    except (ValueError, HistoryDamaged) as error:
        if len(rows) == 1:
            name = named(rows[0])
            found[name] = Damaged(*name, str(error))
            return
        for row in rows:
            await put_sound_ones([row], put, found, named)


def name_of(row: Row) -> tuple[str, str, str]:
    """The kind of a row, its merchant, and its id."""
    fields: Any = row
    match row:
        case Merchant():
            return "merchant", row.name, row.name
        case Order():
            return "order", row.merchant, row.merchant_uid
        case Payment():
            return "payment", row.merchant, row.imp_uid
    return type(row).__name__.lower(), getattr(fields, "merchant", ""), fields.id
