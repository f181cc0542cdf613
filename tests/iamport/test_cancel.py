"""Cancellations: sent once, with a webhook; each outcome has its own error."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from iamport.client import Client
from schemas import wire
from schemas.errors import IamportFailing, IamportRefused, IamportUnreachable, Invalid, WrongCredentials
from tests.iamport.conftest import MakeClient
from tests.support.iamport_stub import Last, Stub, always, http, no, payment, well


async def test_it_asks_with_a_webhook(stub: Stub, client: Client) -> None:
    """The form goes out as JSON with money as written, for this payment alone, with the webhook on."""
    stub.reply = lambda _asked: well(payment("a", cancel_amount=5))
    form = {"amount": Decimal("5.10"), "checksum": 1000, "reason": "변심", "tax_free": None, "merchant_uid": "x"}
    answered = await client.cancel("a", form | {"imp_uid": "b", "enable_webhook": False})
    assert answered["cancel_amount"] == 5
    (asked,) = stub.calls
    assert (asked.method, asked.path) == ("POST", "/payments/cancel")
    assert b'"amount":5.10' in asked.body
    expected = {"amount": Decimal("5.10"), "checksum": 1000, "reason": "변심", "imp_uid": "a", "enable_webhook": True}
    assert wire.loads(asked.body) == expected


@pytest.mark.parametrize("answer", [no(200, "이미 취소"), no(400, "checksum"), no(404, "없음"), no(403)])
async def test_a_refusal_changed_nothing(stub: Stub, client: Client, answer: bytes) -> None:
    """i'mport's own no is a refusal."""
    stub.reply = lambda _asked: answer
    with pytest.raises(IamportRefused):
        await client.cancel("a", {})
    assert len(stub.calls) == 1


UNCLEAR = [
    None,
    http(500, b"oops"),
    no(503),
    http(200, b"<html>"),
    http(200, b'{"code":0,"response":'),
    http(401, b"<html>"),
    http(404, b"<html>"),
    http(302, b"", {"location": "/x"}),
    well(None),
    well([]),
    well(payment("other")),
    Last(b"HTTP/1.1 200 X\r\ncontent-length: 50\r\n\r\n{"),
]


@pytest.mark.parametrize("answer", UNCLEAR)
async def test_an_unclear_end_is_never_tried_again(stub: Stub, client: Client, answer: bytes | None) -> None:
    """Where i'mport may have acted, the outcome is unknown and nothing is sent again."""
    stub.reply = always(answer)
    with pytest.raises(IamportFailing) as raised:
        await client.cancel("a", {})
    assert not isinstance(raised.value, IamportUnreachable)
    assert len(stub.calls) == 1


async def test_a_connection_lost_between_calls_is_unclear(stub: Stub, client: Client) -> None:
    """Also over a connection that served before: nothing sends a cancellation twice behind our back."""
    stub.reply = lambda asked: well(payment("a")) if asked.method == "GET" else None
    await client.payment("a")
    with pytest.raises(IamportFailing) as raised:
        await client.cancel("a", {})
    assert not isinstance(raised.value, IamportUnreachable)
    assert [asked.method for asked in stub.calls] == ["GET", "POST"]


async def test_a_timeout_is_unclear(stub: Stub, make_client: MakeClient) -> None:
    """No answer in time leaves the outcome open."""
    stub.delay = 30.0
    with pytest.raises(IamportFailing) as raised:
        await make_client(timeout=0.3).cancel("a", {})
    assert not isinstance(raised.value, IamportUnreachable)
    assert len(stub.calls) == 1


async def test_an_expired_token_is_replaced(stub: Stub, client: Client) -> None:
    """i'mport's own 401 says that nothing happened, so the request goes out once more with a new token."""
    stub.reply = lambda asked: (
        well(payment("a")) if asked.headers["authorization"] == "token-2" else no(401, "Unauthorized")
    )
    await client.cancel("a", {})
    assert len(stub.calls) == 2


async def test_no_connection_means_nothing_was_sent(stub: Stub, client: Client) -> None:
    """A refused connection is known to have had no effect, before the token and after it."""
    stub.reply = lambda _asked: well(payment("a"))
    await client.payment("a")
    await stub.stop()
    await asyncio.sleep(0.05)  # the client notices that its connection has been closed
    with pytest.raises(IamportUnreachable):
        await client.cancel("a", {})


@pytest.mark.parametrize("answer", [http(500, b"oops"), http(200, b"<html>"), None])
async def test_without_a_token_nothing_was_sent(stub: Stub, client: Client, answer: bytes | None) -> None:
    """i'mport failing to give a token means that the cancellation never left."""
    stub.token = lambda: answer
    with pytest.raises(IamportUnreachable):
        await client.cancel("a", {})
    assert stub.calls == []


async def test_no_token_in_time_means_nothing_was_sent(stub: Stub, make_client: MakeClient) -> None:
    """Also when the time ran out before the token came."""
    stub.token = lambda: b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\n"
    with pytest.raises(IamportUnreachable):
        await make_client(timeout=0.3).cancel("a", {})


async def test_turned_away_at_the_door(stub: Stub, client: Client) -> None:
    """429 and a 401 to a fresh token had no effect; wrong credentials say so."""
    for answer in (no(429), no(401)):
        stub.reply = always(answer)
        with pytest.raises(IamportUnreachable):
            await client.cancel("a", {})


async def test_wrong_credentials(stub: Stub, client: Client) -> None:
    """Credentials that are turned down are their own error."""
    stub.token = lambda: no(401)
    with pytest.raises(WrongCredentials):
        await client.cancel("a", {})


async def test_a_form_that_is_no_json(client: Client) -> None:
    """What cannot be written is our own mistake, found before anything is sent."""
    with pytest.raises(Invalid):
        await client.cancel("a", {"reason": "\ud800"})
