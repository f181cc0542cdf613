"""The steps of asking i'mport to cancel. The intent is stored before the call, so that a crash cannot lose it.

First `intend`, then the call, then one of `mark_sent` (i'mport accepted it; the next look-up shows the outcome),
`withdraw` (nothing happened) and `leave_open` (the outcome is unknown: the request is never sent again, and refreshes
find out).
"""

from __future__ import annotations

from dataclasses import replace

from schemas.errors import Conflict
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Change, Policy, Record, left_to_cancel, next_refresh, record_request
from schemas.payments.facts import plain


def intend(record: Record, request: CancellationRequest, now: int, policy: Policy) -> Change:
    """Stores the intent to call i'mport.

    Raises `Conflict` while another request is being sent, and if more is asked than is left.
    """
    check(record, request)
    if any(row.state in ("sending", "sent") for row in record.requests):
        raise Conflict(f"another cancellation of payment {record.imp_uid} is being sent right now")
    return _with_requests(record, (*record.requests, request), now, policy)


def check(record: Record, request: CancellationRequest) -> None:
    """Raises `Conflict` if more is asked than is left to cancel."""
    left = left_to_cancel(record)
    if not left:
        raise Conflict(f"nothing of payment {record.imp_uid} is left to cancel: it is cancelled, or asked for already")
    if request.amount is None or request.amount > left:
        raise Conflict(f"of payment {record.imp_uid} {plain(left)} is left to cancel, {_asked(request)} was asked for")


def mark_sent(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """Marks the request as accepted by i'mport."""
    requests = tuple(
        replace(row, state="sent") if row.id == request_id and row.state == "sending" else row
        for row in record.requests
    )
    return _with_requests(record, requests, now, policy)


def withdraw(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """Removes the request without a trace: i'mport refused it or never got it."""
    requests = tuple(row for row in record.requests if row.id != request_id or row.state != "sending")
    return _with_requests(record, requests, now, policy)


def leave_open(record: Record, request_id: str, now: int, policy: Policy) -> Change:
    """Opens the request, whose outcome is unknown: it waits for its result like any other."""
    request = next((row for row in record.requests if row.id == request_id and row.state in ("sending", "sent")), None)
    if request is None:
        return _with_requests(record, record.requests, now, policy)
    others = tuple(row for row in record.requests if row.id != request_id)
    return record_request(replace(record, requests=others), request, now, policy)


def _with_requests(record: Record, requests: tuple[CancellationRequest, ...], now: int, policy: Policy) -> Change:
    after = replace(record, requests=requests, version=record.version + 1)
    return Change(after, (), (), next_refresh(after, now, policy), record)


def _asked(request: CancellationRequest) -> str:
    return "everything" if request.amount is None else plain(request.amount)
