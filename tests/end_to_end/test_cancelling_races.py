"""A cancellation sent while a look is under way: an answer from before it says nothing about it."""

from __future__ import annotations

import asyncio
import time

from tests.support.stack import Stack


async def test_a_look_that_began_before_the_cancellation_does_not_call_it_pending(stack: Stack) -> None:
    """A look whose answer is older than a cancellation is made again, so an immediate one is never told as pending."""
    await stack.endpoint()
    imp_uid, *_ = await stack.play("card")
    await stack.until_heard("paid")
    await stack.sandbox.post("/_sandbox/faults", json={"slow": 1.0, "after": True, "paths": ["/payments"], "times": 1})
    await stack.webhook(imp_uid)
    await asyncio.sleep(0.3)
    began = time.monotonic()

    answer = await stack.api.post(f"/v1/payments/{imp_uid}/cancellations", json={"amount": 4})

    assert answer.status_code == 200, (answer.text, time.monotonic() - began)
    await stack.until_heard("paid", "partially_cancelled")
