"""Signatures, end to end: other people's verifiers take them, also while one secret is replaced by another."""

from __future__ import annotations

import time

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook
from svix.webhooks import WebhookVerificationError as SvixVerificationError

from tests.support.stack import Stack

OVERLAP = 3


async def test_rotation_with_overlap(stack: Stack) -> None:
    """The old secret verifies alone, then both do, then the new one alone; the id is the event's throughout."""
    endpoint = await stack.endpoint()
    old, path = endpoint["secret"], f"/v1/endpoints/{endpoint['id']}/secret"
    await _next_callback(stack)
    rotated = await stack.api.post(f"{path}/rotate", json={"overlap": f"{OVERLAP}s"})
    ends = time.time() + OVERLAP
    new = rotated.json()["secret"]
    assert [old] == [row["secret"] for row in rotated.json()["previous"]]
    await _next_callback(stack)
    await stack.until(lambda: time.time() > ends + 0.5, "the overlap is over")
    await _next_callback(stack)

    before, during, after = range(3)
    assert [(_verifies(stack, place, old), _verifies(stack, place, new)) for place in (before, during, after)] == [
        (True, False),
        (True, True),
        (False, True),
    ]
    assert [len(headers["webhook-signature"].split()) for headers, _ in stack.heard.requests] == [1, 2, 1]
    assert [event["id"] for event in stack.heard.events] == [
        headers["webhook-id"] for headers, _ in stack.heard.requests
    ]
    shown = (await stack.api.get(path)).json()
    assert (new, []) == (shown["secret"], shown["previous"])


async def _next_callback(stack: Stack) -> None:
    before = len(stack.heard.requests)
    await stack.play("card")
    await stack.until(lambda: len(stack.heard.requests) > before, "it is called")


def _verifies(stack: Stack, place: int, secret: str) -> bool:
    """Whether both libraries take a callback; they must agree."""
    headers, body = stack.heard.requests[place]
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
