"""Scripts that end halfway: Redis refuses a command and takes back nothing; once it is allowed, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from ledger import Ledger
from ledger.acl import LEDGER_CALLS
from ledger.keys import Lane
from schemas.errors import LedgerRefused, LedgerUnavailable
from tests.ledger.test_acl import Limited
from tests.support.ledger_driver import Driver, Taker, notification, paid
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import key, redis_of, swept
from tests.support.redis_process import RedisServer, open_ledger

COMMANDS = sorted({str(name).lower() for name, *_ in LEDGER_CALLS})
WRITES = ("del", "expire", "hdel", "hincrby", "hset", "hsetnx", "incr", "sadd", "set", "srem", "zadd", "zrem")
LANE = Lane("deliver", "ep_1")


class Halfway:
    """A ledger whose user lacks one command for a while."""

    def __init__(self, limited: Limited, driver: Driver) -> None:
        self.limited = limited
        self.driver = driver

    @contextmanager
    def without(self, command: str) -> Iterator[None]:
        """While this lasts, its user may not use the command."""
        self.limited.set(f"-{command}")
        try:
            yield
        finally:
            self.limited.set(f"+{command}")

    async def begin_again(self) -> None:
        """An empty ledger with an endpoint."""
        await self.driver.redis.flushdb()
        open_ledger(self.limited.admin)
        await self.driver.subscribe()

    async def accept(self, command: str, *imp_uids: str) -> None:
        """Webhooks come while the command is forbidden; who is refused sends them again, as they were."""
        for one in map(notification, imp_uids):
            with self.without(command):
                accepted = await is_done(self.driver.ledger.intake.accept(one))
            if not accepted:
                await self.driver.ledger.intake.accept(one)

    async def lose_leases(self) -> None:
        """End all leases: their holders have failed."""
        async for name in self.driver.redis.scan_iter(key("leased", "*")):
            lane = name.decode().removeprefix(key("leased", ""))
            for member in await self.driver.redis.zrange(name, 0, -1):
                await self.driver.redis.zadd(name, {member: 1})
            await self.driver.redis.zadd(key("lanes"), {lane: 1})
        await self.driver.others_renew()

    async def woken(self) -> set[str]:
        """Lanes that the sweep finds to have work."""
        await self.driver.forget_kicks()
        return {str(lane) for lane in await swept(self.driver.ledger)}

    async def look(self, *snapshots: Any) -> None:
        """Refresh those of these payments that are due, if their lane is kicked."""
        if "refresh/default" in await self.woken():
            found = {one.imp_uid: one for one in snapshots}
            for claimed in await self.driver.claim():
                assert await self.driver.commit(claimed, found[claimed.record.imp_uid]) == "ok"

    async def delivered(self) -> set[tuple[str, str]]:
        """Deliver everything there is; the payments and types of it, as often as it takes. Whoever claimed some of it
        with a commit has failed."""
        found: set[tuple[str, str]] = set()
        await self.lose_leases()
        while str(LANE) in await self.woken():
            for one in await self.driver.take(LANE):
                assert one.body
                found.add((one.imp_uid, one.type))
                await self.driver.settle(one)
        return found


@pytest.fixture(scope="module")
def modules_redis(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[RedisServer]:
    """A Redis of this module's own, whose users it may change."""
    server = RedisServer(free_port(), tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def halfway(modules_redis: RedisServer) -> AsyncIterator[Halfway]:
    """An empty ledger with an endpoint; what it leaves behind must be in order."""
    modules_redis.empty()
    limited = Limited(modules_redis)
    open_ledger(limited.admin)
    ledger, administrator = limited.ledger(), Ledger.connect(modules_redis.url, modules_redis.queue_url)
    driver = Driver(ledger)
    driver.redis = redis_of(administrator)
    await driver.subscribe()
    yield Halfway(limited, driver)
    assert await problems(administrator) == []
    await ledger.close()
    await administrator.close()
    limited.admin.close()


async def is_done(what: Awaitable[object]) -> bool:
    """Whether Redis let it be done."""
    try:
        await what
    except LedgerUnavailable:
        return False
    return True


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_acknowledged_webhook_becomes_its_event(halfway: Halfway, command: str) -> None:
    """Whatever command is refused while it is noted."""
    await halfway.accept(command, "imp_1", "imp_2")
    await halfway.look(paid("imp_1"), paid("imp_2"))
    assert await halfway.delivered() == {("imp_1", "payment.paid"), ("imp_2", "payment.paid")}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("claimed_too", [0, 100])
async def test_a_look_that_ends_halfway_is_made_again(halfway: Halfway, command: str, claimed_too: int) -> None:
    """Whatever command is refused while refreshes are claimed and written: their events are recorded and delivered,
    also if commits claim deliveries."""
    Taker(claimed_too).take_from(halfway.driver.ledger)
    for imp_uid in ("imp_1", "imp_2"):
        await halfway.driver.accept(imp_uid)
    snapshots: Sequence[Any] = (paid("imp_1", 100), paid("imp_2"))
    claimed = await halfway.driver.claim()
    by_name = {one.record.imp_uid: one for one in claimed}
    with halfway.without(command):
        for one in snapshots:
            await is_done(halfway.driver.commit(by_name[one.imp_uid], one))
    await halfway.lose_leases()
    with halfway.without(command):
        await is_done(halfway.driver.claim())
    await halfway.lose_leases()
    await halfway.look(*snapshots)
    assert await halfway.delivered() == {
        ("imp_1", "payment.paid"), ("imp_1", "payment.partially_cancelled"), ("imp_2", "payment.paid"),
    }  # fmt: skip


@pytest.mark.parametrize("command", WRITES)
async def test_a_callback_that_is_settled_halfway_is_settled_again(halfway: Halfway, command: str) -> None:
    """Whatever command is refused while deliveries are claimed and settled: the payment's next one goes in the end."""
    await halfway.driver.look(paid("imp_1", 100))
    with halfway.without(command):
        await is_done(halfway.driver.take(LANE))
    await halfway.lose_leases()
    for one in await halfway.driver.take(LANE):
        with halfway.without(command):
            await is_done(halfway.driver.settle(one))
    await halfway.lose_leases()
    assert ("imp_1", "payment.partially_cancelled") in await halfway.delivered()


async def test_a_long_change_that_is_refused_ends_no_batch_halfway(halfway: Halfway) -> None:
    """Whether a long change has room is found out before a short one beside it is written: INFO may be refused."""
    short, long = paid("imp_short"), paid("imp_long", *[1] * 600)
    for one in (short, long):
        await halfway.driver.accept(one.imp_uid)
    claimed = {one.record.imp_uid: one for one in await halfway.driver.claim()}
    with halfway.without("info"):
        commits = [halfway.driver.commit(claimed[one.imp_uid], one) for one in (short, long)]
        answers = await asyncio.gather(*commits, return_exceptions=True)
    assert (answers[0], type(answers[1])) == ("ok", LedgerRefused)
    assert await halfway.delivered() == {("imp_short", "payment.paid")}
    await halfway.lose_leases()
    await halfway.look(long)
    assert [row["imp_uid"] for row in (await halfway.driver.rows("evt")).values()].count("imp_long") == 601
