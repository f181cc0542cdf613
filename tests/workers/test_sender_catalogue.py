"""The sender against every subscriber of the catalogue, over plain HTTP and over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from schemas.delivery import Again, Answer, Delivered, Disable, Verdict, judge
from tests.workers.authority import Authority
from tests.workers.subscribers import CATALOGUE, Behaviour, Subscriber
from workers.outbound import callback_transport
from workers.sender import Sender

OUTCOMES: dict[str, type[Verdict]] = {"delivered": Delivered, "again": Again, "disable": Disable}
HEADERS = {"content-type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"id":"evt_1"}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all tests of the module."""
    return Authority(Path(tmp_path_factory.mktemp("authority")))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> ssl.SSLContext:
    """A good certificate for this machine."""
    return authority.server()


@pytest.fixture
async def sender(authority: Authority) -> AsyncIterator[Sender]:
    """A sender that may go anywhere and trusts the authority."""
    sender = Sender(callback_transport(lambda _: None, tls=authority.client()), allow_private=True)
    yield sender
    await sender.aclose()


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
    if behaviour.error is None:
        assert answer.error is None
    else:
        assert answer.error is not None
        assert answer.error.startswith(behaviour.error)
    assert len(answer.response.encode()) <= 1024
    verdict = judge(answer, 0, (5.0,), Random(1))
    assert type(verdict) is OUTCOMES[behaviour.outcome]
    if isinstance(verdict, Again):
        assert verdict.lane_wait == behaviour.lane_wait
