"""The job that erases buyers again whom Redis has once more, because it came back with a copy from before that.

The audit says whom: a payment's own row in history may have the buyer again as well, from a look-up in between.
"""

from __future__ import annotations

import structlog

from history import History
from ledger import Ledger
from schemas import wire
from schemas.errors import Conflict
from schemas.payments.erasure import ERASE

log = structlog.get_logger()

AGAIN_IN = 60.0
"""Seconds until the next try for payments of which something is still to be delivered."""


class EraseAgainJob:
    """The jobs of the lane ``job/erase_again`` of each cell; a job's id is when the copy ends, in UNIX ms."""

    def __init__(self, ledger: Ledger, history: History) -> None:
        self._ledger = ledger
        self._history = history

    async def step(self, copy_ends: str, _now: float, cell: int = 0) -> float | None:
        """Erase all; return the seconds until the next step, None where none is left. Raises `LedgerUnavailable` and
        `HistoryUnavailable`."""
        acts = await self._history.audit.since(int(copy_ends), ERASE)
        payments = dict.fromkeys((wire.loads(act.detail)["merchant"], act.object) for act in acts)
        erased, waiting = 0, 0
        for merchant, imp_uid in payments:
            try:
                erased += await self._ledger.erasing.erase_again(merchant, imp_uid, cell)
            except Conflict:
                waiting += 1
        if erased or waiting:
            log.warning(
                "buyers_erased_again", cell=cell, payments=erased, waiting=waiting,
                hint="Redis came back with a copy that had them; those that wait still have something to be delivered",
            )  # fmt: skip
        return AGAIN_IN if waiting else None
