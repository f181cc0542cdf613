"""Kicks: small Dramatiq messages on a database of their own, sent without keeping anybody waiting."""

from __future__ import annotations

import asyncio

import pytest
import redis
from dramatiq import Message

from ledger.keys import Lane
from ledger.queue import Queue
from tests.support.ledger_driver import queue_url
from tests.support.redis_process import RedisServer


@pytest.mark.parametrize(
    ("lane", "queue"),
    [
        ("07:refresh/shop", "refresh"),
        ("07:unknown/shop", "refresh"),
        ("00:deliver/ep_1", "deliver"),
        ("15:job/replay", "work"),
    ],
)
async def test_a_kick_names_its_lane(redis_url: str, lane: str, queue: str) -> None:
    """The message goes to the queue of the actor that works on such lanes, and says nothing but where the lane is."""
    sender = Queue(queue_url(redis_url))
    sender.kick_all([lane])
    await sender.close()
    with redis.Redis.from_url(queue_url(redis_url)) as broker:
        (message,) = [Message.decode(text) for text in broker.lrange(f"relay:{queue}", 0, -1)]
        assert (message.actor_name, message.queue_name, message.args) == (queue, queue, (lane,))


async def test_what_this_process_takes_up_is_not_sent(redis_url: str) -> None:
    """Whoever is offered the lanes of an actor says which of them it works on; the others, and those of other actors,
    go to the queue."""
    sender, offered = Queue(queue_url(redis_url)), list[str]()

    def take(lane: str) -> bool:
        offered.append(lane)
        return lane.endswith("mine")

    sender.offer("deliver", take)
    sender.kick_all(["07:deliver/mine", "07:deliver/theirs", "07:refresh/mine"])
    await sender.close()
    assert offered == ["07:deliver/mine", "07:deliver/theirs"]
    with redis.Redis.from_url(queue_url(redis_url)) as broker:
        left = [Message.decode(text) for text in broker.lrange("relay:deliver", 0, -1)]
        assert [message.args for message in left] == [("07:deliver/theirs",)]
        assert broker.llen("relay:refresh") == 1


async def test_kicks_keep_off_the_ledgers_database(redis_url: str) -> None:
    """The broker's database is another."""
    sender = Queue(queue_url(redis_url))
    sender.kick_all(["07:refresh/shop"])
    await sender.close()
    with redis.Redis.from_url(redis_url) as ledger:
        assert [name for name in ledger.keys("*") if not name.endswith((b"}:open", b"}:name"))] == []


async def test_a_broker_that_is_away_costs_nobody_anything(own_redis: RedisServer) -> None:
    """A kick that cannot be sent is dropped: no caller waits for it and nothing is raised."""
    sender = Queue(queue_url(own_redis.url))
    own_redis.kill()
    sender.kick_all(["07:refresh/shop", "15:deliver/ep_1"])
    await sender.close()
    own_redis.start()
    sender.kick_all(["07:refresh/shop"])
    await sender.close()
    with redis.Redis.from_url(queue_url(own_redis.url)) as broker:
        assert broker.llen("relay:refresh") == 1


async def test_a_hanging_broker_does_not_hold_up_the_loop(own_redis: RedisServer) -> None:
    """While a kick waits for its broker, everything else goes on; closing waits for a moment only."""
    sender = Queue(queue_url(own_redis.url))
    own_redis.pause()
    sender.kick_all(["07:refresh/shop"])
    await asyncio.sleep(0)
    assert sender._sending
    await sender.close()
    own_redis.resume()


@pytest.mark.parametrize("text", ["refresh/shop", "00:refresh/", "00:/shop", "", "00:other/shop", "x:refresh/shop"])
def test_what_names_no_lane_is_refused(text: str) -> None:
    """A lane is a known kind and a name."""
    with pytest.raises(ValueError, match="no lane"):
        Lane.parse(text)


@pytest.mark.parametrize("text", ["07:refresh/shop", "15:deliver/ep_1", "03:unknown/a/b"])
def test_a_lanes_text_reads_back(text: str) -> None:
    """`parse` reads what `address` gives."""
    assert Lane.parse(text).address == text
