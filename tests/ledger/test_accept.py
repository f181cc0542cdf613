"""Accepting: on disk before it returns, once however often, for merchants that are known."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace
from typing import Any

import pytest

from ledger import Ledger
from ledger.accept import Intake
from ledger.redis_connection import ANSWER_WITHIN
from ledger.stats import stats
from schemas.errors import LedgerUnavailable, UnknownMerchant
from schemas.outbox.entries import Notification as Entry
from tests.support import stored_payments
from tests.support.ledger_driver import REFRESH, Driver, notification, paid, queue_url
from tests.support.ledger_redis import key, redis_of, shared_key
from tests.support.reasons import because
from tests.support.redis_process import RedisServer


async def test_an_accepted_webhook_is_noted_and_marks_its_payment(ledger: Ledger, driver: Driver) -> None:
    """Every field is kept, and the payment is due at once, in a lane that wants a worker."""
    one = await driver.accept(cancellation_id="c1", extra=b'{"x":1}', source="52.78.5.241", merchant_uid="주문")
    row, trouble = (await stored_payments.waiting(driver.redis))[one.id]
    now = await ledger.now()
    assert now - 60 < row.received_at / 1000 <= now
    assert (replace(row, received_at=0), trouble) == (
        Entry(one.id, "default", "imp_1", "주문", "paid", "c1", "52.78.5.241", True, 0, '{"x":1}', "pending"),
        "",
    )
    assert list(await driver.due(REFRESH)) == ["imp_1"]
    assert list(await driver.lanes()) == ["refresh/default"]


async def test_accepting_twice_is_once(driver: Driver) -> None:
    """The same id again, as after a lost answer or from the spool, is one notification. After it was settled it costs a
    look; what became of it at first stays (see tests/history/test_exactly_once.py)."""
    one = notification()
    await asyncio.gather(driver.ledger.intake.accept(one), driver.ledger.intake.accept(one))
    (claimed,) = await driver.claim()
    assert list(await stored_payments.waiting(driver.redis)) == [one.id]
    await driver.ledger.refresh_lane.postpone(claimed, "rejected", due_in=None, reason=because("unknown"))
    await driver.ledger.intake.accept(one)
    await driver.commit(await driver.claim_one(), paid())
    assert (await stored_payments.waiting(driver.redis), await driver.outcome(one)) == ({}, "rejected")


async def test_what_waits_together_is_written_together(driver: Driver) -> None:
    """A thousand webhooks at once need few round trips: hardly more commands than batches, and a few of Dramatiq's to
    tell of them, which it may have to load first."""
    before = (await driver.redis.info("commandstats"))["cmdstat_evalsha"]["calls"] if await _scripted(driver) else 0
    await asyncio.gather(*(driver.ledger.intake.accept(notification(f"imp_{n}")) for n in range(1000)))
    after = (await driver.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert after - before <= 10
    assert len(await driver.due(REFRESH)) == 1000


async def test_one_that_cannot_be_written_fails_alone(ledger: Ledger, driver: Driver) -> None:
    """Those that wait at the same time share a round trip, not its error."""
    unwritable: Any = {"not": "text"}
    webhooks = [notification(unwritable if n == 7 else f"imp_{n}") for n in range(20)]
    answers = await asyncio.gather(*(ledger.intake.accept(one) for one in webhooks), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if answer is not None] == [7]
    assert len(await driver.due(REFRESH)) == 19


async def _scripted(driver: Driver) -> bool:
    await driver.accept("imp_0")
    return "cmdstat_evalsha" in await driver.redis.info("commandstats")


async def test_unknown_merchants_and_wrong_tokens_are_turned_away(ledger: Ledger, driver: Driver) -> None:
    """Nothing is noted for them, and those who came along with them are served."""
    token = hashlib.sha256(b"t").hexdigest()
    await ledger.merchants.put("open", imp_key="k", imp_secret="s")
    await ledger.merchants.put("guarded", imp_key="k", imp_secret="s", token_hash=token)
    webhooks = [
        notification(merchant="open"), notification(merchant="nobody"), notification(merchant="guarded"),
        notification(merchant="guarded", token_hash="0" * 64), notification(merchant="guarded", token_hash=token),
        notification(merchant="open", token_hash=token), notification(),
    ]  # fmt: skip
    answers = await asyncio.gather(*(ledger.intake.accept(one) for one in webhooks), return_exceptions=True)
    turned_away = [isinstance(answer, UnknownMerchant) for answer in answers]
    assert turned_away == [False, True, True, True, False, True, False]
    assert sorted(await driver.lanes()) == ["refresh/default", "refresh/guarded", "refresh/open"]
    assert len(await stored_payments.waiting(driver.redis)) == 3


async def test_who_takes_webhooks_can_be_asked(ledger: Ledger) -> None:
    """By name and token, as accepting would decide; `default` is there before anybody has set it up."""
    token = hashlib.sha256(b"t").hexdigest()
    await ledger.merchants.put("guarded", imp_key="k", imp_secret="s", token_hash=token)
    asked = [("default", None), ("default", token), ("guarded", None), ("guarded", token), ("nobody", None)]
    assert await asyncio.gather(*(ledger.intake.takes_webhooks(*one) for one in asked)) == [
        True,
        False,
        False,
        True,
        False,
    ]


async def test_webhooks_are_counted_once(driver: Driver) -> None:
    """Only what was noted counts as accepted: neither repetitions nor what was turned away."""
    one = notification()
    await driver.ledger.intake.accept(one)
    await driver.ledger.intake.accept(one)
    with pytest.raises(UnknownMerchant):
        await driver.ledger.intake.accept(notification(merchant="nobody"))
    minutes = [name async for name in driver.redis.scan_iter(key("minute", "*"))]
    assert sum([int(await driver.redis.hget(name, "accepted") or 0) for name in minutes]) == 1


async def test_a_webhook_from_the_spool_keeps_its_time(driver: Driver) -> None:
    """What was received while Redis was away keeps the time at which it came, and its payment is due now."""
    one = await driver.accept(received_at=1_700_000_000.25)
    (shown,) = await driver.ledger.notifications.of_payment("default", "imp_1", 10)
    assert (shown.id, shown.received_at) == (one.id, 1_700_000_000.25)
    assert (await driver.due(REFRESH))["imp_1"] > 1_700_000_000_250


async def test_merchants_and_their_tokens_can_be_read_whole(ledger: Ledger) -> None:
    """What a receiver needs to judge webhooks while Redis is away; `default` may be missing."""
    await ledger.merchants.put("guarded", imp_key="k", imp_secret="s", token_hash="hash")
    await ledger.merchants.put("open", imp_key="k", imp_secret="s")
    known = dict(await ledger.intake.known_merchants())
    assert {name: known[name] for name in ("guarded", "open")} == {"guarded": "hash", "open": None}


async def test_refusals_add_up(ledger: Ledger, driver: Driver) -> None:
    """Refused webhooks are counted by reason."""
    await ledger.intake.count_refusals({"default:403": 2, "default:400": 3}, {"default:version_2": 2, "a.b-c:empty": 1})
    await ledger.intake.count_refusals({"default:403": 1}, {})
    await ledger.intake.count_refusals({"default:400": 1}, {"default:version_2": 1})
    assert await driver.redis.hgetall(key("refusals")) == {b"default:403": b"3", b"default:400": b"4"}
    refused = (await stats(ledger.cells)).refused_bodies
    counted = {(row.merchant, row.code): row.count for row in refused}
    assert counted == {("default", "version_2"): 3, ("a.b-c", "empty"): 1}
    assert all(abs(row.last_at - time.time()) < 60 for row in refused)
    minutes = [name async for name in driver.redis.scan_iter(shared_key("minute", "*"))]
    assert sum([int(await driver.redis.hget(name, "refused") or 0) for name in minutes]) == 7


async def test_a_redis_that_is_gone_is_said_at_once(own_redis: RedisServer) -> None:
    """A killed Redis gives `LedgerUnavailable`, to all who wait; once it is back the same ids are accepted."""
    ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url))
    webhooks = [notification(f"imp_{n}") for n in range(50)]
    await ledger.intake.accept(webhooks[0])
    own_redis.kill()
    answers = await asyncio.gather(*(ledger.intake.accept(one) for one in webhooks), return_exceptions=True)
    assert all(isinstance(answer, LedgerUnavailable) for answer in answers)
    own_redis.start()
    await asyncio.gather(*(ledger.intake.accept(one) for one in webhooks))
    assert len(await stored_payments.waiting(redis_of(ledger))) == 50
    await ledger.close()


async def test_a_redis_that_hangs_keeps_nobody_waiting(own_redis: RedisServer) -> None:
    """Whoever comes while Redis hangs is told when his patience ends, by default after two seconds, however many wait
    already: not only when the question ends that Redis was asked before."""
    assert ANSWER_WITHIN == 2.0
    ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url))
    await ledger.intake.accept(notification())
    intake = Intake(ledger.cells, patience=0.1)
    own_redis.pause()
    asking = asyncio.create_task(ledger.now())

    async def accept_after(seconds: float) -> None:
        await asyncio.sleep(seconds)
        with pytest.raises(LedgerUnavailable):
            await intake.accept(notification())

    await asyncio.gather(*(accept_after(n / 20) for n in range(8)))
    assert not asking.done()
    own_redis.resume()
    await asyncio.wait([asking])
    await ledger.intake.accept(notification("imp_2"))
    await ledger.close()
