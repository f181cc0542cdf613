"""The job that erases buyers again after Redis came back with a copy from before they were erased.

It finds their payments in the audit: a payment's row in history may have the buyer again too, from a look-up since.
"""

from __future__ import annotations

import structlog

from history import History
from ledger import Ledger
from schemas import wire
from schemas.errors import Conflict, NotFound
from schemas.payments.erasure import ERASE

log = structlog.get_logger()

SOONEST, LATEST = 60.0, 3600.0
"""Seconds between two tries."""


class EraseAgainJob:
    """The jobs of the lane ``job/erase_again`` of each cell; a job's id is the time at which the copy ends, in UNIX
    ms."""

    def __init__(self, ledger: Ledger, history: History) -> None:
        self._ledger = ledger
        self._history = history

    async def step(self, copy_ends: str, now: float, cell: int = 0) -> float | None:
        """Erase all buyers again that were erased since the copy; return the seconds until the next step, or None when
        no payment waits. Raises `LedgerUnavailable` and `HistoryUnavailable`."""
        acts = await self._history.audit.since(int(copy_ends), ERASE)
        payments = dict.fromkeys((wire.loads(act.detail)["merchant"], act.object) for act in acts)
        erasing, whole = self._ledger.erasing, self._history.whole_payments
        erased, waiting = 0, 0
        for merchant, imp_uid in payments:
            if not erasing.is_in(merchant, cell):
                continue
            try:
                erased += await erasing.erase_again(whole, merchant, imp_uid)
            except NotFound:
                hint = "neither the ledger nor history has it"
                log.warning("erased_payment_unknown", merchant=merchant, imp_uid=imp_uid, hint=hint)
            except Conflict:
                waiting += 1
        if erased:
            hint = "Redis came back with a copy that had them"
            log.warning("buyers_erased_again", cell=cell, payments=erased, waiting=waiting, hint=hint)
        return self._again_in(now - int(copy_ends) / 1000) if waiting else None

    def _again_in(self, age: float) -> float:
        """Seconds until the next try for payments with unfinished deliveries: a tenth of ``age``, because deliveries
        may take days."""
        return min(max(age / 10, SOONEST), LATEST)
