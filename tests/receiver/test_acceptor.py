"""Where notifications are put while the ledger comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from receiver.acceptor import FAILURES_PASSED_OVER, STATE_IS_GOOD_FOR, Acceptor
from receiver.interfaces import Spool
from receiver.known_merchants import KnownMerchants
from receiver.metrics import ReceiverMetrics
from receiver.no_spool import NoSpool
from receiver.spool import FileSpool
from schemas.errors import SpoolUnavailable, UnknownMerchant
from schemas.reasons import Reason
from tests.support.receiver_parts import Durability, ListedLedger, away, notification, weakness
from tests.support.waiting import succeeds, until

NOW = 1_790_000_000.0


class Kept:
    """An acceptor with everything it is made of."""

    def __init__(self, spool: Spool, *, require_durable: bool = False) -> None:
        self.ledger = ListedLedger()
        self.spool = spool
        self.metrics = ReceiverMetrics()
        self.merchants = KnownMerchants()
        self.acceptor = Acceptor(
            self.ledger, self.ledger.durability, spool, self.metrics, self.merchants, require_durable=require_durable,
            clock=lambda: NOW,
        )  # fmt: skip

    async def drained(self) -> None:
        """Drain again and again, as the process does, until nothing waits."""
        await self.drain_until(lambda: not self.spool.waiting and self.acceptor.redis.available)

    async def drain_until(self, holds: Callable[[], bool], *, checking: bool = False) -> None:
        """Drain again and again until this holds; before each time, check how durable Redis is."""

        async def drained() -> bool:
            if holds():
                return True
            if checking:
                await self.acceptor.check_redis()
            await self.acceptor.drain()
            return holds()

        await until(drained, "it is drained")


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """An acceptor with a spool."""
    spool = FileSpool(tmp_path)
    yield Kept(spool)
    await spool.close()


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Kept]:
    """The same with RELAY_REQUIRE_DURABLE."""
    spool = FileSpool(tmp_path)
    yield Kept(spool, require_durable=True)
    await spool.close()


async def test_the_ledger_comes_first(kept: Kept) -> None:
    """While it takes notifications nothing is spooled, and Redis' clock stamps them."""
    assert await kept.acceptor.accept(notification(1), "") == "redis"
    assert kept.ledger.taken[0].received_at is None
    assert kept.spool.waiting == 0


async def test_the_spool_takes_over_and_drains(kept: Kept) -> None:
    """What comes while the ledger is away is stamped, spooled, and handed over in order when it is back."""
    kept.ledger.failure = away()
    places = [await kept.acceptor.accept(notification(number), "") for number in (1, 2, 3)]
    assert places == ["spool"] * 3
    kept.ledger.failure = None
    await kept.drained()
    assert kept.ledger.imp_uids == ["imp_1", "imp_2", "imp_3"]
    assert [one.received_at for one in kept.ledger.taken] == [NOW] * 3
    assert kept.acceptor.redis.available
    assert kept.metrics.drained.value() == 3


async def test_nobody_waits_for_a_ledger_that_is_away(kept: Kept) -> None:
    """After one failure webhooks go straight to the spool."""
    kept.ledger.failure = away()
    for number in range(50):
        await kept.acceptor.accept(notification(number), "")
    assert kept.ledger.calls == 1
    assert not kept.acceptor.redis.available


async def test_a_mistake_in_the_ledger_costs_no_webhook(kept: Kept) -> None:
    """After an unforeseen error of the ledger the webhook is spooled, too."""
    kept.ledger.failure = ValueError("a bug")
    assert await kept.acceptor.accept(notification(1), "") == "spool"


async def test_a_mistake_in_a_weak_ledger_costs_no_webhook_either(strict: Kept) -> None:
    """Where the ledger is only asked who is welcome, the same holds."""
    strict.ledger.failure = ValueError("a bug")
    assert await strict.acceptor.accept(notification(1), "") == "spool"


