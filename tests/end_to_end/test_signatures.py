"""Signatures, end to end: other people's verifiers take them, also while one secret is replaced by another."""

from __future__ import annotations

import time

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.support.relay import Relay

OVERLAP = 10


async def test_rotation_with_overlap(relay: Relay) -> None:
    """The old secret verifies alone, then both do, then the new one alone; the id is the event's throughout."""
    endpoint = await relay.endpoint()
    old, path = endpoint["secret"], f"/v1/endpoints/{endpoint['id']}/secret"
    await _next_callback(relay)
    rotated = await relay.api.post(f"{path}/rotate", json={"overlap": f"{OVERLAP}s"})
    ends = time.time() + OVERLAP
    new = rotated.json()["secret"]
    assert [old] == [row["secret"] for row in rotated.json()["previous"]]
    await _next_callback(relay)
    await relay.until(lambda: time.time() > ends + 0.5, "the overlap is over")
    await _next_callback(relay)

    before, during, after = range(3)
    assert [(_verifies(relay, place, old), _verifies(relay, place, new)) for place in (before, during, after)] == [
        (True, False),
        (True, True),
        (False, True),
    ]
    assert [len(request.headers["webhook-signature"].split()) for request in relay.subscriber.requests] == [1, 2, 1]
    assert [event["id"] for event in relay.subscriber.events] == [
        request.headers["webhook-id"] for request in relay.subscriber.requests
    ]
    shown = (await relay.api.get(path)).json()
    assert (new, []) == (shown["secret"], shown["previous"])


async def _next_callback(relay: Relay) -> None:
    before = len(relay.subscriber.requests)
    await relay.play("card")
    await relay.until(lambda: len(relay.subscriber.requests) > before, "it is called")


def _verifies(relay: Relay, place: int, secret: str) -> bool:
    """Whether both libraries take a callback; they must agree."""
    from svix.webhooks import Webhook as SvixWebhook  # half a second, which no other file's process has to spend
    from svix.webhooks import WebhookVerificationError as SvixVerificationError

    request = relay.subscriber.requests[place]
    headers, body = request.headers, request.body
    taken = True
    try:
        StandardWebhook(secret).verify(body, headers)
    except WebhookVerificationError:
        taken = False
    if taken:
        SvixWebhook(secret).verify(body, headers)
    else:
        with pytest.raises(SvixVerificationError):
            SvixWebhook(secret).verify(body, headers)
    return taken
