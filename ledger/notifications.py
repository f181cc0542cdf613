"""Notifications: webhooks as they were accepted, each with its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ledger import keys
from ledger.cells import Cells
from ledger.rows import Row, hashes, newest, seconds, text
from ledger.store import Store
from schemas import wire
from schemas.errors import NotFound
from schemas.reasons import Reason, stored

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
    """Reads notifications."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def get(self, identity: str) -> StoredNotification:
        """The notification of this id. Raises `NotFound`."""
        found = await self.some([identity])
        if not found:
            raise NotFound(Reason.of("not_found", kind="notification", id=identity))
        return found[0]

    async def some(self, identities: Sequence[str]) -> Sequence[StoredNotification]:
        """Those of these notifications that the ledger has."""
        found: dict[str, StoredNotification] = {}
        cells = await self._cells.holding(identities, keys.NOTIFICATION)
        for store in dict.fromkeys(cells.values()):
            mine = [identity for identity, its_store in cells.items() if its_store is store]
            found |= {one.id: one for one in await _some(store, mine)}
        return [found[identity] for identity in identities if identity in found]

    async def of_payment(self, merchant: str, imp_uid: str, most: int) -> Sequence[StoredNotification]:
        """The latest notifications for one payment, the latest first."""
        store, index = self._cells.of(merchant), keys.NOTIFICATIONS_OF_PAYMENT(keys.payment(merchant, imp_uid))
        return await _some(store, await newest(store, index, most))


async def _some(store: Store, identities: Sequence[str]) -> Sequence[StoredNotification]:
    rows = await hashes(store, [keys.NOTIFICATION(identity) for identity in identities])
    return [_notification(identity, row) for identity, row in zip(identities, rows, strict=True) if row]


def _notification(identity: str, row: Row) -> StoredNotification:
    outcome: Outcome = next((one for one in get_args(Outcome) if one == text(row, "outcome")), "pending")
    return StoredNotification(
        id=identity,
        merchant=text(row, "merchant") or "",
        imp_uid=text(row, "imp_uid") or "",
        merchant_uid=text(row, "merchant_uid"),
        status=text(row, "status"),
        cancellation_id=text(row, "cancellation_id"),
        source=text(row, "source"),
        received_at=seconds(row, "received_at") or 0.0,
        outcome=outcome,
        reason=stored((row.get("trouble") if outcome == "pending" else None) or row.get("reason")),
        extra=wire.loads(row.get("extra") or b"{}"),
    )
