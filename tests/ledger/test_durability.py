"""What Redis says of how it keeps things."""

from __future__ import annotations

from ledger import Ledger
from schemas.reasons import english
from tests.support.ledger_driver import queue_url
from tests.support.ledger_redis import redis_of
from tests.support.redis_process import RedisServer


async def test_a_durable_redis_is_called_so(ledger: Ledger) -> None:
    """Append-only file, fsync for every write, nothing evicted."""
    found = await ledger.durability()
    assert (found.durable, found.weaknesses) == (True, ())


async def test_whatever_makes_it_less_is_named(own_redis: RedisServer) -> None:
    """Each setting that is not as it should be is said in words."""
    ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url))
    for name, value in (("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru"), ("appendonly", "no")):
        await redis_of(ledger).config_set(name, value)
        found = await ledger.durability()
        assert not found.durable
        assert f"{name} is {value}" in " ".join(map(english, found.weaknesses))
    assert len(found.weaknesses) == 3
    await ledger.close()


async def test_a_redis_that_may_not_be_asked_counts_as_weak(own_redis: RedisServer) -> None:
    """Hosted ones forbid CONFIG: nobody promises anything for them, and it is said why."""
    ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url))
    await redis_of(ledger).execute_command("ACL", "SETUSER", "default", "-config")
    found = await ledger.durability()
    assert not found.durable
    assert [weakness.code for weakness in found.weaknesses] == ["settings_hidden"]
    await ledger.close()
