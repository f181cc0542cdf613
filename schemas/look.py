"""One look at a payment, decided: what is new, which events it makes, where the payment stands, when to look again.

Everything that can change a payment's record goes through here: i'mport's answer (`look`), an operator's note that a
cancellation was asked for elsewhere (`note`), an operator closing one (`reject`). Each gives a `Change`, which the ledger writes in
one atomic step. Pure: the caller says what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from schemas import cancellations, events
from schemas.cancellations import Request
from schemas.facts import Expected, Fact, Facts, Kind, Status, cancelled_amount, new_facts, status, total
from schemas.payment import Snapshot
from schemas.schedule import wait


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of one payment.

    ``facts`` are in the order of their sequence, ``sequence`` is the last one used. ``claims`` are cancellations that only a webhook
    speaks of: cancellation_id -> when a look first failed to find it. ``pending_looks`` counts the looks since the youngest open
    request. ``version`` grows with every change.
    """

    merchant: str
    imp_uid: str
    facts: Facts = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    claims: Mapping[str, int] = field(default_factory=dict)
    sequence: int = 0
    version: int = 0
    pending_looks: int = 0
    snapshot: Snapshot | None = None

    @property
    def status(self) -> Status:
        return status(self.facts.values(), cancellations.open_ids(self.requests))


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides beside the facts. Seconds, and UNIX seconds for ``since``: facts before it are recorded silently."""

    since: float = 0
    retention: float = 30 * 86400
    expiry_grace: float = 600
    pending_schedule: tuple[float, ...] = (60, 300, 900, 3600, 21600)
    expected: Expected | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What to write: the record as after it, the facts and events that are new, and when to look again (seconds from now)."""

    record: Record
    facts: tuple[Fact, ...]
    events: tuple[events.Event, ...]
    next_look: float | None
    previous: Record

    @property
    def news(self) -> bool:
        """Whether anything became known that was not."""
        return bool(self.events)


def look(record: Record, snapshot: Snapshot, now: int, policy: Policy, claims: Iterable[str] = ()) -> Change:
    """What ``snapshot``, fetched at ``now``, changes.

    ``claims`` are the cancellation ids that verified webhooks spoke of and no look has settled yet.
    """
    found = new_facts(record.facts, snapshot, now, grace=policy.expiry_grace, expected=policy.expected)
    joined, requests = cancellations.answer(record.facts, record.requests, found, snapshot, now)
    open_claims = _open_claims(record, joined, snapshot, claims, now)
    requests, opened = _opened(record, requests, open_claims, now)
    requests, given_up = _given_up(requests, now)
    young = bool(opened)
    after = replace(
        record,
        requests=tuple(requests),
        claims={name: at for name, at in open_claims.items() if name not in {request.id for request in requests}},
        pending_looks=0 if young else record.pending_looks + 1 if cancellations.open_ids(requests) else 0,
        snapshot=record.snapshot if _stale(record, snapshot) else snapshot,
    )
    return _change(record, after, (*joined, *opened, *given_up), snapshot, now, policy)


def note(record: Record, request: Request, now: int, policy: Policy) -> Change:
    """A request that is open from ``now`` on: the merchant asked i'mport, or its gateway, without the relay."""
    after = replace(record, requests=(*record.requests, replace(request, state="open")), pending_looks=0)
    return _change(record, after, (cancellations.requested(request),), _seen(record), now, policy)


def reject(record: Record, request_id: str, now: int, policy: Policy, reason: str | None = None) -> Change:
    """A pending cancellation closed by an operator; the status returns to what the facts say."""
    request = next(request for request in record.requests if request.id == request_id)
    requests = tuple(
        replace(row, state="rejected", closed_at=now) if row.id == request_id else row for row in record.requests
    )
    after = replace(record, requests=requests)
    return _change(record, after, (cancellations.rejected(request, now, reason),), _seen(record), now, policy)


def left_to_cancel(record: Record, *, waiting: bool = True) -> Decimal:
    """What no cancellation has taken, nor (``waiting``) a request that waits; in the currency's major unit."""
    asked = (r.amount for r in record.requests if r.state in cancellations.WAITING and r.amount is not None)
    taken = cancelled_amount(record.facts.values()) + (sum(asked, Decimal(0)) if waiting else 0)
    return max(total(_seen(record)) - taken, Decimal(0))


def _seen(record: Record) -> Snapshot:
    if record.snapshot is None:
        raise ValueError(f"payment {record.imp_uid} was never looked at")
    return record.snapshot


