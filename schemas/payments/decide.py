"""Decides what one look-up changes: new facts, the events they become, the payment's status, the next refresh.

Every change to a payment's record is made here:

- `decide`: i'mport has answered with a snapshot of the payment;
- `record_request`: the merchant asked for a cancellation without the relay;
- `reject_request`: an operator closes a pending cancellation.

Each returns a `Change`, which the ledger writes in one atomic step. Pure: the caller passes the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property

from schemas import wire
from schemas.errors import Conflict, NotFound
from schemas.payments import cancellations, events, retractions
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.derive_facts import new_facts
from schemas.payments.erasure import blank_object
from schemas.payments.escrow import EscrowChange
from schemas.payments.facts import ExpectedAmount, Fact, FactKind, Facts, Status, Tally, status
from schemas.payments.history_entries import uncancelled
from schemas.payments.refunds import repeated_cancellations
from schemas.payments.retractions import PossibleRetraction, confirmed_snapshot, contradicted
from schemas.payments.snapshot import Snapshot
from schemas.reasons import Reason
from schemas.retry_schedule import until_next


@dataclass(frozen=True)
class Record:
    """The stored state of one payment.

    ``facts`` are in the order of their sequence; ``sequence`` is the last one used. ``version`` grows with every
    change. ``reported_cancellations`` maps a cancellation_id that only webhooks have reported to the time (UNIX
    seconds) of the first look-up that did not find it. ``snapshot`` is the latest one that counts;
    ``possible_retraction`` is a later one that showed less and is not confirmed yet. ``erased_at`` is when the buyer
    was erased, in UNIX milliseconds.
    """

    merchant: str
    imp_uid: str
    facts: Facts = field(default_factory=dict)
    requests: tuple[CancellationRequest, ...] = ()
    reported_cancellations: Mapping[str, int] = field(default_factory=dict)
    sequence: int = 0
    version: int = 0
    snapshot: Snapshot | None = None
    possible_retraction: PossibleRetraction | None = None
    erased_at: int | None = None

    @cached_property
    def status(self) -> Status:
        return status(self.facts.values(), cancellations.open_ids(self.requests))

    @cached_property
    def contradicts(self) -> tuple[str, ...]:
        """The ids of the events that the snapshot no longer supports."""
        keys = contradicted(self.facts, self.snapshot)
        return tuple(events.event_id(self.merchant, self.imp_uid, key) for key in keys)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for one payment, in seconds.

    A fact is recorded silently if it is from before ``since`` (UNIX seconds), or is older than ``lookback`` when found.
    """

    since: float = 0
    lookback: float = 30 * 86400
    expiry_grace: float = 600
    pending_schedule: tuple[float, ...] = (60, 300, 900, 3600, 21600)
    expected: ExpectedAmount | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What to write: the new ``record``, and the facts and events it adds to ``previous``.

    ``next_refresh`` is in seconds; with None, only a webhook, an operator or a reconciliation makes the payment due
    again.
    """

    record: Record
    facts: tuple[Fact, ...]
    events: tuple[events.Event, ...]
    next_refresh: float | None
    previous: Record

    @property
    def has_events(self) -> bool:
        """Whether there is anything to announce."""
        return bool(self.events)


def decide(
    record: Record,
    snapshot: Snapshot,
    now: int,
    policy: Policy,
    reported: Collection[str] = (),
    escrow_changes: Iterable[EscrowChange] = (),
) -> Change:
    """The change that ``snapshot``, looked up at ``now`` (UNIX seconds), makes to ``record``.

    ``reported`` are the cancellation ids and ``escrow_changes`` the escrow changes that verified webhooks have reported
    since the last look-up. If the payment's buyer was erased, the buyer is blanked in ``snapshot`` first.
    """
    if record.erased_at is not None:
        snapshot = Snapshot.parse(blank_object(wire.loads(snapshot.raw)))
    found = new_facts(
        record.facts,
        snapshot,
        now,
        grace=policy.expiry_grace,
        expected=policy.expected,
        escrow_changes=escrow_changes,
    )
    repeated = repeated_cancellations(record.facts, record.snapshot, snapshot, found, now)
    confirmed, retraction = confirmed_snapshot(record.snapshot, record.possible_retraction, snapshot, now)

    settled, requests = cancellations.settle_requests(record.facts, record.requests, found, repeated, snapshot, now)
    unexplained = _unexplained(record, reported, settled, confirmed, now)
    requests, opened = cancellations.open_requests(requests, unexplained, now)
    requests, closed = cancellations.close_unconfirmed(requests, now)

    unsettled = any(request.state in cancellations.UNSETTLED for request in requests)
    after = replace(
        record,
        requests=tuple(requests),
        reported_cancellations={} if unsettled else unexplained,
        snapshot=confirmed,
        possible_retraction=retraction,
    )
    return _change(record, after, (*settled, *opened, *closed), now, policy, snapshot)


def record_request(record: Record, request: CancellationRequest, now: int, policy: Policy) -> Change:
    """Open a request that the merchant made at i'mport or at its gateway, without the relay."""
    after = replace(record, requests=(*record.requests, replace(request, state="open")))
    return _change(record, after, (cancellations.requested_fact(request),), now, policy, _latest(after))


