"""The sender against every subscriber of the catalogue, over plain HTTP and over TLS."""

from __future__ import annotations

import asyncio
import ssl
from random import Random

import pytest

from schemas.delivery import Again, Answer, Delivered, Disable, Verdict, attempt, judge
from tests.workers.catalogue import CATALOGUE
from tests.workers.subscribers import Behaviour, Subscriber
from workers.sender import Sender

OUTCOMES: dict[str, type[Verdict]] = {"delivered": Delivered, "again": Again, "disable": Disable}
HEADERS = {"content-type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"id":"evt_1"}'


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("behaviour", CATALOGUE.values(), ids=lambda behaviour: behaviour.name)
async def test_catalogue(behaviour: Behaviour, secure: bool, sender: Sender, certificate: ssl.SSLContext) -> None:
    """Each behaviour gives the status, the words and the verdict that the catalogue says, and no connection stays."""
    async with Subscriber(behaviour, tls=certificate if secure else None) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 0.7 if behaviour.times_out else 20)

        _check(behaviour, answer)
        if behaviour.reads:
            assert [request.body for request in subscriber.requests] == [BODY]
        await sender.aclose()
        async with asyncio.timeout(10):
            await subscriber.left()


def _check(behaviour: Behaviour, answer: Answer) -> None:
    assert answer.status_code == behaviour.status, answer
    error = attempt(answer, 0.0, replay=False).error
    if behaviour.error is None:
        assert error is None
    else:
        assert error is not None
        assert error.startswith(behaviour.error)
    assert len(answer.response.encode()) <= 1024
    verdict = judge(answer, 0, (5.0,), Random(1))
    assert type(verdict) is OUTCOMES[behaviour.outcome]
    if isinstance(verdict, Again):
        assert verdict.lane_wait == behaviour.lane_wait
