"""The ledger is the store of tokens: several processes with one Redis ask i'mport once."""

from __future__ import annotations

import asyncio

import httpx

from iamport.access_tokens import Credentials
from iamport.client import Client
from ledger.ledger import Ledger
from tests.support.iamport_stub import Asked, Stub, no, payment, well


async def test_processes_share_a_token_through_redis(
    stub: Stub, transport: httpx.AsyncBaseTransport, redis_url: str
) -> None:
    """Clients on connections of their own get one token between them, and one new one when it ends."""

    def reply(asked: Asked) -> bytes:
        return well(payment("a")) if asked.headers["authorization"] == good else no(401, "Unauthorized")

    good, stub.reply = "token-1", reply
    queue_url = redis_url.rsplit("/", 1)[0] + "/1"
    ledgers = [Ledger.connect(redis_url, queue_url) for _ in range(4)]
    clients = [Client(transport, stub.url, Credentials("k", "s"), ledger.tokens) for ledger in ledgers]
    await asyncio.gather(*(client.payment("a") for client in clients))
    assert stub.tokens_given == 1
    good = "token-2"
    await asyncio.gather(*(client.payment("a") for client in clients))
    assert stub.tokens_given == 2
    for ledger in ledgers:
        await ledger.close()
