"""One look at a payment, decided: what is new, which events it makes, where the payment stands, when to look again.

Everything that can change a payment's record goes through here: i'mport's answer (`look`), an operator's note that a
cancellation was asked for elsewhere (`note`), an operator closing one (`reject`). Each gives a `Change`, which the
ledger writes in one atomic step. Pure: the caller says what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from schemas.errors import Conflict, NotFound
from schemas.payments import cancellations, events
from schemas.payments.cancellations import Request
from schemas.payments.derive_facts import new_facts
from schemas.payments.escrow import EscrowChange
from schemas.payments.facts import Expected, Fact, Facts, Kind, Status, Tally, status
from schemas.payments.history_entries import left
from schemas.payments.refunds import cancelled_again
from schemas.payments.retractions import SECOND_LOOK_AFTER, Lesser, contradicted, present
from schemas.payments.snapshot import ZERO, Snapshot
from schemas.reasons import Reason
from schemas.schedule import until_next


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of one payment.

    ``facts`` are in the order of their sequence, ``sequence`` is the last one used. ``claims`` are cancellations that
    only a webhook speaks of: cancellation_id -> when a look first failed to find it. ``version`` grows with every
    change. ``snapshot`` is i'mport's word; ``lesser`` is a look that showed less, until another one agrees or not.
    """

    merchant: str
    imp_uid: str
    facts: Facts = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    claims: Mapping[str, int] = field(default_factory=dict)
    sequence: int = 0
    version: int = 0
    snapshot: Snapshot | None = None
    lesser: Lesser | None = None

    @property
    def status(self) -> Status:
        return status(self.facts.values(), cancellations.open_ids(self.requests))

    @property
    def contradicts(self) -> tuple[str, ...]:
        """The ids of the events that i'mport's word no longer bears out."""
        gone = contradicted(self.facts, self.snapshot)
        return tuple(events.event_id(self.merchant, self.imp_uid, key) for key in gone)


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides beside the facts. Seconds, and UNIX seconds for ``since``: facts before it are recorded silently, as
    are those that are older than ``lookback`` when they are first seen."""

    since: float = 0
    lookback: float = 30 * 86400
    expiry_grace: float = 600
    pending_schedule: tuple[float, ...] = (60, 300, 900, 3600, 21600)
    expected: Expected | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What to write: the record as after it, new facts and events, and in how many seconds to look again."""

    record: Record
    facts: tuple[Fact, ...]
    events: tuple[events.Event, ...]
    next_refresh: float | None
    previous: Record

    @property
    def news(self) -> bool:
        """Whether anything became known that was not."""
        return bool(self.events)


def decide(
    record: Record,
    snapshot: Snapshot,
    now: int,
    policy: Policy,
    claims: Iterable[str] = (),
    escrow_changes: Iterable[EscrowChange] = (),
) -> Change:
    """What ``snapshot``, fetched at ``now``, changes.

    ``claims`` are the cancellation ids, ``escrow_changes`` the escrow changes that verified webhooks spoke of and no
    look has settled yet.
    """
    found = new_facts(
        record.facts,
        snapshot,
        now,
        grace=policy.expiry_grace,
        expected=policy.expected,
        escrow_changes=escrow_changes,
    )
    shown, lesser = present(record.snapshot, record.lesser, snapshot, now)
    again = cancelled_again(record.facts, record.snapshot, snapshot, found, now)
    joined, requests = cancellations.answer(record.facts, record.requests, found, snapshot, now, again)
    open_claims = _open_claims(record, joined, shown, claims, now)
    requests, opened = cancellations.opened(requests, open_claims, now)
    requests, given_up = cancellations.given_up(requests, now)
    waiting = any(request.state in cancellations.WAITING for request in requests)
    after = replace(
        record,
        requests=tuple(requests),
        claims={} if waiting else open_claims,
        snapshot=shown,
        lesser=lesser,
    )
    return _change(record, after, (*joined, *opened, *given_up), now, policy, snapshot)


def record_request(record: Record, request: Request, now: int, policy: Policy) -> Change:
    """A request that is open from ``now`` on: the merchant asked i'mport, or its gateway, without the relay."""
    after = replace(record, requests=(*record.requests, replace(request, state="open")))
    return _change(record, after, (cancellations.requested(request),), now, policy)


