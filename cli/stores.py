"""Ledger and history, for the commands that talk to them directly instead of to a console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runtime.settings import Settings

if TYPE_CHECKING:
    from history import History
    from ledger import Ledger
    from runtime.encryption import Sealer


@asynccontextmanager
async def stores(settings: Settings) -> AsyncIterator[tuple[Ledger, History, Sealer]]:
    """Ledger and history while the block runs, and the sealer of the encryption keys. Nothing is connected yet."""
    from history import History  # imported here, as they would double the time of `relay --help`
    from ledger import Ledger
    from runtime.encryption import Sealer

    sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
    ledger = Ledger.of(settings)
    history = History.connect(settings.history_url)
    try:
        yield ledger, history, sealer
    finally:
        await history.close()
        await ledger.close()
