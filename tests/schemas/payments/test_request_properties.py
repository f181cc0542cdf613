"""Requests, reported cancellations and look-ups in any order: events and status always agree."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas import wire
from schemas.errors import Conflict, NotFound
from schemas.payments import cancel_steps
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Change, Policy, Record, decide, next_refresh, record_request, reject_request
from schemas.payments.facts import FactKind, cancelled_amount
from tests.support.payments import IMP_UID, Life, lives
from tests.support.reasons import because

POLICY = Policy(lookback=10**9)
verbs = st.sampled_from(["look", "look", "look", "note", "intend", "sent", "withdraw", "leave open", "reject"])
steps = st.lists(st.tuples(verbs, st.sampled_from("abc"), st.integers(0, 90), st.booleans()), max_size=14)


def _act(record: Record, verb: str, name: str, now: int) -> Change:
    """What an operator or a sender does; raises `Conflict` or `NotFound` where it cannot be done."""
    request = CancellationRequest(name, Decimal(1), "sending", "api", now)
    if verb in ("note", "intend"):
        if record.snapshot is None or any(known.id == name for known in record.requests):
            raise Conflict(because("it cannot be asked for"))
        if verb == "intend":
            return cancel_steps.intend(record, request, now, POLICY)
        cancel_steps.check(record, request)
        return record_request(record, request, now, POLICY)
    if verb == "reject":
        return reject_request(record, name, now, POLICY)
    act = {"sent": cancel_steps.mark_sent, "withdraw": cancel_steps.withdraw, "leave open": cancel_steps.leave_open}[
        verb
    ]
    return act(record, name, now, POLICY)


@given(lives(), steps)
def test_events_and_status_always_agree(life: Life, acts: list[tuple[str, str, int, bool]]) -> None:
    """Each event follows from the one before, the last says the payment's status, and the sum is i'mport's."""
    record, bodies, late = Record("default", IMP_UID), [], 0
    shown = iter(life.looks)
    now, snapshot = next(shown)
    for verb, name, seconds, goes_on in acts:
        if goes_on:
            now, snapshot = next(shown, (now, snapshot))
        late += seconds
        try:
            if verb == "look":
                change = decide(record, snapshot, now + late, POLICY, [name] if seconds % 2 else [])
            else:
                change = _act(record, verb, name, now + late)
        except (Conflict, NotFound):
            continue
        assert change.record.version == record.version + 1
        record = change.record
        bodies += [wire.loads(event.body) for event in change.events]
        assert change.next_refresh == next_refresh(record, now + late, POLICY)
        assert change.next_refresh is None or change.next_refresh >= 1
        assert not bodies or bodies[-1]["data"]["status"] == record.status
        assert len([request for request in record.requests if request.origin == "webhook"]) <= 3
    data = [body["data"] for body in bodies]
    assert [row["sequence"] for row in data] == list(range(1, len(data) + 1))
    assert all(after["previous_status"] == before["status"] for before, after in pairwise(data))
    assert len({body["id"] for body in bodies}) == len(bodies)
    assert cancelled_amount(record.facts.values()) <= life.looks[-1][1].cancel_amount
    _check_requests(record)


def _check_requests(record: Record) -> None:
    """Every request was answered at most once, and each that is closed was closed by a fact."""
    closed = Counter(name for fact in record.facts.values() for name in fact.closes)
    assert set(closed.values()) <= {1}
    for request in record.requests:
        assert (request.state in ("confirmed", "rejected")) == (request.id in closed)
        assert (request.closed_at is None) == (request.id not in closed)
    told = {fact.key.partition(":")[2] for fact in record.facts.values() if fact.kind is FactKind.REQUESTED}
    assert {request.id for request in record.requests if request.state == "open"} <= told
    open_claims = [request for request in record.requests if request.origin == "webhook" and request.state == "open"]
    assert len(open_claims) <= 1
