"""Requests for cancellation, kept beside the facts: who asked for what, and which fact answered it.

Between a request and its result lie a gateway's ticket desk and days (Paymentwall, PayPal, Smartro), so a request is
opened when it is known and closed by the entry of ``cancel_history`` that answers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations
from typing import Any, Literal

from schemas.payments.facts import Fact, Facts, Kind, cancelled_amount
from schemas.payments.history_entries import Totals
from schemas.payments.refunds import UNLISTED
from schemas.payments.snapshot import ZERO, Snapshot
from schemas.times import rfc3339

Origin = Literal["api", "record", "webhook"]
State = Literal["sending", "sent", "open", "confirmed", "rejected"]
WAITING = ("sending", "sent", "open")
"""States in which a result may still come."""

SENDING_FOR = 60
"""Seconds after which a request whose sender never came back counts as sent: what came of it, polling finds out."""

UNCONFIRMED_AFTER = 14 * 86400
"""Seconds after which a cancellation that only a webhook claimed is given up."""

SECOND_LOOK_AFTER = 3
"""Seconds between two looks that agree before a webhook's claim opens a request: at least two, as times are whole."""

MOST_TOGETHER = 8
"""Requests of which a sum is made up, at most: each way to do so is tried."""

_CLOCK_SLACK = 60


@dataclass(frozen=True, slots=True)
class Request:
    """One cancellation that somebody asked for.

    ``amount`` in the currency's major unit, None where a webhook claimed it without saying how much. Times in UNIX
    seconds. ``sending``: i'mport is being asked right now; ``sent``: it has taken it, and the next look shows what
    came of it. Until then nobody outside knows of it. Then ``open``, until confirmed or rejected.
    """

    id: str
    amount: Decimal | None
    state: State
    origin: Origin
    requested_at: int
    reason: str | None = None
    closed_at: int | None = None


def open_ids(requests: Iterable[Request]) -> list[str]:
    """The ids of the requests that wait for their result."""
    return [request.id for request in requests if request.state == "open"]


def requested(request: Request) -> Fact:
    """The fact that a cancellation was requested."""
    return Fact(
        f"requested:{request.id}",
        Kind.REQUESTED,
        request.requested_at,
        detail={"cancellation": request_detail(request)},
    )


def rejected(request: Request, now: int, reason: str | None) -> Fact:
    """The fact that a pending cancellation was turned down at ``now``."""
    detail = request_detail(request) | ({"reason": reason} if reason else {})
    return Fact(f"rejected:{request.id}", Kind.REJECTED, now, closes=(request.id,), detail={"cancellation": detail})


def request_detail(request: Request) -> dict[str, Any]:
    """What an event says of a request that has no entry in ``cancel_history`` yet."""
    return {
        "id": request.id,
        "request": request.id,
        "amount": request.amount,
        "reason": request.reason,
        "requested_at": rfc3339(request.requested_at),
        "cancelled_at": None,
        "receipt_url": None,
    }


def answer(
    known: Facts,
    requests: Sequence[Request],
    found: Sequence[Fact],
    snapshot: Snapshot,
    now: int,
    again: Sequence[Fact] = (),
) -> tuple[list[Fact], list[Request]]:
    """Joins cancellations to the requests they answer.

    Gives ``found`` with each cancellation's detail completed and its requests in ``closes``, and the requests as
    after it. An entry answers the request with its id; else the one of its amount that is not younger than it; else
    one that what is left can no longer cover. Money without an entry answers, before that, the requests it is the sum
    of: whether a look came between them must not matter. When nothing is left, every request is closed.

    ``again`` are cancellations of money that was announced, taken back and has gone once more (see
    `refunds.cancelled_again`): one that a request waits for is a fact, in place of its alias; the others are none.
    """
    pending = {request.id: request for request in requests if request.state in WAITING}
    announced, totals = cancelled_amount(known.values()), Totals(snapshot)
    joined: list[Fact] = []
    listed, repeated = {fact.key for fact in found}, {fact.key: fact for fact in again}
    for entry in (*found, *(fact for fact in again if fact.key not in listed)):
        fact = repeated.get(entry.key, entry)
        if fact.kind is not Kind.CANCELLED:
            joined.append(fact)
            continue
        announced += fact.amount
        remainder = totals.left(snapshot.cancel_amount if fact.key in repeated else announced)
        matches = _match(fact, list(pending.values()), remainder)
        if fact.key in repeated and not matches and not (fact.whole and pending):
            joined += [entry] if entry.key in listed else []
            continue
        closes = list(pending) if fact.whole else [match.id for match in matches]
        for request_id in closes:
            del pending[request_id]
        asked = matches[0] if matches else next((r for r in requests if r.id in closes[:1]), None)
        joined.append(replace(fact, closes=tuple(closes), detail={"cancellation": _completed(fact.detail, asked)}))
    closed = {request_id for fact in joined for request_id in fact.closes}
    after = [
        replace(request, state="confirmed", closed_at=now) if request.id in closed else request for request in requests
    ]
    return joined, after


