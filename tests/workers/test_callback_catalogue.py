"""`CallbackSender` against every subscriber of the catalogue, over plain HTTP and over TLS."""

from __future__ import annotations

import asyncio
import ssl
from random import Random

import pytest

from schemas.endpoints.delivery import AttemptResult, Delivered, Disable, Retry, Verdict, attempt, judge
from schemas.reasons import Reason
from tests.support.http_server import Connection
from tests.support.reasons import said as words
from tests.support.subscribers import Behaviour, Subscriber
from tests.workers.catalogue import CATALOGUE
from workers.callback_sender import CallbackSender

OUTCOMES: dict[str, type[Verdict]] = {"delivered": Delivered, "again": Retry, "disable": Disable}
HEADERS = {"content-type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"id":"evt_1"}'


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("behaviour", CATALOGUE.values(), ids=lambda behaviour: behaviour.name)
async def test_catalogue(
    behaviour: Behaviour, secure: bool, sender: CallbackSender, certificate: ssl.SSLContext
) -> None:
    """Each behaviour gives the status, the words and the verdict that the catalogue says, and no connection stays."""
    async with Subscriber(behaviour, tls=certificate if secure else None) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 0.7 if behaviour.times_out else 20)

        _check(behaviour, answer)
        if behaviour.reads:
            assert [request.body for request in subscriber.requests] == [BODY]
        await sender.close()
        async with asyncio.timeout(10):
            await subscriber.left()


PARTS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 500 Oh\r\n", b"HTTP/1.1 103 Early Hints\r\n", b"HTTP/1.0 200\r\n",
    b"HTTP/1.1 204 No Content\r\n", b"HTTP/2 200\r\n", b"\r\n", b"\n", b"\r", b"\x00", b": ", b"Content-Length: 3\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Retry-After: ",
    b"Content-Encoding: gzip\r\n", b"Content-Type: text/plain; charset=\xff;=\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n",
    b"Connection: keep-alive\r\n", b"Upgrade: h2c\r\n", b"Set-Cookie: a=b; Expires=\x80\r\n", b"X" * 9000, b"abc",
    b"\xed\xa0\x80",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
async def test_nonsense(seed: int, sender: CallbackSender) -> None:
    """Whatever bytes an endpoint answers with, there is an answer in words, and a 2xx only where its status line says
    so: nothing breaks, nothing hangs."""
    rng = Random(seed)
    said = [b""]

    async def play(connection: Connection) -> None:
        said[0] = b"".join(
            rng.randbytes(rng.randrange(12)) if rng.random() < 0.2 else rng.choice(PARTS)
            for _ in range(rng.randrange(1, 12))
        )
        await connection.write(said[0])
        connection.close()

    async with Subscriber(Behaviour("nonsense", play, "again")) as subscriber:
        for _ in range(30):
            answer = await sender.send(subscriber.url, HEADERS, BODY, 20)
            assert answer.ok or answer.error or answer.status_code, said
            assert not words(answer.error).startswith(("internal", "timed out")), (answer, said)
            assert b" 20" in said[0] or not answer.ok, (answer, said)
            judge(answer, 0, (5.0,), Random(1))


def _check(behaviour: Behaviour, answer: AttemptResult) -> None:
    assert answer.status_code == behaviour.status, answer
    error = attempt(answer, 0.0, replay=False).error
    if behaviour.error is None:
        assert error is None
    else:
        assert error is not None
        assert words(error).startswith(behaviour.error)
    assert isinstance(answer.response, Reason) or len(answer.response.encode()) <= 1024
    verdict = judge(answer, 0, (5.0,), Random(1))
    assert type(verdict) is OUTCOMES[behaviour.outcome]
    if isinstance(verdict, Retry):
        assert verdict.lane_wait == behaviour.lane_wait
