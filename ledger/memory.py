"""Memory pressure: while Redis is nearly full, nothing new is claimed until an operator frees memory."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.constants import NEARLY_FULL
from ledger.store import Store
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class Memory:
    """`used` bytes of `most` (0 if Redis has no limit). `nearly_full`: nothing new is claimed."""

    used: int
    most: int
    nearly_full: bool

    @property
    def ratio(self) -> float | None:
        """The share that is in use; None without a limit."""
        return round(self.used / self.most, 4) if self.most else None

    @property
    def trouble(self) -> Reason | None:
        """Why nothing new is claimed; None unless Redis is nearly full."""
        if not self.nearly_full:
            return None
        return Reason.of("memory_nearly_full", percent=100 * self.used // self.most, limit=round(100 * NEARLY_FULL))


async def memory(store: Store) -> Memory:
    """How full Redis is now; a full one answers as well. Raises `LedgerUnavailable`."""
    used, most, nearly_full = await store.run("read_memory")
    return Memory(int(used), int(most), bool(nearly_full))
