"""The record of a payment whose buyer is forgotten: nothing of them is left, and nothing is announced again."""

from __future__ import annotations

from schemas import wire
from schemas.outbox import cold_record
from schemas.payments import codec
from schemas.payments.decide import Policy, Record, decide
from schemas.payments.erased_record import erased, has_erased_account
from schemas.payments.snapshot import Snapshot
from tests.support.payments import T0, payment

POLICY = Policy(lookback=10**9)
AT = T0 * 1000
ISSUED = {
    "status": "ready", "pay_method": "vbank", "vbank_num": "98765432101234", "vbank_holder": "홍길동",
    "vbank_date": T0 + 900, "buyer_name": "홍길동", "buyer_email": "gildong@example.com",
}  # fmt: skip


def looked_up(**fields: object) -> Snapshot:
    """i'mport's object of that payment."""
    return Snapshot.parse(wire.loads(wire.dumps(payment(**{**ISSUED, **fields}))))


def record() -> Record:
    """An account was issued, paid into, and a part was cancelled for a reason that repeats a name."""
    entry = {"amount": 100, "cancelled_at": T0 + 90, "cancellation_id": "c1", "reason": "홍길동 님 요청"}
    issued = decide(Record("default", looked_up().imp_uid), looked_up(), T0 + 20, POLICY).record
    paid = looked_up(status="paid", paid_at=T0 + 60, amount=1000, cancel_amount=100, cancel_history=[entry])
    return decide(issued, paid, T0 + 100, POLICY).record


def everything(of: Record) -> bytes:
    """All that is stored of a record."""
    facts = b"".join(codec.dump_fact(fact, 0) + key.encode() for key, fact in of.facts.items())
    return facts + b"".join(str(value).encode() for value in codec.dump_record(of).values()) + _raw(of)


def _raw(of: Record) -> bytes:
    return of.snapshot.raw if of.snapshot else b""


def test_nothing_of_the_buyer_is_left() -> None:
    """Neither in the object nor in facts, their keys and details; what else they say stays."""
    before, after = record(), erased(record(), AT)
    assert "홍길동".encode() in everything(before)
    for planted in ("홍길동", "gildong", "98765432101234"):
        assert planted.encode() not in everything(after)
    assert [fact.kind for fact in before.facts.values()] == [fact.kind for fact in after.facts.values()]
    assert (after.status, after.sequence, after.erased_at) == (before.status, before.sequence, AT)
    assert has_erased_account(after.facts)
    assert not has_erased_account(before.facts)


def test_a_later_look_brings_nothing_back() -> None:
    """The account is no new one, and what is new is announced without the buyer."""
    forgotten = erased(record(), AT)
    entry = {"amount": 100, "cancelled_at": T0 + 90, "cancellation_id": "c1", "reason": "홍길동 님 요청"}
    rest = {"amount": 900, "cancelled_at": T0 + 190, "cancellation_id": "c2", "reason": "홍길동"}
    same = looked_up(status="paid", paid_at=T0 + 60, amount=1000, cancel_amount=100, cancel_history=[entry])
    assert decide(forgotten, same, T0 + 200, POLICY).events == ()
    more = looked_up(status="cancelled", paid_at=T0 + 60, amount=1000, cancel_amount=1000, cancel_history=[entry, rest])
    change = decide(forgotten, more, T0 + 200, POLICY)
    assert [event.type for event in change.events] == ["payment.cancelled"]
    assert "홍길동".encode() not in change.events[0].body + everything(change.record)


def test_erasing_again_changes_nothing() -> None:
    """It says when it was done first; and a record that has left and comes back knows that, too."""
    once = erased(record(), AT)
    twice = erased(once, AT + 5)
    assert (twice.facts, twice.erased_at) == (once.facts, AT)
    back = cold_record.load("default", once.imp_uid, cold_record.dump(once), _raw(once))
    assert (back.erased_at, back.facts) == (AT, once.facts)