def opened(requests: Sequence[Request], claims: Mapping[str, int], now: int) -> tuple[list[Request], list[Fact]]:
    """Requests that are open from now on: those sent, those whose sender never came back, and a claim that is ripe.

    ``claims`` are cancellation ids and when a look first failed to find them.
    """
    after, told = [], []
    for row in requests:
        request = row
        given_up = row.state == "sending" and now - row.requested_at >= SENDING_FOR
        if given_up or row.state == "sent":
            request = replace(row, state="open")
            told.append(requested(request))
        after.append(request)
    ripe = [(at, name) for name, at in claims.items() if now - at >= SECOND_LOOK_AFTER]
    if ripe and not any(request.state in WAITING for request in after):
        first_look, name = min(ripe)
        request = Request(name, None, "open", "webhook", requested_at=first_look)
        return [*after, request], [*told, requested(request)]
    return after, told


def given_up(requests: Sequence[Request], now: int) -> tuple[list[Request], list[Fact]]:
    """Claims of webhooks that i'mport has not confirmed in all this time are closed."""
    late = [
        request
        for request in requests
        if request.state == "open" and request.origin == "webhook" and now - request.requested_at >= UNCONFIRMED_AFTER
    ]
    after = [replace(row, state="rejected", closed_at=now) if row in late else row for row in requests]
    return after, [rejected(request, now, "unconfirmed") for request in late]


def together(pending: Sequence[Request], amount: Decimal) -> list[Request]:
    """Those of several requests that make up ``amount`` together; none unless there is exactly one way to do so."""
    if len(pending) > MOST_TOGETHER or any(request.amount is None for request in pending):
        return []
    sizes = range(2, len(pending) + 1)
    chosen = (list(some) for size in sizes for some in combinations(pending, size))
    ways = [some for some in chosen if sum((request.amount or ZERO for request in some), ZERO) == amount]
    return ways[0] if len(ways) == 1 else []


def _match(fact: Fact, pending: Sequence[Request], remainder: Decimal) -> list[Request]:
    """The request that a cancellation answers, or those that it is the sum of."""
    entry_id = fact.detail.get("id")
    same_id = [request for request in pending if request.id == entry_id]
    in_time = [request for request in pending if request.requested_at <= fact.at + _CLOCK_SLACK]
    same_amount = [request for request in in_time if request.amount == fact.detail.get("amount")]
    nameless = [request for request in in_time if request.amount is None and entry_id is None]
    overtaken = [request for request in pending if request.amount is not None and request.amount > remainder]
    if one := [*same_id, *same_amount, *nameless][:1]:
        return one
    summed = together(in_time, fact.amount) if fact.key.startswith(UNLISTED) else []
    return summed or overtaken[:1]


def _completed(detail: Mapping[str, Any], request: Request | None) -> dict[str, Any]:
    return {
        "id": detail.get("id") or (request.id if request else None),
        "request": request.id if request else None,
        "amount": detail.get("amount"),
        "reason": detail.get("reason") or (request.reason if request else None),
        "requested_at": rfc3339(request.requested_at) if request else None,
        "cancelled_at": detail.get("cancelled_at"),
        "receipt_url": detail.get("receipt_url"),
    }
