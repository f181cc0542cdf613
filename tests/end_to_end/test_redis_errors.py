"""Redis answers with unexpected errors: for a moment, to some commands, to a share of all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.processes import Processes
from tests.support.proxies import Command, RedisProxy
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay
from tests.support.waiting import until

UPSTREAM = "ERR upstream failure"
ASK = "ASK 866 127.0.0.1:7000"
NONSENSE = "MOVED somewhere else"


@pytest.fixture
async def odd(own_redis: RedisServer) -> AsyncIterator[RedisProxy]:
    """A Redis that answers as the test wants."""
    async with RedisProxy(own_redis.port) as proxy:
        yield proxy


@pytest.fixture
async def relay(
    odd: RedisProxy, own_redis: RedisServer, processes: Processes, free_port: Callable[[], int]
) -> AsyncIterator[Relay]:
    """A relay whose ledger is behind that; its queue is not."""
    relay = Relay(processes, odd.url, free_port, {"RELAY_QUEUE_URL": own_redis.queue_url})
    await relay.start()
    yield relay
    await relay.stop()


def to(odd: RedisProxy, name: str, words: str, times: float = float("inf")) -> Callable[[Command], str | None]:
    """These words as the answer to so many calls of a script."""
    left = times

    def answer(command: Command) -> str | None:
        nonlocal left
        if left <= 0 or not odd.runs(command, name):
            return None
        left -= 1
        return words

    return answer


@pytest.mark.parametrize("words", [UPSTREAM, ASK, NONSENSE])
async def test_the_sweep_goes_on(relay: Relay, odd: RedisProxy, words: str) -> None:
    """The error is logged once, not with every try; afterwards the lanes that wait are kicked again."""
    statuses = iter((500, 200))
    relay.subscriber.reply = lambda _count: (next(statuses, 200), 0)
    odd.refuse = to(odd, "sweep", words)
    await relay.endpoint()
    await relay.play("card")
    await relay.until(lambda: len(relay.subscriber.requests) == 1, "the first attempt is made")
    await until(
        lambda: odd.refused[words] >= 6 and relay.worker.logs("ledger_away", task="sweep"), "the sweep is refused often"
    )
    odd.heal()
    await relay.until(lambda: len(relay.subscriber.requests) == 2, "it is retried")
    assert relay.worker.running
    assert len(relay.worker.logs("ledger_away", task="sweep")) == 1
    assert len(relay.worker.logs("redis_refused", level="error", script="sweep")) == (0 if words is ASK else 1)


async def test_leases_are_renewed_all_the_same(relay: Relay, odd: RedisProxy) -> None:
    """A callback that takes longer than a lease is sent once, though a renewal was refused."""
    relay.subscriber.reply = lambda _count: (200, 14)
    odd.refuse = to(odd, "renew_leases", UPSTREAM, times=1)
    await relay.endpoint()
    await relay.play("card")

    async def delivered() -> bool:
        rows = (await relay.api.get("/v1/deliveries", params={"state": "delivered"})).json()["data"]
        return len(rows) == 1

    await relay.until(delivered, "it is delivered")
    assert odd.refused[UPSTREAM] == 1
    assert len(relay.subscriber.requests) == 1


async def test_a_share_of_all_commands_is_refused(relay: Relay, odd: RedisProxy) -> None:
    """Every process lives on, every webhook is acknowledged, and its payment is announced when Redis works again."""
    await relay.endpoint(ordered=False)
    made = [await relay.payment_at_iamport(status="paid", amount=1000, merchant_uid=f"order_{n}") for n in range(40)]
    odd.refuse_share(0.3, (UPSTREAM, ASK))
    for row in made:
        assert (await relay.webhook(row["imp_uid"])).status_code == 200

    async def many_are_refused() -> bool:
        assert (await relay.api.get("/v1/events")).status_code in (200, 503)
        return odd.refused.total() > 40

    await until(many_are_refused, "many commands were refused")
    odd.heal()

    def told() -> bool:
        return {row["imp_uid"] for row in made} <= {event["data"]["imp_uid"] for event in relay.subscriber.events}

    await relay.until(told, "all are told")
    assert all(process.running for process in (relay.receiver, relay.worker, relay.console))
