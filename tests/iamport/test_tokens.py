"""Tokens: shared, renewed in time, asked for once, believed only when usable."""

from __future__ import annotations

import asyncio

import pytest

from iamport.client import Client
from iamport.tokens import AccessTokens, Credentials
from schemas.errors import IamportFailing, IamportUnreachable, WrongCredentials
from tests.iamport.conftest import MakeClient
from tests.support.iamport_stub import Asked, Reply, Stub, http, no, payment, token_answer, well
from tests.support.memory_tokens import MemoryTokens


def only(*good: str) -> Reply:
    """A reply that knows payment ``a`` and accepts these tokens alone."""

    def reply(asked: Asked) -> bytes:
        return well(payment("a")) if asked.headers["authorization"] in good else no(401, "Unauthorized")

    return reply


async def test_one_token_serves_many_calls(stub: Stub, client: Client) -> None:
    """A token is asked for once and then used again."""
    stub.reply = lambda _asked: well(payment("a"))
    for _ in range(3):
        await client.payment("a")
    assert stub.tokens_given == 1
    assert {asked.headers["authorization"] for asked in stub.calls} == {"token-1"}


async def test_calls_at_once_ask_for_one_token(stub: Stub, client: Client) -> None:
    """Many calls without a token wait for the one that asks."""
    stub.reply = lambda _asked: well(payment("a"))
    await asyncio.gather(*(client.payment("a") for _ in range(20)))
    assert stub.tokens_given == 1


async def test_processes_share_a_token(stub: Stub, make_client: MakeClient) -> None:
    """Two processes that start together ask for one token between them."""
    stub.reply = lambda _asked: well(payment("a"))
    await asyncio.gather(*(make_client().payment("a") for _ in range(5)))
    assert stub.tokens_given == 1


async def test_lock_of_a_dead_process_is_waited_out(stub: Stub, client: Client, store: MemoryTokens) -> None:
    """A process that died with the lock holds the others up for its two seconds, no longer."""
    stub.reply = lambda _asked: well(payment("a"))
    await client.payment("a")
    store.tokens.clear()
    (lock,) = store.locks
    store.locks[lock] += 60.0
    fresh = AccessTokens(store, Credentials("key", "very-secret"), client._ask_for_token)
    assert await fresh.get() == "token-2"


async def test_other_credentials_never_use_the_old_token(stub: Stub, make_client: MakeClient) -> None:
    """A merchant's new credentials get a token of their own."""
    stub.reply = lambda _asked: well(payment("a"))
    await make_client().payment("a")
    await make_client(secret="rotated").payment("a")
    assert [asked.headers["authorization"] for asked in stub.calls] == ["token-1", "token-2"]


async def test_a_token_near_its_end_is_renewed(stub: Stub, client: Client) -> None:
    """The lifetime is i'mport's `expired_at - now`, independent of our clock; near its end a new one is requested."""
    stub.token = lambda: token_answer("old", lifetime=20, now=42)
    stub.reply = lambda _asked: well(payment("a"))
    await client.payment("a")
    stub.token = lambda: token_answer("old", lifetime=320, now=43)
    await client.payment("a")
    await client.payment("a")
    assert stub.tokens_given == 2


async def test_401_gets_one_new_token_and_one_retry(stub: Stub, client: Client) -> None:
    """A token that i'mport turns down in mid-use is replaced and the call made again."""
    stub.reply = only("token-1")
    await client.payment("a")
    stub.reply = only("token-2")
    assert await client.payment("a") is not None
    assert [asked.headers["authorization"] for asked in stub.calls] == ["token-1", "token-1", "token-2"]


async def test_many_calls_with_a_dead_token_replace_it_once(stub: Stub, client: Client) -> None:
    """Twenty calls that find the token expired ask for one new token, not twenty."""
    stub.reply = only("token-1")
    await client.payment("a")
    stub.reply = only("token-2")
    await asyncio.gather(*(client.payment("a") for _ in range(20)))
    assert stub.tokens_given == 2


async def test_401_again_is_trouble_not_a_loop(stub: Stub, client: Client) -> None:
    """A fresh token that is turned down, too, ends the call."""
    stub.reply = only("nothing")
    with pytest.raises(IamportUnreachable):
        await client.payment("a")
    assert len(stub.calls) == 2


async def test_wrong_credentials_are_named_so(stub: Stub, client: Client) -> None:
    """A 401 to the credentials is its own error, for all who waited."""
    stub.token = lambda: no(401, "wrong")
    results = await asyncio.gather(*(client.payment("a") for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [WrongCredentials] * 5
    assert stub.tokens_given == 1


@pytest.mark.parametrize(
    "answer",
    [
        http(500, b"oops"),
        http(401, b"<html>proxy</html>"),
        no(200, "limited"),
        well(None),
        well({"access_token": "a\r\nx: y", "now": 1, "expired_at": 2}),
        well({"access_token": "", "now": 1, "expired_at": 2}),
        well({"access_token": "a", "now": 2, "expired_at": 2}),
        well({"access_token": "a", "now": None, "expired_at": True}),
        well({"access_token": 7, "now": 1, "expired_at": 2}),
    ],
)
async def test_an_unusable_token_is_i_mport_failing(stub: Stub, client: Client, answer: bytes) -> None:
    """Anything but a token with a lifetime means that i'mport fails, and that nothing was sent with it."""
    stub.token = lambda: answer
    with pytest.raises(IamportFailing):
        await client.payment("a")
    assert stub.calls == []


async def test_secrets_show_nowhere(stub: Stub, client: Client) -> None:
    """Neither the secret nor a token shows in what is printed or raised."""
    stub.token = lambda: no(401, "wrong")
    with pytest.raises(WrongCredentials) as raised:
        await client.payment("a")
    assert "very-secret" not in repr(raised.value) + repr(Credentials("key", "very-secret")) + repr(client)
