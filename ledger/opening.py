"""Opening a ledger: only one that is known to belong to its history accepts webhooks and hands out work.

A Redis that was lost comes back empty. Without this it would take every payment for a new one and announce years of
them again.
"""

from __future__ import annotations

from typing import Protocol

import structlog

from ledger.store import Store
from schemas.errors import BadSetting, LedgerNotOpen
from schemas.reasons import Reason

log = structlog.get_logger()


class OwnedHistory(Protocol):
    """What opening asks of history. Raises `HistoryUnavailable`."""

    async def prepare(self) -> None:
        """Make the tables, or bring them up to date. Raises `BadSetting`."""

    async def adopt(self, ledger: str) -> str:
        """Make it the history of a ledger unless it is another's; returns whose it is."""

    async def hand_over(self, ledger: str) -> None:
        """Make it the history of this ledger, whosever it was."""

    async def is_empty(self) -> bool:
        """Whether nothing was ever recorded."""


async def open_with(store: Store, name: str, history: OwnedHistory) -> None:
    """Open the ledger of this name, whose history this has to be.

    Raises `BadSetting` where it is the history of another ledger; `LedgerNotOpen` where this ledger is empty and that
    history is not, so that it has to be restored; and `HistoryUnavailable` while it cannot be known.
    """
    owner = await history.adopt(name)
    if owner != name:
        if await history.is_empty():
            await history.hand_over(name)
        elif await store.run("is_empty"):
            raise LedgerNotOpen(Reason.of("ledger_lost"))
        else:
            raise BadSetting(
                f"RELAY_HISTORY_URL: this is the history of another ledger ({owner}), and the one at REDIS_URL is"
                f" {name}: give each relay a history of its own"
            )
    await open_ledger(store, name)


async def open_ledger(store: Store, name: str) -> None:
    """Open the ledger of this name, whose history is known to be its own. Raises `LedgerNotOpen` where Redis was
    emptied a moment ago."""
    if not await store.run("open", name, durable=True):
        raise LedgerNotOpen(Reason.of("ledger_not_open"))


async def is_open(store: Store) -> bool:
    """Whether the ledger was opened. Raises `LedgerUnavailable`."""
    return bool(await store.run("is_open"))
