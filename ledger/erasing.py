"""A buyer is forgotten: everything that a ledger holds of a payment is written anew without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import orjson

from ledger import payment_rows
from ledger.bodies import stored_object
from ledger.keys import payment
from ledger.rows import flat, paired
from ledger.store import Argument, Store
from ledger.waiting import MOST, pack_stored, unpack_stored
from schemas import wire
from schemas.compression import compress, decompress
from schemas.errors import Conflict, NotFound
from schemas.outbox.codec import pack
from schemas.outbox.entries import Erasure
from schemas.outbox.of_change import of_payment
from schemas.payments.erased_record import erased
from schemas.payments.erasure import blank_body, blank_object
from schemas.reasons import Reason

_EVENTS_TOGETHER = 100


class Erasing:
    """Erase the buyer of one payment."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def erase(self, merchant: str, imp_uid: str) -> None:
        """Blank everything of a payment, and have history do the same. Where this breaks off, erasing it again finishes
        it; the record says that it was erased when all of it is.

        Raises `NotFound` where the ledger does not have it, `Conflict` while something of it is still to be delivered,
        and `LedgerUnavailable`.
        """
        while True:
            settled = await self._store.run("read_settled", merchant, imp_uid)
            if settled is None:
                raise NotFound(Reason.of("payment_not_found", imp_uid=imp_uid, merchant=merchant))
            if not settled:
                raise Conflict(Reason.of("erased_when_delivered", imp_uid=imp_uid))
            row = await self._store.run("read_whole_payment", merchant, imp_uid)
            _, *waiting = await self._store.run("read_waiting", payment(merchant, imp_uid), MOST)
            for args in _belongings(merchant, imp_uid, row, waiting):
                await self._store.run("erase_events", merchant, imp_uid, *args)
            record = _record_args(merchant, imp_uid, row, round(1000 * await self._store.now()))
            if await self._store.run("erase_payment", merchant, imp_uid, *record, durable=True) == b"erased":
                return


def _belongings(
    merchant: str, imp_uid: str, row: Sequence[Any], waiting: Sequence[Sequence[bytes]]
) -> Iterator[list[Argument]]:
    """The arguments of each call of `erase_events`; the objects are written in one, as they share their bytes."""
    _, _, _, stored, found, objects = row
    known = decompress(payment_rows.of_row(merchant, imp_uid, stored).object) or b"{}"
    blanked = [(name, pack_stored(replace(unpack_stored(one), extra=""))) for name, one in waiting]
    shown: dict[bytes, bytes] = {}
    for _, place, fields, _ in found:
        if place:
            blank = wire.dumps(blank_object(wire.loads(decompress(objects[place - 1]))))
            shown[paired(fields)["snap"]] = stored_object(blank)
    versions = sorted(shown, key=int)
    yield [0, len(versions), *flat((version, shown[version]) for version in versions), 0,
           len(blanked), *flat(blanked)]  # fmt: skip
    for start in range(0, len(found), _EVENTS_TOGETHER):
        part = found[start : start + _EVENTS_TOGETHER]
        events = [(event, _blank_body(paired(fields)["body"], known)) for event, _, fields, _ in part]
        sent = [(name, [_attempt(one) for one in made]) for *_, sent in part for name, _, made in sent if made]
        yield [
            len(events), *flat(events), 0,
            len(sent), *chain.from_iterable((name, len(attempts), *attempts) for name, attempts in sent), 0,
        ]  # fmt: skip


def _blank_body(stored: bytes, known: bytes) -> bytes:
    return compress(blank_body(decompress(stored), known))


def _attempt(packed: bytes) -> bytes:
    return orjson.dumps({**orjson.loads(packed), "response": ""})


def _record_args(merchant: str, imp_uid: str, row: Sequence[Any], at: int) -> list[Argument]:
    before = payment_rows.of_row(merchant, imp_uid, row[3]).load()
    record = erased(before, at)
    payment = of_payment(record)
    erasure = Erasure(merchant, imp_uid, record.erased_at or at, payment.record)
    return [before.version, record.version, payment.record, payment.snapshot, pack(payment), pack(erasure)]