async def test_a_row_that_the_ledger_fails_on_holds_nothing_up(kept: Kept) -> None:
    """It stays in the spool and is logged once, the others go on, and Redis counts as available; once the ledger is
    mended it takes the row."""
    kept.ledger.fails_for["imp_2"] = TypeError("a bug")
    kept.ledger.failure = away()
    for number in (1, 2, 3):
        await kept.acceptor.accept(notification(number), "")
    kept.ledger.failure = None
    with structlog.testing.capture_logs() as logs:
        await kept.drain_until(lambda: kept.ledger.calls >= 6 and kept.acceptor.redis.available)
    assert (kept.ledger.imp_uids, kept.spool.waiting) == (["imp_1", "imp_3"], 1)
    assert [line["event"] for line in logs].count("spooled_webhook_failed") == 1
    assert await kept.acceptor.accept(notification(4), "") == "redis"
    kept.ledger.fails_for.clear()
    await kept.drained()
    assert kept.ledger.imp_uids == ["imp_1", "imp_3", "imp_4", "imp_2"]


async def test_a_row_that_fails_alone_keeps_no_breaker_open(kept: Kept) -> None:
    """Redis is well, so it takes webhooks again although that row waits."""
    kept.ledger.fails_for["imp_1"] = TypeError("a bug")
    assert await kept.acceptor.accept(notification(1), "") == "spool"
    await kept.drain_until(lambda: kept.acceptor.redis.available)
    assert kept.spool.waiting == 1
    assert await kept.acceptor.accept(notification(2), "") == "redis"


async def test_a_ledger_that_fails_on_everything_is_not_available(kept: Kept) -> None:
    """It is asked again in a while, not for every row at once, and nothing is lost."""
    kept.ledger.failure = away()
    for number in range(FAILURES_PASSED_OVER + 5):
        await kept.acceptor.accept(notification(number), "")
    kept.ledger.failure = TypeError("a bug")
    failed = Reason.of("ledger_failed", error_type="TypeError")
    await kept.drain_until(lambda: failed in kept.acceptor.redis.reasons)
    assert kept.spool.waiting == FAILURES_PASSED_OVER + 5
    kept.ledger.failure = None
    await kept.drained()
    assert len(kept.ledger.taken) == FAILURES_PASSED_OVER + 5


async def test_an_unknown_merchant_is_refused_by_the_ledger(kept: Kept) -> None:
    """The ledger's word on merchants and tokens is passed on."""
    with pytest.raises(UnknownMerchant):
        await kept.acceptor.accept(notification(1, merchant="unknown"), "")
    with pytest.raises(UnknownMerchant):
        await kept.acceptor.accept(notification(1, token_hash="a" * 64), "")


async def test_without_a_spool_the_ledger_is_tried_again_in_time() -> None:
    """With nothing to fall back on webhooks are refused, and one a wait is the probe that finds the ledger back."""
    kept = Kept(NoSpool())
    kept.ledger.failure = away()
    for number in range(10):
        with pytest.raises(SpoolUnavailable):
            await kept.acceptor.accept(notification(number), "")
    assert kept.ledger.calls == 1
    kept.ledger.failure = None
    assert await succeeds(lambda: kept.acceptor.accept(notification(11), ""), SpoolUnavailable) == "redis"
    assert await kept.acceptor.accept(notification(12), "") == "redis"


async def test_a_ledger_that_answers_but_takes_nothing_is_not_available(kept: Kept) -> None:
    """A full Redis still says how durable it is: that does not close the breaker while something waits."""
    kept.ledger.failure = away()
    await kept.acceptor.accept(notification(1), "")
    kept.ledger.failure = None
    assert not (await kept.acceptor.check_redis()).available


async def test_a_weak_redis_is_named(kept: Kept) -> None:
    """Unless durability is required a Redis that is not durable acknowledges, and the reasons are reported."""
    kept.ledger.state = Durability(durable=False, weaknesses=(weakness("appendonly", "no", "yes"),))
    state = await kept.acceptor.check_redis()
    assert (state.available, state.durable, state.reasons) == (True, False, (weakness("appendonly", "no", "yes"),))
    assert await kept.acceptor.accept(notification(1), "") == "redis"


