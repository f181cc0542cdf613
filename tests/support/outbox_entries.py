"""Entries of an outbox as a ledger would write them, for tests of history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from history.batch import Packed
from schemas import wire
from schemas.outbox import entries as e
from schemas.outbox import of_change
from schemas.outbox.codec import pack
from schemas.payments.decide import Change, Policy, Record, decide
from schemas.payments.snapshot import Snapshot
from tests.support.payments import T0, payment

T = TypeVar("T", bound=e.Entry)

NOW = T0 * 1000
ENDPOINT = "ep_m7kvpwuxarswm3udbe56"
POLICY = Policy(lookback=10**9)


def paid(**fields: Any) -> dict[str, Any]:
    """i'mport's object of a card payment that was approved, with a buyer."""
    bought = {
        "status": "paid", "paid_at": T0 + 20, "name": "스니커즈", "buyer_name": "홍길동",
        "buyer_email": "gildong@example.com", "buyer_tel": "010-1234-5678", "custom_data": '{"cart": 7}',
    }  # fmt: skip
    return payment(**{**bought, **fields})


def change_of(looked_up: dict[str, Any], merchant: str = "default", before: Record | None = None) -> Change:
    """What a look that found this object changes."""
    snapshot = Snapshot.parse(wire.loads(wire.dumps(looked_up)))
    return decide(before or Record(merchant, snapshot.imp_uid), snapshot, T0 + 60, POLICY)


def of_look(change: Change, at: int = NOW, *, first_at: int | None = None) -> list[e.Entry]:
    """The payment and the events of a change that was committed at this time."""
    began = at if first_at is None else first_at
    made = of_change.of_payment(change.record, at, first_at=began, changed_at=at)
    told = of_change.of_events(change, at)
    stamped = [replace(event, recorded_at=at) for event in told.events]
    return [replace(made, fetched_at=at), *told.shared, *stamped]


def of_payment(
    number: int, *, merchant: str = "default", at: int = NOW, endpoint: str = ENDPOINT, **fields: Any
) -> list[e.Entry]:
    """The whole way of a payment: webhook, look, event, delivery with one attempt, outcome."""
    imp_uid = fields.pop("imp_uid", f"imp_{number:012d}")
    looked_up = paid(**{"imp_uid": imp_uid, "merchant_uid": f"order-{number}", **fields})
    notification = e.Notification(
        f"ntf_{merchant}_{number:026d}", merchant, imp_uid, f"order-{number}", "paid", None, "52.78.100.19", True, at
    )
    looked = of_look(change_of(looked_up, merchant), at)
    sent = [delivered(event, at, endpoint) for event in looked if isinstance(event, e.Event)]
    outcome = replace(notification, outcome="applied", revision=1)
    return [notification, *looked, outcome, *(entry for entries in sent for entry in entries)]


def one(entries: Iterable[e.Entry], kind: type[T]) -> T:
    """The first entry of a kind."""
    return next(entry for entry in entries if isinstance(entry, kind))


def delivered(event: e.Event, at: int = NOW, endpoint: str = ENDPOINT) -> tuple[e.Delivery, e.Attempt, e.Delivery]:
    """A delivery of an event as it is made, its only attempt, and the delivery as it ended."""
    made = e.Delivery(
        event.id, endpoint, event.merchant, event.imp_uid, event.type, event.sequence, created_at=at, changed_at=at,
        next_attempt_at=at, revision=at,
    )  # fmt: skip
    attempt = e.Attempt(event.imp_uid, event.id, endpoint, 1, at + 5, 200, 7, response="ok")
    ended = replace(made, state="delivered", changed_at=at + 12, next_attempt_at=None, attempts=1, revision=at + 12)
    return made, attempt, ended


def packed(entries: Iterable[e.Entry]) -> Sequence[Packed]:
    """Entries as they lie in an outbox."""
    return [(pack(entry), b"") for entry in entries]