def _open_claims(
    record: Record, found: Sequence[Fact], snapshot: Snapshot, claims: Iterable[str], now: int
) -> dict[str, int]:
    """Claims that nothing known explains, each with the time of the first look that did not find it."""
    known = {request.id for request in record.requests} | {row.cancellation_id for row in snapshot.cancellations}
    known |= {fact.key.partition(":")[2] for fact in (*record.facts.values(), *found) if fact.kind is not Kind.ISSUED}
    left = total(snapshot) - snapshot.cancel_amount
    if left <= 0 or not _is_paid(record, found):
        return {}
    return {name: at for name, at in {**dict.fromkeys(claims, now), **record.claims}.items() if name not in known}


def _is_paid(record: Record, found: Sequence[Fact]) -> bool:
    return any(fact.kind in (Kind.PAID, Kind.DEPOSITED) for fact in (*record.facts.values(), *found))


def _opened(
    record: Record, requests: Sequence[Request], claims: Mapping[str, int], now: int
) -> tuple[list[Request], list[Fact]]:
    """Requests that this look opens: those whose sender never came back, and a claim that two looks agree on."""
    after, opened = [], []
    for row in requests:
        request = row
        given_up = request.state == "sending" and now - request.requested_at >= cancellations.SENDING_FOR
        if given_up or request.state == "sent":
            request = replace(request, state="open")
            opened.append(cancellations.requested(request))
        after.append(request)
    waiting = any(request.state in cancellations.WAITING for request in after)
    for name, first_look in sorted(claims.items(), key=lambda claim: (claim[1], claim[0])):
        if not waiting and name in record.claims and now - first_look >= cancellations.SECOND_LOOK_AFTER:
            request = Request(name, None, "open", "webhook", requested_at=first_look)
            after.append(request)
            opened.append(cancellations.requested(request))
            waiting = True
    return after, opened


def _given_up(requests: Sequence[Request], now: int) -> tuple[list[Request], list[Fact]]:
    """Claims of webhooks that i'mport has not confirmed in all this time."""
    late = [
        request
        for request in requests
        if request.state == "open"
        and request.origin == "webhook"
        and now - request.requested_at >= cancellations.UNCONFIRMED_AFTER
    ]
    after = [replace(row, state="rejected", closed_at=now) if row in late else row for row in requests]
    return after, [cancellations.rejected(request, now, "unconfirmed") for request in late]


def _stale(record: Record, snapshot: Snapshot) -> bool:
    """Whether a snapshot is older than what is known: it has lost what an earlier look had seen."""
    lost_payment = "paid" in record.facts and snapshot.status in ("ready", "failed") and not snapshot.paid_at
    return lost_payment or snapshot.cancel_amount < cancelled_amount(record.facts.values())


def _change(
    before: Record, after: Record, found: Sequence[Fact], snapshot: Snapshot, now: int, policy: Policy
) -> Change:
    facts = dict(before.facts)
    waiting = cancellations.open_ids(before.requests)
    told = [] if not facts else [before.status]
    sequence = before.sequence
    made = []
    for fact in found:
        facts[fact.key] = fact
        if fact.kind is Kind.ALIAS:
            continue
        if fact.kind is Kind.REQUESTED:
            waiting.append(fact.key.partition(":")[2])
        waiting = [request for request in waiting if request not in fact.closes]
        sequence += 1
        stands = status(facts.values(), waiting)
        made.append(
            events.render(
                merchant=before.merchant,
                fact=fact,
                sequence=sequence,
                status=stands,
                previous=told[-1] if told else None,
                cancelled_amount=cancelled_amount(facts.values()),
                snapshot=snapshot,
                silent=policy.quiet or fact.at < policy.since or now - fact.at > policy.retention,
            )
        )
        told.append(stands)
    record = replace(after, facts=facts, sequence=sequence, version=before.version + 1)
    return Change(record, tuple(found), tuple(made), next_look(record, now, policy), before)


def next_look(record: Record, now: int, policy: Policy) -> float | None:
    """Seconds until the payment has to be looked at again without anybody asking; None for never. The earliest reason wins."""
    reasons: list[float] = [at + cancellations.SECOND_LOOK_AFTER - now for at in record.claims.values()]
    for request in record.requests:
        if request.state == "sent":
            reasons.append(0)
        if request.state == "sending":
            reasons.append(request.requested_at + cancellations.SENDING_FOR - now)
        if request.state == "open":
            reasons.append(wait(policy.pending_schedule, record.pending_looks))
    account = record.snapshot.virtual_account if record.snapshot else None
    if account is not None and account.deadline and record.status is Status.ISSUED:
        reasons.append(account.deadline + policy.expiry_grace - now)
    return max(min(reasons), 1) if reasons else None
