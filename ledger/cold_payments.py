"""Cold payments: those that have left the ledger. They are put back from history before anything is done to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import orjson

from ledger import keys
from ledger.offload import offload
from ledger.store import Argument, Store
from schemas import wire
from schemas.errors import HistoryUnavailable
from schemas.outbox import cold_record
from schemas.outbox.cold_payment import ColdPart, Name
from schemas.outbox.entries import Attempt, Event, Payment
from schemas.payments import codec
from schemas.payments.decide import Record
from schemas.payments.events import CallbackBody
from schemas.reasons import Reason

_OBJECT = "0{sequence}"
"""What an event's object is called in `snaps:p`: no version of a record, which others are called by, begins with 0."""


class ColdHistory(Protocol):
    """What is asked of history. Raises `HistoryUnavailable`."""

    async def some(self, names: Sequence[Name]) -> Mapping[Name, Payment]:
        """Those of these payments that it has."""

    def parts(self, merchant: str, imp_uid: str) -> AsyncIterator[ColdPart]:
        """A payment, in the order to put back; nothing where there is none."""

    def of_event(self, event_id: str) -> AsyncIterator[ColdPart]:
        """What an event belongs to: its payment, or it alone; nothing where there is none."""


class ColdPayments:
    """Puts back what has left. Whatever the ledger has stays as it is, and history is told nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put_back(self, part: ColdPart) -> bool:
        """Put back a part; False where the ledger has the payment. Raises `LedgerUnavailable`, `HistoryUnavailable`."""
        size = sum(len(event.body) for event in part.events)
        args = await offload(_args, part, rows=size // 1000)
        return bool(await self._store.run_and_kick("put_back", *args, durable=True))

    async def fetch(self, history: ColdHistory, merchant: str, imp_uid: str) -> None:
        """Put back a payment, if it has left. Raises `LedgerUnavailable` and `HistoryUnavailable`."""
        if not await self.missing([(merchant, imp_uid)]):
            return
        async for part in history.parts(merchant, imp_uid):
            if not await self.put_back(part):
                return

    async def fetch_event(self, history: ColdHistory, event_id: str) -> None:
        """Put back an event, with its payment, if it has left. Raises as `fetch` does."""
        if (await self._store.run("read_missing", keys.EVENT(event_id)))[0]:
            async for part in history.of_event(event_id):
                if not await self.put_back(part):
                    return

    async def missing(self, names: Sequence[Name]) -> list[Name]:
        """Those of these payments that the ledger does not have."""
        found = await self._store.run("read_missing", *(keys.PAYMENT(keys.payment(*name)) for name in names))
        return [name for name, is_missing in zip(names, found, strict=True) if is_missing]


def record_of(payment: Payment) -> Record:
    """The record of a payment as history has it. Raises `HistoryUnavailable` for what is damaged."""
    try:
        return cold_record.load(payment.merchant, payment.imp_uid, payment.record, payment.snapshot)
    except (ValueError, KeyError, TypeError) as error:
        why = Reason.of("history_payment_damaged", imp_uid=payment.imp_uid, error=str(error))
        raise HistoryUnavailable(why) from None


def _args(part: ColdPart) -> list[Argument]:
    objects, events = _events(part)
    args: list[Argument] = [part.merchant, part.imp_uid, len(objects)]
    for text, name in objects.items():
        args += [name, text]
    args += [len(part.events), *events, len(part.deliveries)]
    for delivery, attempts in part.deliveries:
        is_pending = delivery.state == "pending"
        args += [delivery.event, delivery.endpoint, delivery.type, delivery.sequence, delivery.state]
        args += [delivery.created_at, _or_none(delivery.next_attempt_at), delivery.reason or "", delivery.attempts]
        args += [max((attempt.number for attempt in attempts), default=0), (is_pending and delivery.replay) or ""]
        args += [len(attempts), *map(_attempt, attempts)]
    return [*args, *(_record(part.payment) if part.payment else (0, 0, "", "", "", ""))]


def _events(part: ColdPart) -> tuple[dict[bytes, str], list[Argument]]:
    """The objects that the events of a part show, by their names, and the events as the script reads them."""
    objects: dict[bytes, str] = {}
    args: list[Argument] = []
    for event in part.events:
        body = CallbackBody.split(event.body) if part.imp_uid else CallbackBody(event.body)
        shown = (
            "" if body.payment is None else objects.setdefault(body.payment, _OBJECT.format(sequence=event.sequence))
        )
        args += [
            event.id,
            event.type,
            event.sequence,
            event.recorded_at,
            int(event.silent),
            int(_is_sandbox(event, body)),
        ]
        args += [event.about or "", body.text, shown]
    return objects, args


def _is_sandbox(event: Event, body: CallbackBody) -> bool:
    return bool(event.imp_uid) and wire.loads(body.text)["data"].get("sandbox") is True


def _record(payment: Payment) -> list[Argument]:
    record = record_of(payment)
    fields = codec.dump_record(record)
    if payment.fetched_at is not None:
        fields["fetched_at"] = payment.fetched_at
    if payment.erased_at is not None:
        fields["erased_at"] = payment.erased_at
    if not payment.silent:
        fields["announced"] = "1"
    args: list[Argument] = [len(fields)]
    for name, value in fields.items():
        args += [name, value]
    args.append(len(record.facts))
    for place, fact in enumerate(record.facts.values()):
        args += [fact.key, codec.dump_fact(fact, place)]
    return [*args, payment.merchant_uid, payment.status, payment.first_at, _or_none(payment.next_look_at)]


def _attempt(attempt: Attempt) -> bytes:
    return orjson.dumps(
        {
            "at": attempt.at / 1000,
            "status_code": attempt.status_code,
            "duration_ms": attempt.duration_ms,
            "error": None if attempt.error is None else orjson.Fragment(attempt.error),
            "response": attempt.response,
            "replay": attempt.replay,
        }
    )


def _or_none(ms: int | None) -> int | str:
    return "" if ms is None else ms
