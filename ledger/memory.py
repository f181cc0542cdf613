"""How full Redis is. From 95 % of `maxmemory` on nothing new is begun until an operator frees memory."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.store import Store


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
    def trouble(self) -> str | None:
        """In words, where it is nearly full."""
        if not self.nearly_full:
            return None
        return f"Redis is {100 * self.used // self.most} % full: nothing new is begun from 95 % of maxmemory on"


MAKE_ROOM = "raise maxmemory, or shorten RELAY_RETENTION"


async def memory(store: Store) -> Memory:
    """How full Redis is now; answered by a full one, too. Raises `LedgerUnavailable`."""
    used, most, nearly_full = await store.run("read_memory")
    return Memory(int(used), int(most), bool(nearly_full))
