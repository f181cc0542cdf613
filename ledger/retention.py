"""Retention: old rows with no unfinished work leave the ledger; history keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from ledger import keys
from ledger.cells import Cells
from ledger.outbox import Outbox
from ledger.scripting import raised
from ledger.store import Store
from schemas.endpoints.endpoint import ENDPOINT_TYPES, TEST_TYPE

BATCH = 200
"""Most rows of one kind that one step removes."""
MOST_ROWS = 100
"""Rows of payments that one script removes: it blocks Redis for a millisecond or two."""
_SCRIPTS = 25
"""Most scripts in one step that remove payments."""
_WITHOUT_PAYMENT = (*ENDPOINT_TYPES, TEST_TYPE)
"""Types of events that belong to no payment."""
_MAY_BE_OLD = (
    *(
        key()
        for key in (keys.AGEING, keys.REPLAYS, keys.RECONCILIATIONS, keys.DELETED_MERCHANTS, keys.DELETED_ENDPOINTS)
    ),
    *(keys.EVENTS_OF_TYPE(type_) for type_ in _WITHOUT_PAYMENT),
)
"""The keys in which everything that can grow old is listed."""


class Retention:
    """Removes old rows, a bounded number at a time, except those with unfinished work.

    Payments leave once history has them. To know that, it notes where the outbox ends, and when. Once history has
    reached that place, it has all changes from before that time; payments that changed later do not leave yet.
    """

    def __init__(self, cells: Cells, outbox: Outbox) -> None:
        self._cells = cells
        self._outbox = outbox
        self._noted: dict[Store, tuple[str, int]] = {}
        self.waits_for_history = False
        """Whether the last step left payments here because history did not have all of them yet."""

    async def tidy(self, *, older_than: float, places: Mapping[int, str] | None = None) -> int:
        """Remove some of what has not changed since ``older_than`` (UNIX seconds); return how much.

        ``places`` is how far history says it is in each cell: it may have come back with an old copy since the recorder
        last saw it. Nothing leaves while history is written again. Raises `LedgerUnavailable`.
        """
        self.waits_for_history = False
        # Cells without anything that can grow old are skipped: with few merchants, most cells are empty.
        held = await self._cells.scripting.ask([(store.prefix, _exists(store)) for store in self._cells])
        tidying = (
            self._tidy(store, round(older_than * 1000), (places or {}).get(store.cell or 0, ""))
            for store, found in zip(self._cells, held, strict=True)
            if found
        )
        # A cell that is away holds up no other.
        return sum(raised(await asyncio.gather(*tidying, return_exceptions=True)))

    async def _tidy(self, store: Store, before: int, place: str) -> int:
        if not all(await store.run("read_missing", keys.REWRITING(), keys.LACKING())):
            self.waits_for_history = True
            self._noted.pop(store, None)
            return 0
        removed = int(await store.run("tidy_events", before, BATCH, len(_WITHOUT_PAYMENT), *_WITHOUT_PAYMENT))
        for kind in ("replays", "reconciliations", "merchants", "endpoints"):
            removed += int(await store.run(f"tidy_{kind}", before, BATCH))
        return removed + await self._remove_payments(store, before, place)

    async def _remove_payments(self, store: Store, before: int, reached: str) -> int:
        """Remove payments that have not changed since ``before`` (ms)."""
        if store not in self._noted:
            (state,) = await self._outbox.states(store)
            self._noted[store] = (state.last, state.now)
        place, at = self._noted[store]
        removed = 0
        for _ in range(_SCRIPTS):
            answer = await store.run("remove_payments", min(before, at), place, at, MOST_ROWS, reached)
            if answer is None:
                self.waits_for_history = True
                return removed
            removed += int(answer[0]) + int(answer[1])
            if not answer[1]:
                break
        del self._noted[store]
        return removed


def _exists(store: Store) -> tuple[str, ...]:
    """The command that asks whether a cell holds anything that can grow old."""
    return ("EXISTS", *(store.prefix + name for name in _MAY_BE_OLD))
