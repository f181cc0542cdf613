"""Webhooks of merchants that a receiver does not know while Redis is away: an old list refuses none of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from receiver.spool_budget import PER_SOURCE
from tests.receiver.test_outages import drained
from tests.support.ledger_state import ledger_state
from tests.support.processes import Processes
from tests.support.receivers import JSON, Receiver, notified, start, webhook
from tests.support.redis_process import RedisServer, not_durable
from tests.support.waiting import until

TOKEN = "3f9c2d51e07a4b68"
PROXY = {"RELAY_TRUSTED_PROXIES": "127.0.0.1"}


async def make_merchant(url: str, name: str, token: str | None = None) -> None:
    """Make a merchant, or change its webhook token, as the console does."""
    async with ledger_state(url) as state:
        await state.put_merchant(name, token)


async def post_all(
    receiver: Receiver, path: Callable[[int], str], count: int, source: str = "127.0.0.1"
) -> Counter[int]:
    """Post so many webhooks, a few dozen at a time; how many were answered with which status. A 503 says when to come
    back."""
    headers = {**JSON, "x-forwarded-for": source}
    connector = aiohttp.TCPConnector(limit=40)
    async with aiohttp.ClientSession(receiver.url, connector=connector, headers=headers) as session:

        async def post(number: int) -> int:
            async with session.post(path(number), data=webhook(number)) as answer:
                assert answer.status != 503 or int(answer.headers["retry-after"]) > 0
                return answer.status

        return Counter(await asyncio.gather(*(post(number) for number in range(count))))


async def remembers(folder: Path, name: str) -> None:
    """Wait until a receiver has written this merchant down."""
    path = folder / "var" / "spool" / "merchants.json"

    async def written() -> bool:
        return path.exists() and f'"{name}"' in path.read_text()

    await until(written)


@pytest.mark.parametrize("way", ["pause", "kill"])
async def test_a_merchant_made_moments_before(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int], way: str
) -> None:
    """Redis hangs or dies before the receiver has read the new list: every webhook is acknowledged and kept."""
    receiver = await start(processes, free_port(), own_redis.url)
    assert (await receiver.post(webhook(1000))).status_code == 200
    await make_merchant(own_redis.url, "brand-new", TOKEN)
    if way == "pause":
        own_redis.pause()
    else:
        await asyncio.to_thread(own_redis.kill)
    assert await post_all(receiver, lambda _: f"/webhooks/brand-new/{TOKEN}", 300) == {200: 300}
    if way == "pause":
        own_redis.resume()
    else:
        await asyncio.to_thread(own_redis.start)
    await drained(receiver)
    assert await notified(own_redis.url) == {f"imp_{number}": 1 for number in (*range(300), 1000)}
    assert await receiver.metric('relay_webhooks_refused_total{merchant="-",status="404"}') == 0


async def test_a_token_changed_moments_before(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int], tmp_path: Path
) -> None:
    """The new token is good and the old one is not, whatever the receiver knew: decided when the spool drains."""
    await make_merchant(own_redis.url, "shop", "old-token")
    receiver = await start(processes, free_port(), own_redis.url)
    await remembers(tmp_path, "shop")
    await make_merchant(own_redis.url, "shop", TOKEN)
    own_redis.pause()
    for number, path in enumerate(("shop/old-token", f"shop/{TOKEN}", "shop")):
        assert (await receiver.post(webhook(number), f"/webhooks/{path}")).status_code == 200
    own_redis.resume()
    await drained(receiver)
    assert await notified(own_redis.url) == {"imp_1": 1}
    async with ledger_state(own_redis.url) as state:
        (kept,) = await state.notifications()
        assert (await state.notification(kept))["verified"] == "1"
    assert await receiver.metric('relay_webhooks_refused_total{merchant="shop",status="404"}') == 2
    refused = [line["imp_uid"] for line in receiver.process.logs("spooled_webhook_refused", merchant="shop")]
    assert sorted(refused) == ["imp_0", "imp_2"]


async def test_a_receiver_started_while_redis_is_away(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int], tmp_path: Path
) -> None:
    """It knows the merchants that were known in its folder, without a budget, and keeps others within it."""
    await make_merchant(own_redis.url, "shop")
    first = await start(processes, free_port(), own_redis.url)
    await remembers(tmp_path, "shop")
    await first.process.kill()
    await make_merchant(own_redis.url, "brand-new", TOKEN)
    await asyncio.to_thread(own_redis.kill)
    receiver = await start(processes, free_port(), own_redis.url)
    count = PER_SOURCE + 50
    assert await post_all(receiver, lambda _: "/webhooks/shop", count) == {200: count}
    assert (await receiver.post(webhook(count), f"/webhooks/brand-new/{TOKEN}")).status_code == 200
    await asyncio.to_thread(own_redis.start)
    await drained(receiver)
    assert len(await notified(own_redis.url)) == count + 1


async def test_made_up_merchants_do_not_fill_the_spool(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """A flood from one source is 503 beyond its budget, also over a restart; everybody else is kept all the while."""
    receiver = await start(processes, free_port(), own_redis.url, **PROXY)
    await asyncio.to_thread(own_redis.kill)
    flood = {"x_forwarded_for": "203.0.113.7"}
    answers = await post_all(receiver, "/webhooks/made-up-{}".format, PER_SOURCE + 200, flood["x_forwarded_for"])
    # On a fast machine the limit of the source's rate comes before that of its budget.
    assert (answers[200], answers[503] + answers[429]) == (PER_SOURCE, 200)
    assert answers[503]
    assert (await receiver.post(webhook(0), "/webhooks/-not-a-name", **flood)).status_code == 404
    await receiver.process.kill()
    receiver = await start(processes, free_port(), own_redis.url, **PROXY)
    await receiver.post(webhook(0), "/webhooks/default", **flood)  # the file is open
    assert (await receiver.post(webhook(0), "/webhooks/made-up", **flood)).status_code == 503
    assert (await receiver.post(webhook(1), "/webhooks/default", **flood)).status_code == 200
    for other in ("203.0.113.8", "52.78.100.19"):
        assert (await receiver.post(webhook(2), "/webhooks/new", x_forwarded_for=other)).status_code == 200
    await asyncio.to_thread(own_redis.start)
    await drained(receiver)
    assert await receiver.metric('relay_webhooks_refused_total{merchant="-",status="404"}') == PER_SOURCE + 2
    assert (await notified(own_redis.url)).keys() == {"imp_0", "imp_1"}
    assert len(receiver.process.logs("spooled_webhook_refused")) <= PER_SOURCE / 2
    assert sum(line["refused"] for line in receiver.process.logs("spool_drained")) == PER_SOURCE + 2


async def test_without_a_spool_an_unknown_merchant_is_503(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """With the spool off a webhook is sent again, and the ledger decides then."""
    receiver = await start(processes, free_port(), own_redis.url, RELAY_SPOOL_DIR="off")
    assert (await receiver.post(webhook(), "/webhooks/brand-new")).status_code == 404
    await asyncio.to_thread(own_redis.kill)
    for _ in range(3):
        answer = await receiver.post(webhook(), "/webhooks/brand-new")
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_a_weak_redis_refuses_at_the_door(
    processes: Processes, free_port: Callable[[], int], redis_url: str
) -> None:
    """RELAY_REQUIRE_DURABLE and a Redis that is not durable: the spool acknowledges, the ledger still says who."""
    with not_durable(redis_url):
        receiver = await start(processes, free_port(), redis_url, RELAY_REQUIRE_DURABLE="true")
        assert (await receiver.post(webhook(), "/webhooks/brand-new")).status_code == 404
        await make_merchant(redis_url, "brand-new", TOKEN)
        assert (await receiver.post(webhook(), "/webhooks/brand-new")).status_code == 404
        assert (await receiver.post(webhook(), f"/webhooks/brand-new/{TOKEN}")).status_code == 200
    assert await receiver.metric('relay_webhooks_accepted_total{place="spool"}') == 1
