"""Keys of requests: who has one, for how long, and what is kept under it."""

from __future__ import annotations

from ledger import Ledger
from ledger.idempotency import KEEPS, RUNS, Before, Idempotency
from ledger.keys import key
from tests.support.ledger_driver import Driver

ROW = key("idem", "name")


async def test_the_first_answer_is_the_answer(ledger: Ledger) -> None:
    """While it runs others are told so, afterwards they get its answer; another request never does."""
    keys = Idempotency(ledger.store)
    assert await keys.begin("name", "request", "first") is None
    assert await keys.begin("name", "request", "second") == Before("running")
    assert await keys.begin("name", "another", "second") == Before("other")
    await keys.end("name", "first", "answer")
    assert await keys.begin("name", "request", "second") == Before("answered", "answer")
    assert await keys.begin("name", "another", "second") == Before("other")


async def test_a_request_that_came_to_nothing_leaves_its_key(ledger: Ledger) -> None:
    """It can be tried again under it, also with another body."""
    keys = Idempotency(ledger.store)
    await keys.begin("name", "request", "first")
    await keys.end("name", "first", None)
    assert await keys.begin("name", "another", "second") is None


async def test_a_key_is_kept_for_a_day_and_a_lost_request_for_minutes(ledger: Ledger, driver: Driver) -> None:
    """A console that dies in the middle blocks its key until nobody can be carrying it out any more."""
    keys = Idempotency(ledger.store)
    await keys.begin("name", "request", "first")
    assert 0 < await driver.redis.ttl(ROW) <= RUNS
    await keys.end("name", "first", "answer")
    assert KEEPS - 60 < await driver.redis.ttl(ROW) <= KEEPS


async def test_whoever_lost_its_key_changes_nothing(ledger: Ledger, driver: Driver) -> None:
    """A request that took too long neither answers for the one that has its key now, nor frees it."""
    keys = Idempotency(ledger.store)
    await keys.begin("name", "request", "first")
    await driver.redis.delete(ROW)
    assert await keys.begin("name", "request", "second") is None
    await keys.end("name", "first", None)
    await keys.end("name", "first", "late answer")
    assert await keys.begin("name", "request", "third") == Before("running")
    await keys.end("name", "second", "answer")
    assert await keys.begin("name", "request", "third") == Before("answered", "answer")
