"""Events: a fact as subscribers hear of it, with an id that is the same for good."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from schemas import wire
from schemas.payments.facts import Fact, Kind, Status
from schemas.payments.snapshot import Snapshot
from schemas.times import rfc3339

_END = b"}}"


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback's body as it is kept: a thousand events of one look share one ``payment``, i'mport's object as JSON.

    ``text`` is the body without it; where ``payment`` is None it is the whole body, with an object of its own or about
    no payment. What is put together are always the same bytes.
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
        """The body without i'mport's object, for endpoints that asked for it."""
        return thin(self.text) if self.payment is None else self.text

    @property
    def size(self) -> int:
        """Bytes of the full body, nearly."""
        return len(self.text) + len(self.payment or b"")


@dataclass(frozen=True, slots=True)
class Event:
    """What is recorded of one fact and sent to whoever subscribed. ``silent``: recorded without delivery.
    ``sandbox``: of a payment of a test channel."""

    id: str
    type: str
    sequence: int
    status: Status
    callback: Callback
    silent: bool
    sandbox: bool = False

    @property
    def body(self) -> bytes:
        """The callback's very bytes."""
        return self.callback.full


def event_id(merchant: str, imp_uid: str, fact_key: str) -> str:
    """The id of the event of a fact: the same in every ledger that ever finds it."""
    digest = hashlib.sha256(f"{merchant}\0{imp_uid}\0{fact_key}".encode()).digest()
    return "evt_" + base64.b32encode(digest[:20]).decode().lower()


def event_type(fact: Fact) -> str:
    """The type of the event that a fact becomes."""
    if fact.kind is Kind.CANCELLED and not fact.whole:
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
    """The event of a fact, with status and sums as after it. ``snapshot`` is the look that proved it."""
    identity, kind = event_id(merchant, snapshot.imp_uid, fact.key), event_type(fact)
    data: dict[str, Any] = {
        "merchant": merchant,
        "imp_uid": snapshot.imp_uid,
        "merchant_uid": snapshot.merchant_uid,
        "status": status.value,
        "previous_status": previous.value if previous else None,
        "sequence": sequence,
        "amount": snapshot.amount,
        "cancelled_amount": orjson.Fragment(f"{cancelled_amount:f}"),
        "currency": snapshot.currency,
        "pay_method": snapshot.pay_method,
        "pg_provider": snapshot.pg_provider,
        "sandbox": snapshot.sandbox,
        "detail": fact.detail,
    }
    text = wire.dumps({"id": identity, "type": kind, "timestamp": rfc3339(fact.at), "data": data})
    return Event(identity, kind, sequence, status, Callback(text, snapshot.raw), silent, snapshot.sandbox)


def thin(body: bytes) -> bytes:
    """A callback's body without i'mport's object, for endpoints that asked for it."""
    callback: Mapping[str, Any] = wire.loads(body)
    data = {name: value for name, value in callback["data"].items() if name != "payment"}
    return wire.dumps({**callback, "data": data})
