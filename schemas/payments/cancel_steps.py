"""Asking i'mport to cancel, step by step: the intent is on disk before i'mport is called, so no crash forgets it.

`intend`, then the call, then one of `sent` (the next look shows what came of it), `withdraw` (nothing happened) and
`leave_open` (nobody knows: it may have happened, so it is waited for and never sent again).
"""

from __future__ import annotations

from dataclasses import replace

from schemas.errors import Conflict
from schemas.payments.cancellations import Request
from schemas.payments.decide import Change, Policy, Record, left_to_cancel, next_refresh, record_request
from schemas.payments.facts import plain
from schemas.reasons import Reason


def intend(record: Record, request: Request, now: int, policy: Policy) -> Change:
    """Note that i'mport is about to be asked.

    Raises `Conflict` while another request is being sent, and where more is asked than is left.
    """
    check(record, request)
    if any(row.state in ("sending", "sent") for row in record.requests):
        raise Conflict(Reason.of("cancellation_under_way", imp_uid=record.imp_uid))
    return _rewritten(record, (*record.requests, request), now, policy)


def check(record: Record, request: Request) -> None:
    """Raises `Conflict` where more is asked to be cancelled than is left."""
    left = left_to_cancel(record)
    if not left:
        raise Conflict(Reason.of("nothing_left_to_cancel", imp_uid=record.imp_uid))
    if request.amount is None or request.amount > left:
        if request.amount is None:
            raise Conflict(Reason.of("whole_no_longer_cancellable", imp_uid=record.imp_uid, left=plain(left)))
        requested = plain(request.amount)
        raise Conflict(Reason.of("too_much_to_cancel", imp_uid=record.imp_uid, left=plain(left), requested=requested))


def mark_sent(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """i'mport has taken the request."""
    requests = tuple(
        replace(row, state="sent") if row.id == request_id and row.state == "sending" else row
        for row in record.requests
    )
    return _rewritten(record, requests, now, policy)


def withdraw(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """i'mport has refused the request, or never got it: there is no trace of it."""
    requests = tuple(row for row in record.requests if row.id != request_id or row.state != "sending")
    return _rewritten(record, requests, now, policy)


def leave_open(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """Nobody knows what became of the request: it waits for its result like any other."""
    request = next((row for row in record.requests if row.id == request_id and row.state in ("sending", "sent")), None)
    if request is None:
        return _rewritten(record, record.requests, now, policy)
    others = tuple(row for row in record.requests if row.id != request_id)
    return record_request(replace(record, requests=others), request, now, policy)


def _rewritten(record: Record, requests: tuple[Request, ...], now: int, policy: Policy) -> Change:
    after = replace(record, requests=requests, version=record.version + 1)
    return Change(after, (), (), next_refresh(after, now, policy), record)
