"""Test an endpoint: a worker sends it a `relay.test` event now, and the attempt is the result.

The event is sent even if the endpoint's lane is paused or the endpoint is disabled, so that operators can find out
whether the endpoint has recovered. A success ends the lane's pause; it does not enable the endpoint.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from console.context import Context
from console.operations.polling import poll
from ledger.deliveries import DeliveryView
from ledger.ledger import Ledger
from schemas import wire
from schemas.endpoints.delivery import Attempt
from schemas.endpoints.endpoint import TEST_TYPE
from schemas.errors import Conflict
from schemas.event_ids import BYTES, event_id_of
from schemas.reasons import Reason
from schemas.times import rfc3339

_POLL_EVERY = 0.1
_WAIT_TO_START = 5.0
"""Seconds on top of RELAY_DELIVERY_TIMEOUT within which a worker should have attempted the delivery."""
_WAIT_TO_SETTLE = 2.0
"""Seconds on top of RELAY_DELIVERY_TIMEOUT within which a worker should have recorded an attempt that it has begun."""


@dataclass(frozen=True, slots=True)
class EndpointTest:
    """A test event and its delivery. If no worker has sent it in time, `attempt` is None and `reason` says why."""

    event: str
    delivery: str
    attempt: Attempt | None
    reason: Reason | None = None


async def try_endpoint(context: Context, endpoint_id: str) -> EndpointTest:
    """Send a test event and wait for the attempt. Raises `NotFound`, and `Conflict` if the endpoint is deleted
    meanwhile."""
    ledger, timeout = context.ledger, context.settings.delivery_timeout
    registered = await ledger.endpoints.get(endpoint_id)
    event = event_id_of(secrets.token_bytes(BYTES))
    data = {"merchant": registered.endpoint.merchant, "endpoint": endpoint_id}
    timestamp = rfc3339(int(await ledger.now()))
    body = wire.dumps({"id": event, "type": TEST_TYPE, "timestamp": timestamp, "data": data})
    delivery_id = await ledger.deliveries.send_test(endpoint_id, event, body)
    reason = (await _attempted(ledger, delivery_id, timeout + _WAIT_TO_START)).reason
    if not await ledger.deliveries.end_test(delivery_id):
        # It is over, or a worker is sending it right now: the attempt is the result.
        reason = (await _attempted(ledger, delivery_id, timeout + _WAIT_TO_SETTLE)).reason
        await ledger.deliveries.end_test(delivery_id)
    delivery = await ledger.deliveries.get(delivery_id)
    if delivery.state == "discarded":
        raise Conflict(Reason.of("endpoint_deleted"))
    if not delivery.attempts:
        return EndpointTest(event, delivery_id, None, reason or Reason.of("test_not_sent"))
    return EndpointTest(event, delivery_id, delivery.attempts[-1])


async def _attempted(ledger: Ledger, delivery_id: str, seconds: float) -> DeliveryView:
    """The test's delivery once it was attempted or discarded; after so many seconds, as it is then."""

    def is_over(delivery: DeliveryView) -> bool:
        return bool(delivery.attempts) or delivery.state == "discarded"

    return await poll(lambda: ledger.deliveries.get(delivery_id), is_over, within=seconds, every=_POLL_EVERY)
