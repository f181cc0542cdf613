"""Retention: what is over and old leaves the ledger, as history has it."""

from __future__ import annotations

from ledger import keys
from ledger.outbox import Outbox
from ledger.store import Store
from schemas.endpoints.endpoint import ENDPOINT_TYPES, TEST_TYPE

BATCH = 200
"""Rows of a kind that one step removes."""
MOST_ROWS = 100
"""Rows that one script removes of payments: others wait for it for a millisecond or two."""
_SCRIPTS = 25
"""Scripts of payments in one step."""
_WITHOUT_PAYMENT = (*ENDPOINT_TYPES, TEST_TYPE)
"""Types of events that belong to no payment."""


class Retention:
    """Removes old rows, a bounded number at a time, except those with unfinished work.

    Payments leave once history has them. To know that, it is noted where the outbox ends; when history has got there,
    it has all changes from before that note, and whatever changed after it is not old.
    """

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox
        self._noted: tuple[str, int] | None = None
        self.waits_for_history = False
        """Whether the last step left payments here because history did not have all of them yet."""

    async def tidy(self, *, older_than: float, place: str = "") -> int:
        """Remove some of what has not changed since ``older_than`` (UNIX seconds); how much was removed.

        ``place`` is what history has reached, as it says itself: it may have come back with an old copy since a
        recorder has seen it last. Nothing leaves while it is written again. Raises `LedgerUnavailable`.
        """
        self.waits_for_history = not all(await self._store.run("read_missing", keys.REWRITING(), keys.LACKING()))
        if self.waits_for_history:
            self._noted = None
            return 0
        before = round(older_than * 1000)
        removed = int(await self._store.run("tidy_events", before, BATCH, len(_WITHOUT_PAYMENT), *_WITHOUT_PAYMENT))
        removed += int(await self._store.run("tidy_replays", before, BATCH))
        removed += int(await self._store.run("tidy_reconciliations", before, BATCH))
        removed += int(await self._store.run("tidy_merchants", before, BATCH))
        removed += int(await self._store.run("tidy_endpoints", before, BATCH))
        return removed + await self._remove_payments(before, place)

    async def _remove_payments(self, before: int, reached: str) -> int:
        """Remove payments that have not changed since ``before`` (ms)."""
        if self._noted is None:
            state = await self._outbox.state()
            self._noted = (state.last, state.now)
        place, at = self._noted
        removed = 0
        for _ in range(_SCRIPTS):
            answer = await self._store.run("remove_payments", min(before, at), place, at, MOST_ROWS, reached)
            self.waits_for_history = answer is None
            if answer is None:
                return removed
            removed += int(answer[0]) + int(answer[1])
            if not answer[1]:
                break
        self._noted = None
        return removed
