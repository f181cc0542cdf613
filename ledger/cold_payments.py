"""Cold payments: those that have left the ledger. They are put back from history before anything is done to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ledger import keys
from ledger.cells import Cells
from ledger.put_back import put_back
from ledger.rows import hashes, seconds
from schemas.errors import HistoryDamaged
from schemas.outbox import cold_record
from schemas.outbox.entries import Payment
from schemas.outbox.whole_payment import Name, WholePayment
from schemas.payments.decide import Record
from schemas.reasons import Reason


class ColdHistory(Protocol):
    """What cold payments need from history. Raises `HistoryUnavailable`."""

    async def records(self, names: Sequence[Name]) -> Mapping[Name, Payment]:
        """Those of these payments that it has, by one query."""

    async def of(self, payments: Sequence[Payment]) -> Sequence[WholePayment]:
        """These payments with all that belongs to them."""

    async def with_event(self, event_id: str) -> WholePayment | None:
        """The payment that an event belongs to, or the event alone if it has none; None if there is no such event."""


class ColdPayments:
    """Puts back payments that have left. Rows that the ledger has stay as they are; nothing goes into the outbox."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def fetch(self, history: ColdHistory, names: Sequence[Name]) -> None:
        """Put back those of these payments that have left. Raises `LedgerUnavailable` and `HistoryUnavailable`."""
        missing = await self.missing(names)
        if missing:
            await self.put_back(history, list((await history.records(missing)).values()))

    async def fetch_event(self, history: ColdHistory, event_id: str) -> None:
        """Put back an event, with its payment, if it has left. Raises as `fetch` does."""
        if await self._cells.of_event(event_id) is None:
            whole = await history.with_event(event_id)
            if whole is not None:
                await self._put_back([whole])

    async def put_back(self, history: ColdHistory, payments: Sequence[Payment]) -> None:
        """Put back payments as `ColdHistory.records` gave them. Raises as `fetch` does."""
        await self._put_back(await history.of(payments))

    @staticmethod
    def record_of(payment: Payment) -> Record:
        """The record of a payment as history has it. Raises `HistoryDamaged`."""
        try:
            return cold_record.load(payment.merchant, payment.imp_uid, payment.record, payment.snapshot)
        except ValueError as error:
            raise _damaged(payment.imp_uid, error) from None

    async def missing(self, names: Sequence[Name]) -> list[Name]:
        """Those of these payments that the ledger does not have."""
        absent = await self._cells.read_each(
            "read_missing_records",
            names,
            lambda name: self._cells.of(name[0]),
            lambda some: [keys.payment(*name) for name in some],
        )
        return [name for name, is_missing in zip(names, absent, strict=True) if is_missing]

    async def forgotten_until(self, merchant: str) -> float:
        """The last change (UNIX seconds) of the youngest payment that had left the ledger when history was lost: an
        older payment that neither knows may be one of those. 0 if history was never lost."""
        return seconds((await hashes(self._cells.of(merchant), [keys.FORGOTTEN()]))[0], "until") or 0.0

    async def _put_back(self, some: Sequence[WholePayment]) -> None:
        try:
            await put_back(self._cells, some)
        except ValueError as error:
            named = next((one.payment.imp_uid for one in some if one.payment is not None), "")
            raise _damaged(named, error) from None


def _damaged(imp_uid: str, error: ValueError) -> HistoryDamaged:
    return HistoryDamaged(Reason.of("history_payment_damaged", imp_uid=imp_uid, error=str(error)))
