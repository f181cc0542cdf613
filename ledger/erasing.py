"""Erase a buyer: everything that a ledger holds of a payment is written anew without them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import chain
from typing import Any

from ledger import attempt_rows, payment_rows
from ledger.cells import Cells
from ledger.cold_payments import ColdHistory, ColdPayments
from ledger.keys import PAYMENT, payment
from ledger.offload import offload
from ledger.rows import flat, hashes, paired
from ledger.scripting import Argument
from ledger.store import Store
from ledger.waiting import pack_stored, unpack_settled, unpack_stored
from ledger.whole_events import EventsPart, events_of_payments
from schemas import wire
from schemas.compression import compress, decompress
from schemas.errors import Conflict, NotFound
from schemas.outbox.codec import pack
from schemas.outbox.entries import Erasure
from schemas.outbox.of_change import of_payment
from schemas.payments.erased_record import erased
from schemas.payments.erasure import blank_json, blank_object, texts_to_blank
from schemas.reasons import Reason

TOGETHER = 200
"""Notifications that are read in one call."""


class Erasing:
    """Erase the buyer of one payment."""

    def __init__(self, cells: Cells, cold: ColdPayments) -> None:
        self._cells = cells
        self._cold = cold

    async def erase_again(self, history: ColdHistory, merchant: str, imp_uid: str) -> bool:
        """Erase a payment again, because Redis came back with an old copy: it has the buyer again, or will have after
        the next look-up. False if the buyer is erased already. A payment that the copy lacks is put back from history
        first, so that its record says whether it was. Raises as `erase` does, and `HistoryUnavailable`."""
        await self._cold.fetch(history, [(merchant, imp_uid)])
        row = await payment_rows.read(self._cells.of(merchant), merchant, imp_uid)
        if row.load().erased_at is not None:
            return False
        await self.erase(merchant, imp_uid)
        return True

    def is_in(self, merchant: str, cell: int) -> bool:
        """Whether a merchant's payments are in this cell."""
        return self._cells.number(merchant) == cell

    async def erase(self, merchant: str, imp_uid: str) -> None:
        """Blank the buyer in everything of a payment, and have history do the same. If this breaks off, erasing the
        payment again finishes it; the record says that it is erased only when all of it is.

        Raises `NotFound` if the ledger does not have the payment, `Conflict` while it has a pending delivery, and
        `LedgerUnavailable`.
        """
        store = self._cells.of(merchant)
        while True:
            settled = await store.run("read_settled", merchant, imp_uid)
            if settled is None:
                raise NotFound(Reason.of("payment_not_found", imp_uid=imp_uid, merchant=merchant))
            if not settled:
                raise Conflict(Reason.of("erased_when_delivered", imp_uid=imp_uid))
            row = await store.run("read_whole_payment", merchant, imp_uid)
            known = texts_to_blank(decompress(payment_rows.of_row(merchant, imp_uid, row[3]).object) or b"{}")
            shown = await _erase_events(store, merchant, imp_uid, known)
            await _erase_notifications(store, merchant, imp_uid)
            record = _record_args(merchant, imp_uid, row, shown, round(1000 * await store.now()))
            if await store.run("erase_buyer_from_record", merchant, imp_uid, *record, durable=True) == b"erased":
                return


async def _erase_events(store: Store, merchant: str, imp_uid: str, known: Set[str]) -> int:
    """Blank the buyer in all events of a payment, also where they repeat the texts `known`. Returns how many objects
    the events show."""
    shown: set[bytes] = set()
    async for (part,) in events_of_payments(store, [payment(merchant, imp_uid)]):
        args = await offload(_blank, part, known, shown, rows=len(part.rows))
        await store.run("erase_buyer_from_events", merchant, imp_uid, *args, 0)
    return len(shown)


async def _erase_notifications(store: Store, merchant: str, imp_uid: str) -> None:
    """Blank the buyer in all notifications that a payment has now. One that is settled meanwhile moves to another
    field, and is blanked there."""
    name = payment(merchant, imp_uid)
    fields = await store.run("read_notification_fields", name)
    while fields:
        for start in range(0, len(fields), TOGETHER):
            (row,) = await hashes(store, [PAYMENT(name)], *fields[start : start + TOGETHER])
            blank = [(field, anew) for field, value in row.items() if (anew := _blank_notification(field, value))]
            if blank:
                await store.run("erase_buyer_from_events", merchant, imp_uid, 0, 0, 0, len(blank), *flat(blank))
        settled = {b"s:" + field[2:] for field in fields if field.startswith(b"n:")}
        there = await store.run("read_notification_fields", name) if settled else ()
        fields = [field for field in there if field in settled]


def _blank_notification(field: str, stored: bytes) -> bytes | None:
    """What a field of a notification becomes; None if it does not name the buyer."""
    waits = field.startswith("n:")
    entry = unpack_stored(stored) if waits else unpack_settled(stored)
    blank = replace(entry, extra="")
    if not entry.extra:
        return None
    return pack_stored(blank) if waits else pack(blank)


def _blank(part: EventsPart, known: Set[str], shown: set[bytes]) -> list[Argument]:
    """Some blanked events with their attempts, and the objects that no earlier event has shown, as its script takes
    them. Adds the versions of the objects to `shown`."""
    objects = {paired(fields)["snap"]: part.objects[place - 1] for _, place, fields, _ in part.rows if place}
    new = sorted(objects.keys() - shown, key=int)
    shown.update(new)
    blank = [(one, compress(wire.dumps(blank_object(wire.loads(decompress(objects[one])))))) for one in new]
    bodies = [(event, decompress(paired(fields)["body"])) for event, _, fields, _ in part.rows]
    events = [(event, compress(blank_json(body, known))) for event, body in bodies]
    sent = [(name, list(map(attempt_rows.blank, made))) for *_, sent in part.rows for name, _, made in sent if made]
    attempts = chain.from_iterable((name, len(made), *made) for name, made in sent)
    return [len(events), *flat(events), len(blank), *flat(blank), len(sent), *attempts]


def _record_args(merchant: str, imp_uid: str, row: Sequence[Any], shown: int, at: int) -> list[Argument]:
    before = payment_rows.of_row(merchant, imp_uid, row[3]).load()
    record = erased(before, at)
    payment = of_payment(record)
    erasure = Erasure(merchant, imp_uid, record.erased_at or at, payment.record)
    return [
        before.version, shown, record.version, payment.record, payment.snapshot, pack(payment), pack(erasure),
    ]  # fmt: skip
