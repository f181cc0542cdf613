"""Every trouble with Redis is `LedgerUnavailable`, and nothing is half done."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import redis.exceptions as trouble
from redis.asyncio import Redis

from ledger import Ledger
from ledger.redis_connection import connect
from ledger.scripting import Call, Scripting, unavailable
from ledger.servers import OneServer
from ledger.store import Store
from schemas.errors import BadSetting, LedgerFull, LedgerRefused, LedgerUnavailable
from schemas.reasons import Reason
from tests.support import stored_payments
from tests.support.ledger_driver import REFRESH, Driver, notification, paid, queue_url
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import key
from tests.support.reasons import because
from tests.support.redis_process import RedisServer
from tests.support.waiting import until


@pytest.fixture
async def own(own_redis: RedisServer) -> AsyncIterator[Driver]:
    """A ledger on a Redis of the test's own."""
    ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url))
    yield Driver(ledger)
    await ledger.close()


async def full(driver: Driver) -> None:
    """Let Redis have no memory left."""
    await driver.redis.config_set("maxmemory", 1)


async def room(driver: Driver) -> None:
    """Let Redis have memory again."""
    await driver.redis.config_set("maxmemory", 0)


async def dump(driver: Driver) -> dict[str, object]:
    """All that Redis holds, except for counters and kicks that are under way."""
    names = [name async for name in driver.redis.scan_iter("*") if b":kicked:" not in name and b":seq" not in name]
    return {name.decode(): await driver.redis.dump(name) for name in sorted(names)}


async def test_whoever_is_cancelled_ends(driver: Driver) -> None:
    """A cancellation at whatever step of a round trip is not lost: a task that is to stop would go on for ever."""
    (store,) = driver.ledger.cells
    await store.now()
    for step in range(30):
        asking = asyncio.create_task(store.now())
        for _ in range(step):
            await asyncio.sleep(0)
        if asking.cancel():
            await asyncio.wait([asking])
            assert asking.cancelled(), f"it goes on after {step} steps"
    assert await store.now()


async def test_scripts_are_loaded_again_when_redis_has_forgotten_them(driver: Driver) -> None:
    """After a restart or SCRIPT FLUSH the next call works, without anybody noticing."""
    await driver.accept()
    await driver.redis.script_flush()
    await asyncio.gather(*(driver.accept(f"imp_{n}") for n in range(20)))
    await driver.redis.script_flush()
    await driver.commit((await driver.claim(limit=1))[0], paid())
    await driver.redis.script_flush()
    assert len(await driver.claim()) == 19


async def test_a_full_redis_takes_no_webhook_and_gives_no_work(own: Driver) -> None:
    """Refused whole: no notification without its mark, no lease without its work, no commit in part."""
    lane = await own.subscribe()
    await own.look(paid("imp_0"))
    await own.accept("imp_1")
    await own.accept("imp_2")
    claimed = (await own.claim(limit=1))[0]
    await full(own)
    before = await dump(own)
    late = notification("imp_3")
    attempts = (
        own.ledger.intake.accept(late), own.claim(), own.take(lane), own.commit(claimed, paid(claimed.record.imp_uid)),
    )  # fmt: skip
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(answer) for answer in answers] == [LedgerFull] * 4
    assert await dump(own) == before
    await room(own)
    assert await own.commit(claimed, paid(claimed.record.imp_uid)) == "ok"
    await own.ledger.intake.accept(late)
    assert len(await own.claim()) == 2
    assert await problems(own.ledger) == []


async def test_a_full_redis_lets_work_in_flight_end(own: Driver) -> None:
    """What was sent is settled, what cannot be looked at is put off, what a stopping worker holds is given back."""
    lane = await own.subscribe(ordered=False)
    await own.look(paid("imp_0", 100, 200))
    await own.accept("imp_1")
    claimed = await own.claim_one()
    done, failed, dead = await own.take(lane)
    await full(own)
    assert [await own.settle(done), await own.fail(failed), await own.bury(dead)] == ["ok", "ok", "ok"]
    await own.ledger.refresh_lane.postpone(claimed, "stalled", due_in=0, tries=1)
    await room(own)
    states = [await own.state(one) for one in (done, failed, dead)]
    assert states == ["delivered", "pending", "dead"]
    await own.claim_one()
    assert await problems(own.ledger) == []


async def test_a_redis_that_restarts_in_mid_operation(own_redis: RedisServer, own: Driver) -> None:
    """What was promised is there afterwards; what was refused can be done again; leases survive with their tokens."""
    lane = await own.subscribe()
    await own.look(paid("imp_1"))
    await own.accept("imp_2")
    claimed, sending = await own.claim_one(), await own.take_one(lane)
    own_redis.kill()
    for attempt in (own.commit(claimed, paid("imp_2")), own.settle(sending), own.claim(), own.ledger.sweep("me")):
        with pytest.raises(LedgerUnavailable):
            await attempt
    own_redis.start()
    assert (await own.commit(claimed, paid("imp_2")), await own.settle(sending)) == ("ok", "ok")
    assert await problems(own.ledger) == []


