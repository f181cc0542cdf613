"""Notifications: webhooks as they were accepted, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ledger.merchants import Merchants
from ledger.pages import Page, PageRequest, walk
from ledger.rows import Row, hashes, seconds, text
from ledger.store import Store
from schemas import wire
from schemas.errors import NotFound

Outcome = Literal["pending", "applied", "unchanged", "rejected"]


@dataclass(frozen=True, slots=True)
class StoredNotification:
    """A webhook as it came (what it says is a claim), and its outcome: pending, applied, unchanged or rejected.
    `reason` says why it was rejected, or why it stays pending although i'mport is well. `extra` is what else its body
    held."""

    id: str
    merchant: str
    imp_uid: str
    merchant_uid: str | None
    status: str | None
    cancellation_id: str | None
    source: str | None
    received_at: float
    outcome: Outcome
    reason: str | None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Notifications:
    """What came in, newest first."""

    def __init__(self, store: Store, merchants: Merchants) -> None:
        self._store = store
        self._merchants = merchants

    async def get(self, identity: str) -> StoredNotification:
        """The notification of this id. Raises `NotFound`."""
        row = (await hashes(self._store, [f"ntf:{identity}"]))[0]
        if not row:
            raise NotFound(f"there is no notification {identity!r}")
        return _notification(identity, row)

    async def list(
        self,
        part: PageRequest,
        *,
        merchant: str | None = None,
        imp_uid: str | None = None,
        outcome: Outcome | None = None,
    ) -> Page[StoredNotification]:
        """Notifications of one merchant or all, for one payment, with one outcome."""
        musts = [f"ntfs:o:{outcome}"] if outcome is not None else []
        if imp_uid is not None:
            merchants = [merchant] if merchant is not None else await self._merchants.names()
            walks = [f"ntfs:p:{name}/{imp_uid}" for name in merchants]
        else:
            walks = [f"ntfs:m:{merchant}"] if merchant is not None else ["ntfs"]
        page = await walk(self._store, walks, musts, part=part)
        rows = await hashes(self._store, [f"ntf:{identity}" for identity in page.rows])
        found = tuple(_notification(identity, row) for identity, row in zip(page.rows, rows, strict=True) if row)
        return Page(found, page.next_cursor)


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
        reason=(text(row, "trouble") if outcome == "pending" else None) or text(row, "reason"),
        extra=wire.loads(row.get("extra") or b"{}"),
    )
