"""How many notifications wait in this receiver's spool, reported to the ledger, where operators see it."""

from __future__ import annotations

import os
import socket
from typing import Protocol

from receiver.ports import Spool


class Reports(Protocol):
    """The part of the ledger that takes reports."""

    async def report_spool(self, receiver: str, waiting: int, /) -> None:
        """Store it. Raises `LedgerUnavailable`."""


class SpoolReport:
    """Reports under this process's name: host, port and process id."""

    def __init__(self, ledger: Reports, spool: Spool, port: int) -> None:
        self._ledger = ledger
        self._spool = spool
        self._name = f"{socket.gethostname()}:{port}:{os.getpid()}"

    async def report(self) -> None:
        """Report once. Raises `LedgerUnavailable`."""
        await self._ledger.report_spool(self._name, self._spool.waiting)
