"""How much of a spool may be used by webhooks of merchants that this receiver does not know.

Such a merchant may be new or made up, and only the ledger knows which. So these webhooks are spooled while the ledger
cannot be asked. But made-up merchants must not fill the disk: each source may have `PER_SOURCE` of these webhooks in a
spool, and all sources together a tenth of the spool.
"""

from __future__ import annotations

from collections import Counter

PER_SOURCE = 1000
"""Webhooks of one source. i'mport's own addresses have the name "" and no such limit: i'mport sends for all merchants
from three addresses."""
SHARE = 10
"""All sources together may use the spool's bytes divided by this."""
OVERHEAD = 512
"""Bytes that each row counts beyond its own size: SQLite needs them to store it."""


class SpoolBudget:
    """How much of a spool's budget is spent. Only one thread may take and release; any thread may ask `has_room`."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        """Bytes of the whole spool."""
        self._bytes = 0
        self._rows: Counter[str] = Counter()

    @property
    def unspent(self) -> bool:
        """Whether no row counts for the budget."""
        return not self._rows

    def has_room(self, source: str, size: int) -> bool:
        """Whether one more row of `size` bytes fits."""
        if source and self._rows[source] >= PER_SOURCE:
            return False
        return self._bytes + size + OVERHEAD <= self.most_bytes // SHARE

    def take(self, source: str, size: int, rows: int = 1) -> None:
        """Count `rows` rows of `size` bytes in all, whether or not they fit."""
        self._rows[source] += rows
        self._bytes += size + rows * OVERHEAD

    def release(self, source: str, size: int) -> None:
        """A row of `size` bytes has left the spool."""
        self._rows[source] -= 1
        if self._rows[source] <= 0:
            del self._rows[source]
        self._bytes -= size + OVERHEAD
