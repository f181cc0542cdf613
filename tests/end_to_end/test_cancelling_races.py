"""A cancellation sent while a look is under way: an answer from before it says nothing about it."""

from __future__ import annotations

import time

from tests.support.relay import Relay


async def test_a_look_that_began_before_the_cancellation_does_not_call_it_pending(relay: Relay) -> None:
    """A look whose answer is older than a cancellation is made again, so an immediate one is never told as pending."""
    await relay.endpoint()
    imp_uid, *_ = await relay.play("card")
    await relay.until_received("paid")
    await relay.sandbox.post("/_sandbox/faults", json={"slow": 1.0, "after": True, "paths": ["/payments"], "times": 1})
    await relay.forget_requests()
    await relay.webhook(imp_uid)
    await relay.until(lambda: relay.asked("/payments"), "i'mport is being asked")
    began = time.monotonic()

    answer = await relay.api.post(f"/v1/payments/{imp_uid}/cancellations", json={"amount": 4})

    assert answer.status_code == 200, (answer.text, time.monotonic() - began)
    await relay.until_received("paid", "partially_cancelled")
