"""The steps of asking i'mport to cancel. The intent is stored before the call, so that a crash cannot lose it.

First `intend`, then the call, then one of three: `mark_sent` (i'mport accepted it; the next look-up shows the outcome),
`withdraw` (nothing happened), or `leave_open` (the outcome is unknown: the request is never sent again, and refreshes
find the outcome).
"""

from __future__ import annotations

from dataclasses import replace

from schemas.errors import Conflict
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Change, Policy, Record, left_to_cancel, next_refresh, record_request
from schemas.payments.facts import plain
from schemas.reasons import Reason


def intend(record: Record, request: CancellationRequest, now: int, policy: Policy) -> Change:
    """Store the intent to call i'mport.

    Raises `Conflict` while another request is being sent, and if the request is for more than is left to cancel.
    """
    check(record, request)
    if any(row.state in ("sending", "sent") for row in record.requests):
        raise Conflict(Reason.of("cancellation_under_way", imp_uid=record.imp_uid))
    return _with_requests(record, (*record.requests, request), now, policy)


def check(record: Record, request: CancellationRequest) -> None:
    """Raise `Conflict` if the request is for more than is left to cancel."""
    left = left_to_cancel(record)
    if not left:
        raise Conflict(Reason.of("nothing_left_to_cancel", imp_uid=record.imp_uid))
    if request.amount is None or request.amount > left:
        if request.amount is None:
            raise Conflict(Reason.of("whole_no_longer_cancellable", imp_uid=record.imp_uid, left=plain(left)))
        requested = plain(request.amount)
        raise Conflict(Reason.of("too_much_to_cancel", imp_uid=record.imp_uid, left=plain(left), requested=requested))


def mark_sent(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """Mark the request as accepted by i'mport."""
    requests = tuple(
        replace(row, state="sent") if row.id == request_id and row.state == "sending" else row
        for row in record.requests
    )
    return _with_requests(record, requests, now, policy)


def withdraw(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """Remove the request without a trace: i'mport refused it or never got it."""
    requests = tuple(row for row in record.requests if row.id != request_id or row.state != "sending")
    return _with_requests(record, requests, now, policy)


def leave_open(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """Open the request, as its outcome is unknown: it waits for its result like any other."""
    request = next((row for row in record.requests if row.id == request_id and row.state in ("sending", "sent")), None)
    if request is None:
        return _with_requests(record, record.requests, now, policy)
    others = tuple(row for row in record.requests if row.id != request_id)
    return record_request(replace(record, requests=others), request, now, policy)


def _with_requests(record: Record, requests: tuple[CancellationRequest, ...], now: int, policy: Policy) -> Change:
    after = replace(record, requests=requests, version=record.version + 1)
    return Change(after, (), (), next_refresh(after, now, policy), record)
