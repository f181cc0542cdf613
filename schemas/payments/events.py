"""Events: a fact as it is announced to subscribers, with an id that never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from schemas import wire
from schemas.event_ids import event_id_of
from schemas.payments.facts import Fact, FactKind, Status
from schemas.payments.snapshot import Snapshot
from schemas.times import rfc3339

_END = b"}}"


@dataclass(frozen=True, slots=True)
class CallbackBody:
    """A callback's body as it is stored: all events of one look-up share one ``payment``, i'mport's object as JSON.

    ``text`` is the body without that object. If ``payment`` is None, ``text`` is the whole body. The assembled bytes
    are always the same.
    """

    text: bytes = field(repr=False)
    payment: bytes | None = field(default=None, repr=False)

    @property
    def full(self) -> bytes:
        """The body with i'mport's object, as the last field of ``data``."""
        if self.payment is None:
            return self.text
        return b"".join((self.text.removesuffix(_END), b',"payment":', self.payment, _END))

    @property
    def thin(self) -> bytes:
        """The body without i'mport's object, for endpoints with the payload `thin`."""
        return thin(self.text) if self.payment is None else self.text

    @property
    def size(self) -> int:
        """The approximate size of the full body in bytes."""
        return len(self.text) + len(self.payment or b"")


@dataclass(frozen=True, slots=True)
class Event:
    """One fact as it is recorded and sent to subscribers.

    ``silent``: recorded without delivery. ``sandbox``: the payment is of a test channel. ``values`` has the values that
    the callback's text was made from; None if the event was read from storage, which has only the text.
    """

    id: str
    type: str
    sequence: int
    status: Status
    callback: CallbackBody
    silent: bool
    sandbox: bool = False
    values: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def body(self) -> bytes:
        """The bytes of the full callback body."""
        return self.callback.full


def event_id(merchant: str, imp_uid: str, fact_key: str) -> str:
    """The id of a fact's event: the same in every ledger that finds the fact."""
    digest = hashlib.sha256(f"{merchant}\0{imp_uid}\0{fact_key}".encode()).digest()
    return event_id_of(digest)


def event_type(fact: Fact) -> str:
    """The type of a fact's event."""
    if fact.kind is FactKind.CANCELLED and not fact.whole:
        return "payment.partially_cancelled"
    return f"payment.{fact.kind.value}"


def render(
    *,
    merchant: str,
    fact: Fact,
    sequence: int,
    status: Status,
    previous: Status | None,
    cancelled_amount: Decimal,
    snapshot: Snapshot,
    silent: bool,
) -> Event:
    """The event of a fact, with the status and sums after it. ``snapshot`` is the one that proved the fact."""
    identity, kind = event_id(merchant, snapshot.imp_uid, fact.key), event_type(fact)
    data: dict[str, Any] = {
        "merchant": merchant,
        "imp_uid": snapshot.imp_uid,
        "merchant_uid": snapshot.merchant_uid,
        "status": status.value,
        "previous_status": previous.value if previous else None,
        "sequence": sequence,
        "amount": snapshot.amount,
        "cancelled_amount": cancelled_amount,
        "currency": snapshot.currency,
        "pay_method": snapshot.pay_method,
        "pg_provider": snapshot.pg_provider,
        "sandbox": snapshot.sandbox,
        "detail": fact.detail,
    }
    values = {"id": identity, "type": kind, "timestamp": rfc3339(fact.at), "data": data}
    text = wire.dumps({**values, "data": {**data, "cancelled_amount": orjson.Fragment(f"{cancelled_amount:f}")}})
    return Event(identity, kind, sequence, status, CallbackBody(text, snapshot.raw), silent, snapshot.sandbox, values)


def thin(body: bytes) -> bytes:
    """A whole callback body without i'mport's object."""
    callback: Mapping[str, Any] = wire.loads(body)
    data = {name: value for name, value in callback["data"].items() if name != "payment"}
    return wire.dumps({**callback, "data": data})
