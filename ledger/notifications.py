"""Notifications that wait for a refresh. Those that are settled are in history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from ledger import keys
from ledger.cells import Cells
from ledger.scripting import raised
from ledger.waiting import in_order
from schemas import wire
from schemas.outbox.codec import unpack
from schemas.outbox.entries import Notification as Entry
from schemas.outbox.whole_payment import Name
from schemas.reasons import Reason, stored

MOST_ITEMS = 1_000
"""Items of the outbox that are searched for a notification: far more than a healthy history lacks."""

Outcome = Literal["pending", "applied", "unchanged", "rejected"]


@dataclass(frozen=True, slots=True)
class StoredNotification:
    """A webhook as it came (its content is not proved), and its outcome: pending, applied, unchanged or rejected.
    `reason` says why it was rejected, or why it is pending although i'mport works. `extra` is the rest of its
    body."""

    id: str
    merchant: str
    imp_uid: str
    merchant_uid: str | None
    status: str | None
    cancellation_id: str | None
    source: str | None
    received_at: float
    outcome: Outcome
    reason: Reason | None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Notifications:
    """Reads notifications that are pending, or that history does not have yet."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def of_payment(self, merchant: str, imp_uid: str, most: int) -> Sequence[StoredNotification]:
        """The pending notifications of one payment, ``most`` at most, the latest first."""
        return (await self.of_payments([(merchant, imp_uid)], most))[::-1]

    async def of_payments(self, names: Sequence[Name], most: int) -> Sequence[StoredNotification]:
        """The pending notifications of each of these payments, ``most`` of each at most, the oldest first."""
        if not names:
            return ()
        calls = [(self._cells.of(name[0]), (keys.payment(*name), most)) for name in names]
        found = raised(await self._cells.run("read_waiting", calls))
        return [_waiting(one, trouble) for trouble, *rows in found for one in in_order(stored for _, stored in rows)]

    async def waiting(self, names: Sequence[Name]) -> set[str]:
        """The ids of all pending notifications of these payments."""
        calls = [(self._cells.of(name[0]), (keys.payment(*name),)) for name in names]
        found = raised(await self._cells.run("read_notification_fields", calls))
        return {field[2:].decode() for fields in found for field in fields if field.startswith(b"n:")}

    async def unrecorded(self, identity: str) -> Entry | None:
        """The notification of this id, if it is among the latest that history does not have yet."""
        found = await self._cells.each("find_entry", identity, MOST_ITEMS)
        entries = (unpack(*one) for one in found if one)
        return next((entry for entry in entries if isinstance(entry, Entry) and entry.id == identity), None)


def stored_notification(row: Entry) -> StoredNotification:
    """The notification of an entry, in ledger or history."""
    return StoredNotification(
        id=row.id,
        merchant=row.merchant,
        imp_uid=row.imp_uid,
        merchant_uid=row.merchant_uid,
        status=row.status,
        cancellation_id=row.cancellation_id,
        source=row.source or None,
        received_at=row.received_at / 1000,
        outcome=next(outcome for outcome in get_args(Outcome) if outcome == row.outcome),
        reason=stored(row.reason),
        extra=wire.loads(row.extra or "{}"),
    )


def _waiting(row: Entry, trouble: bytes) -> StoredNotification:
    """A notification that waits, even if a script that ended halfway has settled it. `trouble` is why its payment has
    to wait, or empty."""
    found = replace(stored_notification(row), outcome="pending")
    return replace(found, reason=stored(trouble)) if trouble else found
