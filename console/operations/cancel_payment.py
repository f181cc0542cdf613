"""Cancel a payment at i'mport, wait for the result, or reject a request that never got one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog

from console.context import Context
from console.operations.polling import poll
from console.operations.refresh_payment import PATIENCE, POLL_EVERY
from console.operations.write_payment import PaymentWriter, new_request
from schemas.errors import IamportFailing, IamportRefused, IamportUnreachable, Invalid, WrongCredentials
from schemas.payments.cancel_steps import check, intend, leave_open, mark_sent, withdraw
from schemas.payments.cancellations import CancellationRequest, State
from schemas.payments.decide import Change, Policy, Record, left_to_cancel, record_request, reject_request

_BEFORE_REFRESH = ("sending", "sent")
"""The states of a request before a refresh has shown what became of it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CancellationParams:
    """What to cancel: `amount` in the currency's major unit, or everything that is left if that is None.

    `checksum` is the amount that the caller believes is left; if None, the relay computes it. `fields` are further
    fields of i'mport's ``POST /payments/cancel``, as i'mport takes them.
    """

    amount: Decimal | None = None
    reason: str | None = None
    checksum: Decimal | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)


async def cancel_payment(context: Context, merchant: str, imp_uid: str, params: CancellationParams) -> bool:
    """Ask i'mport to cancel. True if a refresh has confirmed it; False if the request is open, and refreshes follow it.

    The request is stored before i'mport is called, so that a crash cannot lose it. Raises `NotFound`; `Conflict` if the
    amount is more than is left; `Invalid`, `IamportRefused`, `WrongCredentials` and `IamportUnreachable` if i'mport
    refuses and nothing has happened; `IamportFailing` if the outcome is unknown and the request stays open.
    """
    writer = await PaymentWriter.open(context, merchant, imp_uid)
    account = await writer.account()
    change = await writer.write(
        lambda record, now, own: intend(record, new_request(record, params.amount, params.reason, "api", now), now, own)
    )
    request = change.record.requests[-1]
    try:
        await account.client.cancel(imp_uid, _form(params, change.previous, request))
    except (Invalid, IamportRefused, WrongCredentials, IamportUnreachable):
        await writer.write(lambda record, now, own: withdraw(record, request.id, now, own))
        raise
    except IamportFailing as error:
        log.warning(
            "cancellation_unclear", merchant=merchant, imp_uid=imp_uid, cancellation=request.id, error=str(error)
        )
        await writer.write(lambda record, now, own: leave_open(record, request.id, now, own))
        await writer.mark_dirty()
        raise
    log.info("cancellation_sent", merchant=merchant, imp_uid=imp_uid, cancellation=request.id)
    await writer.write(lambda record, now, own: mark_sent(record, request.id, now, own))
    await writer.mark_dirty()
    return await _confirmed(writer, request.id)


async def record_cancellation(
    context: Context, merchant: str, imp_uid: str, amount: Decimal | None, reason: str | None
) -> None:
    """Record that a cancellation was requested elsewhere; of everything that is left if `amount` is None.

    Raises `NotFound`, `Conflict` if it is more than is left, and `IamportUnreachable`.
    """

    def decide(record: Record, now: int, own: Policy) -> Change:
        request = new_request(record, amount, reason, "record", now)
        check(record, request)
        return record_request(record, request, now, own)

    writer = await PaymentWriter.open(context, merchant, imp_uid)
    await writer.write(decide)
    await writer.mark_dirty()


async def reject_cancellation(
    context: Context, merchant: str, imp_uid: str, request_id: str, reason: str | None
) -> None:
    """Close an open cancellation request as rejected. Raises `NotFound`, `Conflict` and `IamportUnreachable`."""
    writer = await PaymentWriter.open(context, merchant, imp_uid)
    await writer.write(lambda record, now, own: reject_request(record, request_id, now, own, reason))


async def _confirmed(writer: PaymentWriter, request_id: str) -> bool:
    """Whether a refresh showed that the cancellation is done. If it is still pending, or the refresh takes too long,
    the request stays open."""

    async def read_state() -> State:
        return next((row.state for row in (await writer.record()).requests if row.id == request_id), "confirmed")

    state = await poll(read_state, lambda state: state not in _BEFORE_REFRESH, within=PATIENCE, every=POLL_EVERY)
    if state not in _BEFORE_REFRESH:
        return state == "confirmed"
    await writer.write(lambda record, now, own: leave_open(record, request_id, now, own))
    return False


def _form(params: CancellationParams, record: Record, request: CancellationRequest) -> dict[str, Any]:
    """The fields of ``POST /payments/cancel``; ``checksum`` is what i'mport should find left before it acts."""
    form = {**({} if params.reason is None else {"reason": params.reason}), **params.fields}
    # Requests that wait for their result have not yet reduced the amount that i'mport counts as left.
    at_iamport = left_to_cancel(record, minus_requests=False)
    if params.amount is not None or request.amount != at_iamport:
        form["amount"] = request.amount
    return form | {"checksum": at_iamport if params.checksum is None else params.checksum}
