"""A buyer is forgotten: everything that a ledger holds of a payment is written anew without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import orjson

from ledger import keys
from ledger.cells import Cells
from ledger.keys import payment
from ledger.rows import flat, paired
from ledger.scripting import Argument
from schemas import wire
from schemas.errors import Conflict, NotFound
from schemas.outbox import cold_record
from schemas.outbox.codec import pack
from schemas.outbox.entries import Erasure
from schemas.outbox.of_change import of_payment
from schemas.payments import codec
from schemas.payments.erased_record import erased
from schemas.payments.erasure import blank_body, blank_object
from schemas.reasons import Reason

_EVENTS_TOGETHER = 100


class Erasing:
    """Erase the buyer of one payment."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def erase(self, merchant: str, imp_uid: str) -> None:
        """Blank everything of a payment, and have history do the same. Where this breaks off, erasing it again finishes
        it; the record says that it was erased when all of it is.

        Raises `NotFound` where the ledger does not have it, `Conflict` while something of it is still to be delivered,
        and `LedgerUnavailable`.
        """
        store = self._cells.of(merchant)
        while True:
            settled = await store.run("read_settled", merchant, imp_uid)
            if settled is None:
                raise NotFound(Reason.of("payment_not_found", imp_uid=imp_uid, merchant=merchant))
            if not settled:
                raise Conflict(Reason.of("erased_when_delivered", imp_uid=imp_uid))
            row = await store.run("read_whole_payment", merchant, imp_uid)
            notifications = await store.run("read_members", keys.NOTIFICATIONS_OF_PAYMENT(payment(merchant, imp_uid)))
            for args in _belongings(row, notifications):
                await store.run("erase_events", merchant, imp_uid, *args)
            record = _record_args(merchant, imp_uid, row, round(1000 * await store.now()))
            if await store.run("erase_payment", merchant, imp_uid, *record, durable=True) == b"erased":
                return


def _belongings(row: Sequence[Any], notifications: Sequence[bytes]) -> Iterator[list[Argument]]:
    """The arguments of each call of `erase_events`; the objects are written in one, as they share their bytes."""
    _, _, _, stored, _, found, objects = row
    known = paired(stored).get("snapshot", b"{}")
    shown: dict[bytes, bytes] = {}
    for _, place, fields, _ in found:
        if place:
            shown[paired(fields)["snap"]] = wire.dumps(blank_object(wire.loads(objects[place - 1])))
    versions = sorted(shown, key=int)
    yield [0, len(versions), *flat((version, shown[version]) for version in versions), 0,
           len(notifications), *notifications]  # fmt: skip
    for start in range(0, len(found), _EVENTS_TOGETHER):
        part = found[start : start + _EVENTS_TOGETHER]
        events = [(event, blank_body(paired(fields)["body"], known)) for event, _, fields, _ in part if fields]
        sent = [(name, [_attempt(one) for one in made]) for *_, sent in part for name, _, made in sent if made]
        yield [
            len(events), *flat(events), 0,
            len(sent), *chain.from_iterable((name, len(attempts), *attempts) for name, attempts in sent), 0,
        ]  # fmt: skip


def _attempt(packed: bytes) -> bytes:
    return orjson.dumps({**orjson.loads(packed), "response": ""})


def _record_args(merchant: str, imp_uid: str, row: Sequence[Any], at: int) -> list[Argument]:
    before = codec.load_record(merchant, imp_uid, paired(row[3]), codec.load_facts(paired(row[4])))
    record = erased(before, at)
    fields = codec.dump_record(record)
    facts = [(fact.key, codec.dump_fact(fact, place)) for place, fact in enumerate(record.facts.values())]
    erasure = Erasure(merchant, imp_uid, record.erased_at or at, cold_record.dump(record))
    return [
        before.version, len(fields), *flat(fields.items()), len(facts), *flat(facts), pack(of_payment(record)),
        pack(erasure),
    ]  # fmt: skip
