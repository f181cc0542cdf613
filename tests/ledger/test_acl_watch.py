"""What is checked every minute, and logged in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from ledger import Ledger
from ledger.acl_watch import AclWatch
from tests.ledger.test_nearly_full import fill
from tests.support.ledger_driver import Driver, queue_url
from tests.support.redis_process import RedisServer

Lines = Callable[[], list[Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Gives the log lines since it was last called."""
    with capture_logs() as logged:

        def taken() -> list[Any]:
            found = list(logged)
            logged.clear()
            return found

        yield taken


async def test_what_is_well_is_not_told(ledger: Ledger, lines: Lines) -> None:
    """Nothing is logged while nothing is wrong."""
    watch = ledger.acl_watch
    await watch.log_problems()
    assert (lines(), watch.seen is not None and watch.seen.well) == ([], True)


async def test_each_matter_is_a_line(ledger: Ledger, driver: Driver, own_redis: RedisServer, lines: Lines) -> None:
    """A queue that refuses its user, a Redis that is nearly full: each says what to do."""
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("ACL", "SETUSER", "relay", "on", ">p", "~relay*", "+@all", "-blpop")
    limited = Ledger(ledger.cells, Ledger.connect(own_redis.url, own_redis.url.replace("//", "//relay:p@")).queue)
    try:
        await fill(driver, 0.97)
        await limited.acl_watch.log_problems()
    finally:
        await driver.redis.config_set("maxmemory", 0)
        await limited.queue.close()
    queue, full = lines()
    assert (queue["event"], queue["log_level"]) == ("queue_unusable", "error")
    assert queue["error"].endswith("its Redis user may not use BLPOP: ACL SETUSER … +blpop")
    assert (full["event"], "9" in full["error"], full["hint"]) == (
        "redis_nearly_full", True, "raise maxmemory, or shorten RELAY_LEDGER_RETENTION"
    )  # fmt: skip


async def test_rights_that_are_taken_away_are_told(own_redis: RedisServer, lines: Lines) -> None:
    """Also those without which nothing else could be asked."""
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("ACL", "SETUSER", "relay", "on", ">p", "~*", "+@all")
        ledger = Ledger.connect(own_redis.url.replace("//", "//relay:p@"), queue_url(own_redis.url))
        watch = ledger.acl_watch
        await watch.log_problems()
        for rules, named in ((("-zadd",), "ZADD"), (("-evalsha",), "EVALSHA"), (("resetkeys",), "keys {relay*")):
            admin.execute_command("ACL", "SETUSER", "relay", "~*", "+@all", *rules)
            await watch.log_problems()
            (line,) = (line for line in lines() if line["event"] == "ledger_unusable")
            assert named in line["error"]
        admin.execute_command("ACL", "SETUSER", "relay", "~*", "+@all")
        await watch.log_problems()
    assert watch.seen is not None
    assert watch.seen.well
    assert [line for line in lines() if line["event"] == "ledger_unusable"] == []
    await ledger.close()


async def test_a_queue_that_hangs_holds_nobody_up(redis_url: str, own_redis: RedisServer) -> None:
    """Whoever asks meanwhile gets what was known before."""
    ledger = Ledger.connect(redis_url, own_redis.url)
    watch = AclWatch(ledger.cells, ledger.queue, every=0.0)
    before = await watch.recent()
    own_redis.pause()
    looking = asyncio.create_task(watch.log_problems())
    assert await watch.recent() is before
    assert not looking.done()
    own_redis.resume()
    await looking
    await ledger.close()
