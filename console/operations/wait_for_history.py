"""Lists are read from history, which is a moment behind the ledger: wait until it has caught up."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Generic, TypeVar

from console.context import Context
from ledger.outbox import reached
from schemas.errors import HistoryUnavailable
from schemas.reasons import Reason

PATIENCE = 1.0
"""Seconds for which a list waits for what the ledger has just changed."""
ANSWER_WITHIN = 3.0
"""Seconds after which a database that does not answer at all is away."""
_POLL_EVERY = 0.01

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HistoryPage(Generic[T]):
    """Some rows of a list and the cursor of those that follow, if there may be any. They are as history had them, which
    was `behind` by so many seconds: 0 where it had all that the ledger had when the list was asked for."""

    rows: tuple[T, ...]
    next_cursor: str | None = None
    behind: float = 0.0


async def wait_for_history(context: Context) -> float:
    """Wait, up to `PATIENCE`, until history has what the ledger has changed before this call.

    Returns 0 then; else for how many seconds the oldest change has waited to be recorded. Raises `HistoryUnavailable`
    and `LedgerUnavailable`.
    """
    target = await context.ledger.outbox.state()
    began = time.monotonic()
    while not reached(await _place(context, target.name), target.last):
        waited = time.monotonic() - began
        if waited >= PATIENCE:
            return max((await context.ledger.outbox.state()).behind, waited)
        await asyncio.sleep(_POLL_EVERY)
    return 0.0


async def _place(context: Context, outbox: str) -> str:
    try:
        return await asyncio.wait_for(context.history.place(outbox), ANSWER_WITHIN)
    except TimeoutError:
        raise HistoryUnavailable(Reason.of("history_timed_out")) from None
