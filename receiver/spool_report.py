"""Reports to operators, through the ledger, how much waits in this receiver's spool and what is wrong with it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Protocol

from receiver.interfaces import Spool
from schemas.reasons import Reason


class Reports(Protocol):
    """The part of the ledger that reports are stored in."""

    async def report_spool(self, receiver: str, waiting: int, trouble: Reason | None, /) -> None:
        """Store a report. Raises `LedgerUnavailable`."""


class SpoolReport:
    """Reports under this process's name: host, port and process id. `trouble` returns why the spool failed last, None
    while it works."""

    def __init__(self, ledger: Reports, spool: Spool, port: int, trouble: Callable[[], Reason | None]) -> None:
        self._ledger = ledger
        self._spool = spool
        self._trouble = trouble
        self._name = f"{socket.gethostname()}:{port}:{os.getpid()}"

    async def report(self) -> None:
        """Report once. Raises `LedgerUnavailable`."""
        await self._ledger.report_spool(self._name, self._spool.waiting, self._trouble())
