"""What the receiver asks of the ledger, and of the spool in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

from schemas.payments.notification import Notification

Accept = Callable[[Notification], Awaitable[None]]
"""Keeps one notification; returns when it is on disk. Accepting one id twice is accepting it once. `Postponed` leaves
this one where it is, and the others go on."""

Place = Literal["redis", "spool"]
"""Where an accepted notification is on disk."""


class Postponed(Exception):
    """One notification could not be handed over, though others may be: it is tried again later."""


class Durability(Protocol):
    """How safe the ledger's Redis is; `reasons` name what is weak about it, in words."""

    @property
    def durable(self) -> bool:
        """Append-only file, `appendfsync always`, `noeviction`."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Empty where it is durable."""


class Ledger(Protocol):
    """The part of the ledger that a receiver needs. Every call raises `LedgerUnavailable` within 2 s at most."""

    async def accept(self, notification: Notification, /) -> None:
        """Note the notification and mark its payment dirty. Raises `UnknownMerchant`, `LedgerUnavailable`."""

    async def durability(self) -> Durability:
        """Ask Redis how it keeps what it is given."""

    async def takes_webhooks(self, merchant: str, token_hash: str | None, /) -> bool:
        """Whether there is such a merchant and this is the hash of its webhook token (None: it has none)."""

    async def known_merchants(self) -> Mapping[str, str | None]:
        """Every merchant, with the SHA-256 in hex of its webhook token or None."""

    async def count_refusals(self, by_status: Mapping[str, int], by_reason: Mapping[str, int], /) -> None:
        """Add to the counts of refused webhooks that operators see: `merchant:status`, and `merchant:reason` of those
        whose bodies were of no use."""


class Spool(Protocol):
    """Where notifications wait while the ledger cannot take them."""

    @property
    def waiting(self) -> int:
        """Notifications kept here that the ledger does not have yet, as far as this process knows."""

    async def accept(self, notification: Notification, /, *, budget: str | None = None) -> None:
        """Keep a notification; returns when it is on disk. `budget` is for one whose merchant is not known: the source
        that it counts for, "" for one that is not counted by itself. Raises `SpoolUnavailable`, `BudgetSpent`."""

    async def drain(self, accept: Accept, /, *, keep: bool = False) -> int:
        """Hand everything to `accept`, oldest first; how many it took. `keep` leaves it here all the same. Raises what
        `accept` raises, but for `Postponed`, and `SpoolUnavailable`."""

    async def trouble(self) -> str | None:
        """Why nothing could be kept here now, in words; None when it could."""

    async def close(self) -> None:
        """Finish what is being written and let go of the folder."""