def reject_request(record: Record, request_id: str, now: int, policy: Policy, reason: str | None = None) -> Change:
    """Close a pending cancellation as rejected; the payment's status follows from its facts again.

    Raises `NotFound`, and `Conflict` if the request is not open.
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
    return _change(record, after, (cancellations.rejected_fact(request, now, reason),), now, policy, _latest(after))


def next_refresh(record: Record, now: int, policy: Policy) -> float | None:
    """Seconds until the payment has to be refreshed even if nothing happens to it; None if nothing requires that."""
    waits: list[float] = [at + cancellations.CONFIRM_AFTER - now for at in record.reported_cancellations.values()]
    for request in record.requests:
        if request.state == "sent":
            waits.append(0)
        if request.state == "sending":
            waits.append(request.requested_at + cancellations.SENDING_TIMEOUT - now)
        if request.state == "open":
            waits.append(until_next(policy.pending_schedule, now - request.requested_at))
    if record.possible_retraction is not None:
        waits.append(record.possible_retraction.at + retractions.CONFIRM_AFTER - now)
    account = record.snapshot.virtual_account if record.snapshot else None
    if account is not None and account.deadline and record.status is Status.ISSUED:
        expires_in = account.deadline + policy.expiry_grace - now
        waits += [expires_in] if expires_in > 0 else []
    return max(min(waits), 1) if waits else None


def left_to_cancel(record: Record, *, minus_requests: bool = True) -> Decimal:
    """What can still be cancelled, as i'mport shows it now, in the currency's major unit.

    A cancellation that i'mport took back no longer counts. Unsettled requests count as cancelled if ``minus_requests``.
    """
    return cancellations.left_after_requests(_latest(record), record.requests if minus_requests else ())


def _unexplained(
    record: Record, reported: Collection[str], found: Sequence[Fact], snapshot: Snapshot, now: int
) -> dict[str, int]:
    """The reported cancellations that no request, entry or fact explains, each with the time it was first missing."""
    if not reported and not record.reported_cancellations:
        return {}
    facts = (*record.facts.values(), *found)
    is_paid = any(fact.kind in (FactKind.PAID, FactKind.DEPOSITED) for fact in facts)
    if not is_paid or not uncancelled(snapshot, snapshot.cancel_amount):
        return {}
    known: set[str | None] = {request.id for request in record.requests}
    known |= {entry.cancellation_id for entry in snapshot.cancellations}
    known |= {fact.key.partition(":")[2] for fact in facts}
    missing_since = {**dict.fromkeys(reported, now), **record.reported_cancellations}
    return {name: at for name, at in missing_since.items() if name not in known}


def _change(
    before: Record, after: Record, found: Sequence[Fact], now: int, policy: Policy, snapshot: Snapshot
) -> Change:
    """The change that adds the facts ``found``, each numbered and rendered as an event with the status after it.

    The events carry ``snapshot``, even if it showed less than the one that ``after`` keeps.
    """
    facts = dict(before.facts)
    tally = Tally(facts.values())
    open_requests = cancellations.open_ids(before.requests)
    previous = before.status if facts else None
    sequence = before.sequence
    announced = []
    for fact in found:
        facts[fact.key] = fact
        tally.add(fact)
        if fact.kind is FactKind.ALIAS:
            continue
        if fact.kind is FactKind.REQUESTED:
            open_requests.append(fact.key.partition(":")[2])
        open_requests = [request for request in open_requests if request not in fact.closes]
        sequence += 1
        event = events.render(
            merchant=before.merchant,
            fact=fact,
            sequence=sequence,
            status=tally.status(open_requests),
            previous=previous,
            cancelled_amount=tally.cancelled,
            snapshot=snapshot,
            silent=_is_silent(fact, now, policy),
        )
        announced.append(event)
        previous = event.status
    record = replace(after, facts=facts, sequence=sequence, version=before.version + 1)
    return Change(record, tuple(found), tuple(announced), next_refresh(record, now, policy), before)


def _is_silent(fact: Fact, now: int, policy: Policy) -> bool:
    return fact.at < policy.since or now - fact.at > policy.lookback


def _latest(record: Record) -> Snapshot:
    if record.snapshot is None:
        raise ValueError(f"payment {record.imp_uid} has not been looked up yet")
    return record.snapshot
