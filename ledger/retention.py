"""Retention: remove old payments; a tombstone of each keeps its facts from being announced again."""

from __future__ import annotations

from ledger import keys
from ledger.rows import hashes
from ledger.store import Store
from schemas.endpoints.endpoint import ENDPOINT_TYPES, TEST_TYPE
from schemas.payments import codec

BATCH = 200
_WITHOUT_PAYMENT = (*ENDPOINT_TYPES, TEST_TYPE)
"""Types of events that belong to no payment."""


class Retention:
    """Removes old rows, a bounded number at a time, except those with unfinished work."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tidy(self, *, older_than: float, rejected_before: float) -> int:
        """Remove some of what has not changed since ``older_than`` (UNIX seconds); how much was removed.

        Rejected notifications go when they came before ``rejected_before``. Raises `LedgerUnavailable`.
        """
        before = round(older_than * 1000)
        removed = int(await self._store.run("tidy_notifications", before, round(rejected_before * 1000), BATCH))
        removed += int(await self._store.run("tidy_events", before, BATCH, len(_WITHOUT_PAYMENT), *_WITHOUT_PAYMENT))
        removed += int(await self._store.run("tidy_replays", before, BATCH))
        removed += int(await self._store.run("tidy_reconciliations", before, BATCH))
        removed += int(await self._store.run("tidy_merchants", before, BATCH))
        removed += int(await self._store.run("tidy_endpoints", before, BATCH))
        for name in await self._store.run("list_old_payments", before, BATCH):
            removed += await self._remove_payment(name.decode(), before)
        return removed

    async def _remove_payment(self, name: str, before: int) -> int:
        merchant, _, imp_uid = name.partition("/")
        fields, facts = await hashes(self._store, [keys.PAYMENT(name), keys.FACTS(name)])
        if not fields:
            return 0
        record = codec.load_record(merchant, imp_uid, fields, codec.load_facts(facts))
        tombstone = codec.dump_tombstone(record) if record.facts else b""
        args = (merchant, imp_uid, record.version, before, tombstone)
        while (answer := await self._store.run("remove_payment", *args)) == b"more":
            pass
        return int(answer == b"gone")
