"""Cancellation requests: who asked for what, and which cancellation settled it.

Some gateways (Paymentwall, PayPal, Smartro) take days to decide on a cancellation. The relay therefore opens a request
as soon as it learns of one, and closes it when an entry of ``cancel_history`` settles it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations
from typing import Any, Literal

from schemas.payments.facts import Fact, FactKind, Facts, cancelled_amount
from schemas.payments.history_entries import CancellableTotals, uncancelled
from schemas.payments.refunds import UNLISTED
from schemas.payments.snapshot import ZERO, Snapshot
from schemas.times import rfc3339

Origin = Literal["api", "record", "webhook"]
State = Literal["sending", "sent", "open", "confirmed", "rejected"]
UNSETTLED = ("sending", "sent", "open")
"""States in which a result may still come."""

SENDING_TIMEOUT = 60
"""Seconds after which a request counts as sent if its process has not reported back; refreshes find the outcome."""

CONFIRM_AFTER = 3
"""Seconds between the two look-ups that must both miss a reported cancellation before it opens a request. As times are
whole seconds, that is at least two seconds of real time."""

UNCONFIRMED_AFTER = 14 * 86400
"""Seconds after which the relay gives up on a request that only a webhook has reported."""

LARGEST_COMBINATION = 8
"""With more pending requests than this, their sums are not compared with an amount: each combination costs a try."""

_CLOCK_SLACK = 60


@dataclass(frozen=True, slots=True)
class CancellationRequest:
    """One requested cancellation.

    ``amount`` is in the currency's major unit, None if a webhook reported it without one. Times are UNIX seconds.
    ``state`` is ``sending`` while i'mport is being called and ``sent`` once it has accepted the request (the next
    look-up shows the outcome); neither is visible outside yet. Then it is ``open`` until confirmed or rejected.
    """

    id: str
    amount: Decimal | None
    state: State
    origin: Origin
    requested_at: int
    reason: str | None = None
    closed_at: int | None = None


def open_ids(requests: Iterable[CancellationRequest]) -> list[str]:
    """The ids of the open requests."""
    return [request.id for request in requests if request.state == "open"]


def left_after_requests(snapshot: Snapshot, requests: Iterable[CancellationRequest]) -> Decimal:
    """What can still be cancelled, as i'mport shows it now, in the currency's major unit. Unsettled requests count as
    cancelled; those of unknown amount count as nothing."""
    unsettled = (request.amount or ZERO for request in requests if request.state in UNSETTLED)
    return max(uncancelled(snapshot, snapshot.cancel_amount) - sum(unsettled, ZERO), ZERO)


def requested_fact(request: CancellationRequest) -> Fact:
    """The fact that a cancellation was requested."""
    return Fact(
        f"requested:{request.id}",
        FactKind.REQUESTED,
        request.requested_at,
        detail={"cancellation": request_detail(request)},
    )


def rejected_fact(request: CancellationRequest, now: int, reason: str | None) -> Fact:
    """The fact that a pending cancellation was rejected at ``now``."""
    detail = request_detail(request) | ({"reason": reason} if reason else {})
    return Fact(f"rejected:{request.id}", FactKind.REJECTED, now, closes=(request.id,), detail={"cancellation": detail})


def request_detail(request: CancellationRequest) -> dict[str, Any]:
    """The ``detail`` of an event about a request that has no entry in ``cancel_history`` yet."""
    return {
        "id": request.id,
        "request": request.id,
        "amount": request.amount,
        "reason": request.reason,
        "requested_at": rfc3339(request.requested_at),
        "cancelled_at": None,
        "receipt_url": None,
    }


def settle_requests(
    known: Facts,
    requests: Sequence[CancellationRequest],
    found: Sequence[Fact],
    repeated: Sequence[Fact],
    snapshot: Snapshot,
    now: int,
) -> tuple[list[Fact], list[CancellationRequest]]:
    """Match the cancellations in ``found`` with the requests that they settle.

    Returns the facts, each cancellation with its full detail and the ids of the requests it ``closes``, and the
    requests as they are afterwards. `_settled_by` says which requests a cancellation settles; when nothing is left to
    cancel, it closes all of them.

    ``repeated`` are cancellations of money that was announced, taken back and cancelled once more (see
    `refunds.repeated_cancellations`). If a request waits for one, it becomes a fact and replaces its alias in
    ``found``; otherwise it is dropped.
    """
    if not requests and not any(fact.kind is FactKind.CANCELLED for fact in (*found, *repeated)):
        return list(found), []
    pending = {request.id: request for request in requests if request.state in UNSETTLED}
    announced, totals = cancelled_amount(known.values()), CancellableTotals(snapshot)
    repeated_by_key = {fact.key: fact for fact in repeated}
    found_keys = {fact.key for fact in found}
    settled: list[Fact] = []
    for original in (*found, *(fact for fact in repeated if fact.key not in found_keys)):
        is_repeated = original.key in repeated_by_key
        fact = repeated_by_key.get(original.key, original)
        if fact.kind is not FactKind.CANCELLED:
            settled.append(fact)
            continue
        announced += fact.amount
        remainder = totals.uncancelled(snapshot.cancel_amount if is_repeated else announced)
        matches = _settled_by(fact, list(pending.values()), remainder)
        if is_repeated and not matches and not (fact.whole and pending):
            settled += [original] if original.key in found_keys else []
            continue
        settled.append(_closing(fact, matches, pending))
    closed = {request_id for fact in settled for request_id in fact.closes}
    after = [replace(row, state="confirmed", closed_at=now) if row.id in closed else row for row in requests]
    return settled, after


def open_requests(
    requests: Sequence[CancellationRequest], reported: Mapping[str, int], now: int
) -> tuple[list[CancellationRequest], list[Fact]]:
    """Open the requests that were sent or have been ``sending`` for too long. If no request is unsettled after that,
    also open one for a reported cancellation that two look-ups have missed.

    ``reported`` maps cancellation ids to the time of the first look-up that missed them. Returns all requests and the
    facts of those opened.
    """
    after, facts = [], []
    for row in requests:
        request = row
        timed_out = row.state == "sending" and now - row.requested_at >= SENDING_TIMEOUT
        if timed_out or row.state == "sent":
            request = replace(row, state="open")
            facts.append(requested_fact(request))
        after.append(request)
    missed_twice = [(at, name) for name, at in reported.items() if now - at >= CONFIRM_AFTER]
    if missed_twice and not any(request.state in UNSETTLED for request in after):
        missed_at, name = min(missed_twice)
        request = CancellationRequest(name, None, "open", "webhook", requested_at=missed_at)
        return [*after, request], [*facts, requested_fact(request)]
    return after, facts


def close_unconfirmed(
    requests: Sequence[CancellationRequest], now: int
) -> tuple[list[CancellationRequest], list[Fact]]:
    """Reject the open requests that only a webhook reported and i'mport has not confirmed in `UNCONFIRMED_AFTER`.

    Returns all requests and the facts of those rejected.
    """
    late = [
        request
        for request in requests
        if request.state == "open" and request.origin == "webhook" and now - request.requested_at >= UNCONFIRMED_AFTER
    ]
    after = [replace(row, state="rejected", closed_at=now) if row in late else row for row in requests]
    return after, [rejected_fact(request, now, "unconfirmed") for request in late]


def only_combination(pending: Sequence[CancellationRequest], amount: Decimal) -> list[CancellationRequest]:
    """The two or more requests whose amounts add up to ``amount``; none unless exactly one combination does."""
    if len(pending) > LARGEST_COMBINATION or any(request.amount is None for request in pending):
        return []
    sizes = range(2, len(pending) + 1)
    combined = (list(some) for size in sizes for some in combinations(pending, size))
    exact = [some for some in combined if sum((request.amount or ZERO for request in some), ZERO) == amount]
    return exact[0] if len(exact) == 1 else []


def _settled_by(fact: Fact, pending: Sequence[CancellationRequest], remainder: Decimal) -> list[CancellationRequest]:
    """The pending requests that a cancellation settles. The first rule that applies decides:

    1. the request with the entry's id;
    2. the first of the same amount that is not younger than the entry (a minute of slack);
    3. for an entry without an id, the first of unknown amount that is not younger;
    4. for money that no entry explains, the only combination of requests that adds up to it: the result must not
       depend on whether a look-up came between them;
    5. the first request that ``remainder``, what is left to cancel, can no longer cover.
    """
    entry_id = fact.detail.get("id")
    not_younger = [request for request in pending if request.requested_at <= fact.at + _CLOCK_SLACK]
    same_id = [request for request in pending if request.id == entry_id]
    same_amount = [request for request in not_younger if request.amount == fact.detail.get("amount")]
    no_amount = [request for request in not_younger if request.amount is None and entry_id is None]
    if first := [*same_id, *same_amount, *no_amount][:1]:
        return first
    if fact.key.startswith(UNLISTED) and (combined := only_combination(not_younger, fact.amount)):
        return combined
    return [request for request in pending if request.amount is not None and request.amount > remainder][:1]


def _closing(fact: Fact, matches: Sequence[CancellationRequest], pending: dict[str, CancellationRequest]) -> Fact:
    """The fact with its full detail and the requests that it closes, which leave ``pending``: its ``matches``, or all
    when nothing is left to cancel."""
    closed = list(pending.values()) if fact.whole else matches
    for request in closed:
        del pending[request.id]
    main = next(iter((*matches, *closed)), None)
    detail = {"cancellation": _cancellation_detail(fact.detail, main)}
    return replace(fact, closes=tuple(request.id for request in closed), detail=detail)


def _cancellation_detail(detail: Mapping[str, Any], request: CancellationRequest | None) -> dict[str, Any]:
    """An entry's detail, completed from its request."""
    return {
        "id": detail.get("id") or (request.id if request else None),
        "request": request.id if request else None,
        "amount": detail.get("amount"),
        "reason": detail.get("reason") or (request.reason if request else None),
        "requested_at": rfc3339(request.requested_at) if request else None,
        "cancelled_at": detail.get("cancelled_at"),
        "receipt_url": detail.get("receipt_url"),
    }
