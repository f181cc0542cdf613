"""Keys of requests: who has one, for how long, and what is kept under it."""

from __future__ import annotations

from ledger import Ledger
from ledger.idempotency import ANSWER_KEPT, MAY_RUN, Idempotency, PreviousRequest
from tests.support.ledger_driver import Driver
from tests.support.ledger_redis import key

ROW = key("idem", "name")


async def test_the_first_answer_is_the_answer(ledger: Ledger) -> None:
    """While it runs, repeats get "running", afterwards its answer; another request never does."""
    keys = Idempotency(ledger.cells.shared)
    assert await keys.begin("name", "request", "first") is None
    assert await keys.begin("name", "request", "second") == PreviousRequest("running")
    assert await keys.begin("name", "another", "second") == PreviousRequest("other")
    await keys.end("name", "first", "answer")
    assert await keys.begin("name", "request", "second") == PreviousRequest("answered", "answer")
    assert await keys.begin("name", "another", "second") == PreviousRequest("other")


async def test_a_request_that_came_to_nothing_leaves_its_key(ledger: Ledger) -> None:
    """It can be tried again under it, also with another body."""
    keys = Idempotency(ledger.cells.shared)
    await keys.begin("name", "request", "first")
    await keys.end("name", "first", None)
    assert await keys.begin("name", "another", "second") is None


async def test_a_key_is_kept_for_a_day_and_a_lost_request_for_minutes(ledger: Ledger, driver: Driver) -> None:
    """A console that dies in the middle blocks its key until nobody can be carrying it out any more."""
    keys = Idempotency(ledger.cells.shared)
    await keys.begin("name", "request", "first")
    assert 0 < await driver.redis.ttl(ROW) <= MAY_RUN
    await keys.end("name", "first", "answer")
    assert ANSWER_KEPT - 60 < await driver.redis.ttl(ROW) <= ANSWER_KEPT


async def test_whoever_lost_its_key_changes_nothing(ledger: Ledger, driver: Driver) -> None:
    """A request that took too long neither answers for the one that has its key now, nor frees it."""
    keys = Idempotency(ledger.cells.shared)
    await keys.begin("name", "request", "first")
    await driver.redis.delete(ROW)
    assert await keys.begin("name", "request", "second") is None
    await keys.end("name", "first", None)
    await keys.end("name", "first", "late answer")
    assert await keys.begin("name", "request", "third") == PreviousRequest("running")
    await keys.end("name", "second", "answer")
    assert await keys.begin("name", "request", "third") == PreviousRequest("answered", "answer")