async def test_a_redis_not_asked_yet_is_not_durable(strict: Kept) -> None:
    """Where durability is required, it has to be seen first."""
    assert await strict.acceptor.accept(notification(1), "") == "spool"


async def test_a_weak_redis_does_not_acknowledge_where_durability_is_required(strict: Kept) -> None:
    """The spool acknowledges and keeps; Redis gets the work all the same; once it is durable the spool empties."""
    strict.ledger.state = Durability(durable=False, weaknesses=(weakness("appendfsync", "everysec", "always"),))
    await strict.acceptor.check_redis()
    assert await strict.acceptor.accept(notification(1), "") == "spool"
    await strict.acceptor.drain()
    assert strict.ledger.imp_uids == ["imp_1"]
    assert strict.spool.waiting == 1
    strict.ledger.taken.clear()  # what a Redis without fsync may do
    strict.ledger.state = Durability()
    await asyncio.sleep(STATE_IS_GOOD_FOR)
    await strict.acceptor.check_redis()
    await strict.drained()
    assert strict.ledger.imp_uids == ["imp_1"]
    assert await strict.acceptor.accept(notification(2), "") == "redis"


async def test_a_redis_that_becomes_weak_while_the_spool_drains(strict: Kept) -> None:
    """What it is being given stays in the spool: a merchant that it does not know now may be back later."""
    await strict.acceptor.check_redis()
    strict.ledger.failure = away()
    assert await strict.acceptor.accept(notification(1, merchant="shop"), "") == "spool"
    strict.ledger.failure = None
    strict.ledger.state = Durability(durable=False, weaknesses=(weakness("appendonly", "no", "yes"),))
    strict.ledger.meanwhile = strict.acceptor.check_redis
    await asyncio.sleep(STATE_IS_GOOD_FOR)
    await strict.drain_until(lambda: not strict.acceptor.redis.durable)
    assert strict.spool.waiting == 1
    assert (strict.metrics.drained.value(), strict.metrics.take_unreported().by_status) == (0, {})
    strict.ledger.meanwhile = None
    strict.ledger.merchants["shop"] = None
    strict.ledger.state = Durability()
    await asyncio.sleep(STATE_IS_GOOD_FOR)
    await strict.acceptor.check_redis()
    await strict.drained()
    assert strict.ledger.imp_uids == ["imp_1"]


async def test_a_weak_redis_without_a_spool_is_a_refusal() -> None:
    """Durability required, Redis not durable, spool off: the webhook cannot be stored."""
    kept = Kept(NoSpool(), require_durable=True)
    kept.ledger.state = Durability(durable=False, weaknesses=(weakness("appendonly", "no", "yes"),))
    await kept.acceptor.check_redis()
    with pytest.raises(SpoolUnavailable):
        await kept.acceptor.accept(notification(1), "")
    assert kept.ledger.taken == []


async def test_refusals_are_reported_once(kept: Kept) -> None:
    """Counts go to the ledger as sums; while it is away they are kept for later."""
    kept.merchants.learn({"default": None})
    kept.metrics.refuse(kept.merchants.label("default"), 415)
    kept.metrics.refuse(kept.merchants.label("made-up"), 404)
    kept.ledger.failure = away()
    with pytest.raises(type(kept.ledger.failure)):
        await kept.acceptor.report_refusals()
    kept.metrics.refuse("default", 415)
    kept.metrics.refuse("default", 400, "version_2")
    kept.ledger.failure = None
    await kept.acceptor.report_refusals()
    await kept.acceptor.report_refusals()
    assert kept.ledger.refusals == {"default:415": 2, "-:404": 1, "default:400": 1}
    assert kept.ledger.refused_bodies == {"default:version_2": 1}