def reject_request(record: Record, request_id: str, now: int, policy: Policy, reason: str | None = None) -> Change:
    """A pending cancellation closed by an operator; the status returns to what the facts say.

    Raises `NotFound`, and `Conflict` where it is not open.
    """
    request = next((request for request in record.requests if request.id == request_id), None)
    if request is None:
        raise NotFound(Reason.of("cancellation_not_found", imp_uid=record.imp_uid, id=request_id))
    if request.state != "open":
        closed = Reason.of("cancellation_closed", imp_uid=record.imp_uid, id=request_id, state=request.state)
        raise Conflict(closed)
    requests = tuple(
        replace(row, state="rejected", closed_at=now) if row.id == request_id else row for row in record.requests
    )
    after = replace(record, requests=requests)
    return _change(record, after, (cancellations.rejected(request, now, reason),), now, policy)


def left_to_cancel(record: Record, *, waiting: bool = True) -> Decimal:
    """What no cancellation has taken, as i'mport shows it now, nor (``waiting``) a request that waits; in the
    currency's major unit. A cancellation that was taken back takes nothing."""
    asked = (r.amount for r in record.requests if r.state in cancellations.WAITING and r.amount is not None)
    rest = left(_seen(record), _seen(record).cancel_amount)
    return max(rest - sum(asked, ZERO), ZERO) if waiting else rest


def _seen(record: Record) -> Snapshot:
    if record.snapshot is None:
        raise ValueError(f"payment {record.imp_uid} was never looked at")
    return record.snapshot


def _open_claims(
    record: Record, found: Sequence[Fact], snapshot: Snapshot, claims: Iterable[str], now: int
) -> dict[str, int]:
    """Claims that nothing known explains, each with the time of the first look that did not find it."""
    facts = (*record.facts.values(), *found)
    known = {request.id for request in record.requests} | {row.cancellation_id for row in snapshot.cancellations}
    known |= {fact.key.partition(":")[2] for fact in facts}
    is_paid = any(fact.kind in (Kind.PAID, Kind.DEPOSITED) for fact in facts)
    if not is_paid or not left(snapshot, snapshot.cancel_amount):
        return {}
    return {name: at for name, at in {**dict.fromkeys(claims, now), **record.claims}.items() if name not in known}


def _change(
    before: Record, after: Record, found: Sequence[Fact], now: int, policy: Policy, fetched: Snapshot | None = None
) -> Change:
    """Events show what the look ``fetched``, also where that is less than what counts as i'mport's word after it.
    Without a look they show the latter."""
    shown = _seen(after) if fetched is None else fetched
    facts = dict(before.facts)
    waiting = cancellations.open_ids(before.requests)
    previous = before.status if facts else None
    sequence, tally = before.sequence, Tally(facts.values())
    made = []
    for fact in found:
        facts[fact.key] = fact
        tally.add(fact)
        if fact.kind is Kind.ALIAS:
            continue
        if fact.kind is Kind.REQUESTED:
            waiting.append(fact.key.partition(":")[2])
        waiting = [request for request in waiting if request not in fact.closes]
        sequence += 1
        event = events.render(
            merchant=before.merchant,
            fact=fact,
            sequence=sequence,
            status=tally.status(waiting),
            previous=previous,
            cancelled_amount=tally.cancelled,
            snapshot=shown,
            silent=policy.quiet or fact.at < policy.since or now - fact.at > policy.lookback,
        )
        made.append(event)
        previous = event.status
    record = replace(after, facts=facts, sequence=sequence, version=before.version + 1)
    return Change(record, tuple(found), tuple(made), next_refresh(record, now, policy), before)


def next_refresh(record: Record, now: int, policy: Policy) -> float | None:
    """Seconds until the payment has to be looked at unasked, None for never: the earliest reason wins."""
    reasons: list[float] = [at + cancellations.SECOND_LOOK_AFTER - now for at in record.claims.values()]
    for request in record.requests:
        if request.state == "sent":
            reasons.append(0)
        if request.state == "sending":
            reasons.append(request.requested_at + cancellations.SENDING_FOR - now)
        if request.state == "open":
            reasons.append(until_next(policy.pending_schedule, now - request.requested_at))
    if record.lesser is not None:
        reasons.append(record.lesser.at + SECOND_LOOK_AFTER - now)
    account = record.snapshot.virtual_account if record.snapshot else None
    expires_in = account.deadline + policy.expiry_grace - now if account and account.deadline else 0
    if expires_in > 0 and record.status is Status.ISSUED:
        reasons.append(expires_in)
    return max(min(reasons), 1) if reasons else None