async def test_webhooks_that_were_accepted_survive_a_kill_at_any_moment(own_redis: RedisServer, own: Driver) -> None:
    """Redis is killed while webhooks are being accepted, hundreds of them: every one that was acknowledged is there."""
    numbers, accepted = itertools.count(), set[str]()

    async def accept_until_it_is_away() -> None:
        with suppress(LedgerUnavailable):
            while True:
                webhook = notification(f"imp_{next(numbers)}")
                await own.ledger.intake.accept(webhook)
                accepted.add(webhook.id)

    async def kill() -> None:
        await until(lambda: len(accepted) >= 300, "hundreds are accepted", every=0.001)
        await asyncio.to_thread(own_redis.kill)

    await asyncio.gather(kill(), *(accept_until_it_is_away() for _ in range(50)))
    own_redis.start()
    assert accepted <= (await stored_payments.waiting(own.redis)).keys()
    assert await problems(own.ledger) == []


async def test_every_key_has_the_ledgers_hash_tag(driver: Driver) -> None:
    """One Cluster shard holds all of it: nothing is named otherwise."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 100))
    await driver.settle(await driver.take_one(lane))
    await driver.ledger.tokens.put_token("default", "token", 10)
    await driver.ledger.intake.count_refusals({"default:403": 1}, {})
    await driver.ledger.refresh_lane.pause(REFRESH, 1, because("trouble"))
    await driver.ledger.sweep("me")
    names = [name.decode() async for name in driver.redis.scan_iter("*")]
    assert len(names) > 25
    foreign = [name for name in names if not name.startswith(("{relay}:", "{relay:00}:"))]
    assert [
        name for name in foreign if not name.endswith(("}:open", "}:name"))
    ] == []  # the fixture opens all cells there may be
    assert key("pay", "default/imp_1") in names


async def test_durable_writes_need_their_replicas(redis_url: str) -> None:
    """With replicas asked for and none there, a webhook is not acknowledged, though Redis has it."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url), replica_acks=1)
    with pytest.raises(LedgerUnavailable, match="1 replica"):
        await ledger.intake.accept(notification())
    await ledger.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (trouble.ConnectionError("refused"), LedgerUnavailable),
        (trouble.TimeoutError("slow"), LedgerUnavailable),
        (trouble.BusyLoadingError("loading"), LedgerUnavailable),
        (trouble.ReadOnlyError("a replica"), LedgerUnavailable),
        (trouble.OutOfMemoryError("full"), LedgerFull),
        (trouble.AuthenticationError("wrong"), LedgerUnavailable),
        (trouble.NoScriptError("No matching script."), LedgerUnavailable),
        (trouble.ResponseError("MISCONF Redis is configured to save"), LedgerUnavailable),
        (
            trouble.ResponseError("ERR Error running script: @user_script:9: -OOM command not allowed"),
            LedgerFull,
        ),
        (trouble.ResponseError("ERR Error running script: attempt to index a nil value"), LedgerRefused),
        (trouble.ResponseError("WRONGTYPE Operation against a key"), LedgerRefused),
        (trouble.ResponseError("upstream failure"), LedgerRefused),
        (trouble.NoPermissionError("this user has no permissions to run the 'evalsha' command"), LedgerRefused),
        (trouble.ResponseError("ERR The user executing the script can't run this command"), LedgerRefused),
        (trouble.AskError("866 127.0.0.1:7000"), LedgerUnavailable),
        (trouble.TryAgainError("Multiple keys request during rehashing of slot"), LedgerUnavailable),
        (trouble.RedisClusterException("no node answers"), LedgerUnavailable),
        (ValueError("not enough values to unpack"), LedgerRefused),
    ],
)
def test_what_needs_somebody_is_told_from_what_passes(error: Exception, expected: type[LedgerUnavailable]) -> None:
    """All of it is repeated; an unexpected answer is recognised as one."""
    assert type(unavailable(error)) is expected


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis+sentinel://host:26379", "redis+sentinel:///service/0", ""])
def test_a_url_that_is_none_is_said_at_once(url: str) -> None:
    """`BadSetting`, before anything is connected."""
    with pytest.raises(BadSetting):
        connect(url)


async def test_time_is_redis_own(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines disagree about the time; what the ledger says and notes is by one clock."""
    real = time.time
    for off in (-86_400.0, 86_400.0):
        monkeypatch.setattr(time, "time", lambda off=off: real() + off)
        assert abs(await driver.ledger.now() - real()) < 600
        await driver.accept(f"imp_{off:.0f}")
        due = (await driver.due(REFRESH)).values()
        assert all(abs(at / 1000 - real()) < 600 for at in due)
        claimed = await driver.ledger.refresh_lane.claim(REFRESH, 1)
        assert abs(claimed.now - real()) < 600


async def test_concurrent_callers_share_few_connections(redis_url: str) -> None:
    """More callers than connections wait for one instead of failing."""
    scripting = Scripting(connect(redis_url, max_connections=4))
    store = Store(scripting, kick=lambda lanes: None)
    times = await asyncio.gather(*(store.now() for _ in range(200)))
    assert len(times) == 200
    await scripting.close()


async def test_a_call_that_fails_keeps_back_no_kick_of_the_others() -> None:
    """What the scripts have recorded as kicked is kicked, whichever of them failed first."""

    class OneFails(Scripting):
        async def run(self, calls: Sequence[Call], *, durable: bool = False) -> list[Any]:
            return [LedgerUnavailable(Reason.of("redis_timed_out")), [[b"refresh/default"], b"ok"]]

    kicked: list[str] = []
    store = Store(OneFails(OneServer(Redis())), kicked.extend, 0)
    with pytest.raises(LedgerUnavailable):
        await store.run_all_and_kick("commit", [(), ()])
    assert kicked == [REFRESH.address]
