"""How much of a spool webhooks may take up whose merchant this receiver does not know.

While the ledger cannot be asked, such a merchant may be new or made up, and only the ledger can tell. So its webhooks
are kept, but strangers who make merchants up must not fill the disk: each source may have `PER_SOURCE` of them in a
spool, and all sources together a tenth of it.
"""

from __future__ import annotations

from collections import Counter

PER_SOURCE = 1000
"""Webhooks of one source. i'mport's own addresses go by the name "" and are not counted one by one: it sends for all
merchants from three of them."""
SHARE = 10
"""One part in so many of the spool's bytes, for all sources."""
OVERHEAD = 512
"""Bytes that a row counts beyond its own, for what SQLite and `_rows` need to keep it."""


class SpoolBudget:
    """What of a spool's budget is spent. Not for more than one thread that takes; any may ask `has_room`."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        """Bytes of the whole spool."""
        self._bytes = 0
        self._rows: Counter[str] = Counter()

    @property
    def unspent(self) -> bool:
        """Whether no row has taken anything of it."""
        return not self._rows

    def has_room(self, source: str, size: int) -> bool:
        """Whether one more row of `size` bytes could be taken."""
        if source and self._rows[source] >= PER_SOURCE:
            return False
        return self._bytes + size + OVERHEAD <= self.most_bytes // SHARE

    def take(self, source: str, size: int, rows: int = 1) -> None:
        """Spend what `rows` rows of `size` bytes in all need, without asking."""
        self._rows[source] += rows
        self._bytes += size + rows * OVERHEAD

    def release(self, source: str, size: int) -> None:
        """A row of `size` bytes has left the spool."""
        self._rows[source] -= 1
        if self._rows[source] <= 0:
            del self._rows[source]
        self._bytes -= size + OVERHEAD
