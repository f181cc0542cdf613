"""What the receiver needs of the ledger and of the spool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

from schemas.payments.notification import Notification
from schemas.reasons import Reason

Accept = Callable[[Notification], Awaitable[None]]
"""Stores one notification; returns when it is on disk. Accepting an id again changes nothing. If it raises
`Postponed`, this notification stays in the spool and the others go on."""

Place = Literal["redis", "spool"]
"""Where an accepted notification is on disk."""


class Postponed(Exception):
    """One notification could not be passed on, though others may be; it is tried again later."""


class DurabilityReport(Protocol):
    """Whether the ledger's Redis is durable, and which weaknesses it has if not."""

    @property
    def durable(self) -> bool:
        """Append-only file, `appendfsync always`, `noeviction`."""

    @property
    def weaknesses(self) -> tuple[Reason, ...]:
        """Empty if it is durable."""


ReadDurability = Callable[[], Awaitable[DurabilityReport]]
"""Reads whether Redis is durable. Raises `LedgerUnavailable`."""


class WebhookLedger(Protocol):
    """The part of the ledger that takes webhooks. Every call raises `LedgerUnavailable` within 2 s at most."""

    async def accept(self, notification: Notification, /) -> None:
        """Store the notification and mark its payment dirty. Raises `UnknownMerchant`, `LedgerUnavailable`."""

    async def takes_webhooks(self, merchant: str, token_hash: str | None, /) -> bool:
        """Whether there is such a merchant and this is the hash of its webhook token (None: it has none)."""

    async def known_merchants(self) -> Mapping[str, str | None]:
        """Every merchant, with the SHA-256 in hex of its webhook token or None."""

    async def count_refusals(self, by_status: Mapping[str, int], by_reason: Mapping[str, int], /) -> None:
        """Add to the counts of refused webhooks that operators see: `merchant:status`, and `merchant:reason` of those
        whose bodies were unusable."""


class Spool(Protocol):
    """Where notifications wait while the ledger cannot take them."""

    @property
    def waiting(self) -> int:
        """Notifications in the spool that the ledger does not have yet, as far as this process knows."""

    async def accept(self, notification: Notification, /, *, budget: str | None = None) -> None:
        """Store a notification; returns when it is on disk. If its merchant is not known, `budget` is the source that
        it counts for, "" for i'mport's own addresses. Raises `SpoolUnavailable`, `BudgetSpent`."""

    async def drain(self, accept: Accept, /, *, keep: bool = False) -> int:
        """Pass all rows to `accept`, oldest first, and remove those that it took unless `keep`; return how many it
        took. Raises what `accept` raises except `Postponed`, and `SpoolUnavailable`."""

    async def trouble(self) -> Reason | None:
        """Why nothing could be stored now; None when it could."""

    async def close(self) -> None:
        """Finish what is being written and release the folder."""
