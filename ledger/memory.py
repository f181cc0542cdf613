"""How full Redis is. From 95 % of `maxmemory` on nothing new is begun until an operator frees memory."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.store import Store
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes in `used` of `most`, 0 where Redis has no limit. `nearly_full`: nothing new is begun."""

    used: int
    most: int
    nearly_full: bool

    @property
    def ratio(self) -> float | None:
        """The share that is in use; None where there is no limit."""
        return round(self.used / self.most, 4) if self.most else None

    @property
    def trouble(self) -> Reason | None:
        """Why nothing new is begun, where it is nearly full."""
        return Reason.of("memory_nearly_full", percent=100 * self.used // self.most) if self.nearly_full else None


async def memory(store: Store) -> Memory:
    """How full Redis is now; answered by a full one, too. Raises `LedgerUnavailable`."""
    used, most, nearly_full = await store.run("read_memory")
    return Memory(int(used), int(most), bool(nearly_full))
