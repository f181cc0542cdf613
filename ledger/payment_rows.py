"""The row of a payment, as scripts return it: the head, which scripts read themselves, the record, i'mport's object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger import keys
from ledger.store import Store
from schemas.errors import NotFound
from schemas.outbox import cold_record
from schemas.payments.decide import Record
from schemas.reasons import Reason

MOST_BYTES = 524_288
"""About how many bytes of records are read at once."""


class PaymentRow(NamedTuple):
    """A payment as it is stored. ``first_at`` and ``fetched_at`` in ms; ``announced``: events of it were delivered."""

    merchant: str
    imp_uid: str
    first_at: int
    fetched_at: int | None
    announced: bool
    record: bytes
    object: bytes

    def load(self) -> Record:
        """Its record, unpacked."""
        return cold_record.load(self.merchant, self.imp_uid, self.record, self.object)


def of_row(merchant: str, imp_uid: str, row: Sequence[bytes]) -> PaymentRow:
    """A row as `whole_record` in shared/records.lua reads it."""
    head, record, shown = row
    _version, first_at, fetched_at, _webhook_at, _snap, words, _merchant_uid = head.split(b" ", 6)
    return PaymentRow(
        merchant, imp_uid, int(first_at), int(fetched_at) if fetched_at else None, b"announced" in words, record, shown
    )


async def read(store: Store, merchant: str, imp_uid: str) -> PaymentRow:
    """One payment. Raises `NotFound` before the first refresh that found it, and `LedgerUnavailable`."""
    _, (row,) = await store.run("read_payments", MOST_BYTES, 1, keys.payment(merchant, imp_uid))
    if not row:
        raise NotFound(Reason.of("payment_not_found", imp_uid=imp_uid, merchant=merchant))
    return of_row(merchant, imp_uid, row)
