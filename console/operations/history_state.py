"""Whether history can be read, and how far behind the ledger it is."""

from __future__ import annotations

import time
from dataclasses import dataclass

from console.context import Context
from schemas.errors import HistoryUnavailable
from schemas.reasons import Reason
from schemas.thresholds import FAR_BEHIND

PATIENCE = 1.0
"""Seconds to wait for history's answer; after that it counts as away."""
GOOD_FOR = 2.0
"""Seconds for which pages reuse a state."""


@dataclass(frozen=True, slots=True)
class HistoryState:
    """`waiting` is the number of changes that are not recorded yet; the oldest has waited for `behind_seconds`.
    `reason` says why history cannot be read, None if it can."""

    behind_seconds: float
    waiting: int
    reason: Reason | None = None

    @property
    def available(self) -> bool:
        """Whether history can be read."""
        return self.reason is None

    @property
    def is_well(self) -> bool:
        """Whether history can be read and is not far behind."""
        return self.available and self.behind_seconds <= FAR_BEHIND


async def history_state(context: Context) -> HistoryState:
    """The state now. Raises `LedgerUnavailable`."""
    outbox = await context.ledger.outbox.state()
    try:
        await context.history.ping(PATIENCE)
    except HistoryUnavailable as error:
        return HistoryState(outbox.behind, outbox.waiting, error.reason)
    return HistoryState(outbox.behind, outbox.waiting)


class HistoryWatch:
    """The state for code that shows it on every page: it is read at most once in `GOOD_FOR` seconds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: HistoryState | None = None
        self._seen_at = float("-inf")

    async def recent(self) -> HistoryState:
        """A state that is at most `GOOD_FOR` seconds old. Raises `LedgerUnavailable`."""
        if self._seen is None or time.monotonic() - self._seen_at > GOOD_FOR:
            self._seen = await history_state(self._context)
            self._seen_at = time.monotonic()
        return self._seen
