"""Testing an endpoint: a `relay.test` event, sent now by a worker, and what came of it.

It is sent whatever the endpoint's lane waits for, and also to a disabled endpoint: that is how operators find out
whether the endpoint is well again. A success ends the lane's pause; it does not enable the endpoint.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time

from pydantic import Field

from console.http.models import Nothing, Out, Parameters, ReasonCode, ReasonText
from console.http.operation import Call, Operation, OperationResult
from console.resources.deliveries import AttemptOut, attempt_out
from ledger.deliveries import DeliveryView
from ledger.ledger import Ledger
from schemas import wire
from schemas.endpoints.endpoint import TEST_TYPE
from schemas.errors import Conflict
from schemas.reasons import Reason
from schemas.times import rfc3339

_LOOK_EVERY = 0.1
_SLACK = 5.0
"""Seconds on top of RELAY_DELIVERY_TIMEOUT that a worker is given to come by."""
_SETTLING = 2.0
"""Seconds on top of RELAY_DELIVERY_TIMEOUT that a worker is given to note the attempt it has begun."""


class TestedOut(AttemptOut):
    """The attempt at a test event."""

    event: str
    delivery: str


class NotYetTested(Out):
    """A test event that no worker has sent in time."""

    event: str
    delivery: str
    reason: ReasonText = Field(description="why it was not sent, in words")
    reason_code: ReasonCode


async def test(call: Call[Parameters, Nothing]) -> OperationResult:
    """Send a test event."""
    ledger, endpoint = call.context.ledger, call.path["id"]
    registered = await ledger.endpoints.get(endpoint)
    event = "evt_" + base64.b32encode(secrets.token_bytes(20)).decode().lower()
    data = {"merchant": registered.endpoint.merchant, "endpoint": endpoint}
    timestamp = rfc3339(int(await ledger.store.now()))
    body = wire.dumps({"id": event, "type": TEST_TYPE, "timestamp": timestamp, "data": data})
    ledger.queue.kick_all([await ledger.deliveries.send_test(endpoint, event, body)])
    delivery = f"{event}.{endpoint}"
    timeout = call.context.settings.delivery_timeout
    reason = (await _waited_for(ledger, delivery, timeout + _SLACK)).reason
    if not await ledger.deliveries.end_test(delivery):
        # Over, or a worker is sending it right now: what comes of that is the answer.
        reason = (await _waited_for(ledger, delivery, timeout + _SETTLING)).reason
        await ledger.deliveries.end_test(delivery)
    sent = await ledger.deliveries.get(delivery)
    if sent.state == "discarded":
        raise Conflict(Reason.of("endpoint_deleted"))
    if not sent.attempts:
        why = reason or Reason.of("test_not_sent")
        return OperationResult(NotYetTested(event=event, delivery=delivery, reason=why, reason_code=why.decisive), 202)
    attempt = dict(attempt_out(sent.attempts[-1]))
    return OperationResult(TestedOut(event=event, delivery=delivery, **attempt))


async def _waited_for(ledger: Ledger, delivery: str, seconds: float) -> DeliveryView:
    """The test delivery once it was attempted or dropped, or as it is after so many seconds."""
    ends = time.monotonic() + seconds
    while True:
        sent = await ledger.deliveries.get(delivery)
        if sent.attempts or sent.state == "discarded" or time.monotonic() > ends:
            return sent
        await asyncio.sleep(_LOOK_EVERY)


OPERATIONS = (
    Operation(
        "POST", "/v1/endpoints/{id}/test", "Send a relay.test event now", test, {200: TestedOut, 202: NotYetTested},
        problems=(404, 409),
    ),
)  # fmt: skip
