"""Redis answers with errors that nobody expects: for a moment, to some commands, to a share of all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.odd_redis import Command, OddRedis
from tests.support.processes import Processes, eventually
from tests.support.redis_process import RedisServer
from tests.support.stack import Stack

UPSTREAM = "ERR upstream failure"
ASK = "ASK 866 127.0.0.1:7000"
NONSENSE = "MOVED somewhere else"


@pytest.fixture
async def odd(own_redis: RedisServer) -> AsyncIterator[OddRedis]:
    """A Redis that answers as the test wants."""
    async with OddRedis(own_redis.port) as proxy:
        yield proxy


@pytest.fixture
async def stack(
    odd: OddRedis, own_redis: RedisServer, processes: Processes, free_port: Callable[[], int]
) -> AsyncIterator[Stack]:
    """A relay whose ledger is behind that; its queue is not."""
    queue = own_redis.url.removesuffix("/0") + "/1"
    stack = Stack(processes, odd.url, free_port, {"RELAY_QUEUE_URL": queue})
    await stack.start()
    yield stack
    await stack.stop()


def to(odd: OddRedis, name: str, words: str, times: float = float("inf")) -> Callable[[Command], str | None]:
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
async def test_the_sweep_goes_on(stack: Stack, odd: OddRedis, words: str) -> None:
    """What it is answered is logged once, not with every try; afterwards what waits is told of again."""
    statuses = iter((500, 200))
    stack.heard.answer = lambda _count: (next(statuses, 200), 0)
    odd.odd = to(odd, "sweep", words)
    await eventually(lambda: odd.answered[words] >= 12, "the sweep has been refused often")
    await stack.endpoint()
    await stack.play("card")
    await stack.until(lambda: len(stack.heard.requests) == 1, "the first attempt is made")
    odd.odd = lambda _command: None
    await stack.until(lambda: len(stack.heard.requests) == 2, "it is retried")
    assert stack.worker.running
    assert [line["task"] for line in stack.worker.logs("ledger_away")] == ["sweep"]
    assert len(stack.worker.logs("redis_refused", level="error", script="sweep")) == (0 if words is ASK else 1)


async def test_leases_are_renewed_all_the_same(stack: Stack, odd: OddRedis) -> None:
    """A callback that takes longer than a lease is sent once, though a renewal was refused."""
    stack.heard.answer = lambda _count: (200, 14)
    odd.odd = to(odd, "renew_leases", UPSTREAM, times=1)
    await stack.endpoint()
    await stack.play("card")

    async def delivered() -> bool:
        rows = (await stack.api.get("/v1/deliveries", params={"state": "delivered"})).json()["data"]
        return len(rows) == 1

    await stack.until(delivered, "it is delivered")
    assert odd.answered[UPSTREAM] == 1
    assert len(stack.heard.requests) == 1


async def test_a_share_of_all_commands_is_refused(stack: Stack, odd: OddRedis) -> None:
    """Every process lives on, every webhook is acknowledged, and its payment is told when Redis is well again."""
    await stack.endpoint(ordered=False)
    made = [await stack.payment_at_iamport(status="paid", amount=1000, merchant_uid=f"order_{n}") for n in range(40)]
    dice = random.Random(7)
    odd.odd = lambda _command: dice.choice([UPSTREAM, ASK]) if dice.random() < 0.3 else None
    for row in made:
        assert (await stack.webhook(row["imp_uid"])).status_code == 200
    await eventually(lambda: odd.answered.total() > 40, "many commands were refused")
    odd.odd = lambda _command: None

    def told() -> bool:
        return {row["imp_uid"] for row in made} <= {event["data"]["imp_uid"] for event in stack.heard.events}

    await stack.until(told, "all are told")
    assert all(process.running for process in (stack.receiver, stack.worker, stack.console))
