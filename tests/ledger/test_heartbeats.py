"""Signs of life: who runs, who has gone quiet, and who is not spoken of any more."""

from __future__ import annotations

from ledger import Ledger
from ledger.heartbeats import Heartbeat, running
from tests.ledger.test_nearly_full import fill
from tests.support.ledger_driver import Driver

SIGN = Heartbeat(version="1.2.3", up=100.0, lane="deliver/ep_1", ago=2.5, trouble=None)


async def age(driver: Driver, name: str, seconds: float) -> None:
    """As if the last sign of life of a worker had come so much earlier."""
    row = (await driver.redis.hget("{relay}:workers", name)).decode()
    when, _, text = row.partition(":")
    await driver.redis.hset("{relay}:workers", name, f"{int(when) - round(seconds * 1000)}:{text}")


async def test_a_worker_that_reports_runs(ledger: Ledger, driver: Driver) -> None:
    """Its name, version, since when, and what it did last, all by Redis' clock."""
    await ledger.heartbeats.report("host-1", SIGN)
    (worker,) = await ledger.heartbeats.all()
    now = await ledger.now()
    assert (worker.name, worker.version, worker.quiet, worker.last_lane) == ("host-1", "1.2.3", False, "deliver/ep_1")
    assert worker.last_at is not None
    assert abs(worker.since - (now - 100)) < 30
    assert worker.seen_at - worker.last_at == 2.5
    assert running([worker]) == 1


async def test_one_that_does_not_report_has_gone_quiet_and_is_forgotten(ledger: Ledger, driver: Driver) -> None:
    """After half a minute, and after ten minutes; the time may also have been put back meanwhile."""
    for name, seconds in (("fresh", 0), ("slow", 20), ("silent", 60), ("put-back", -120), ("gone", 700)):
        await ledger.heartbeats.report(name, SIGN)
        await age(driver, name, seconds)
    found = {worker.name: worker.quiet for worker in await ledger.heartbeats.all()}
    assert found == {"fresh": False, "slow": False, "silent": True, "put-back": True, "gone": True}
    await ledger.heartbeats.report("fresh", SIGN)
    found = {worker.name: worker.quiet for worker in await ledger.heartbeats.all()}
    assert found == {"fresh": False, "slow": False, "silent": True, "put-back": True}


async def test_workers_of_other_versions_are_understood(ledger: Ledger, driver: Driver) -> None:
    """While an upgrade is under way some say more than this version knows, or less."""
    now = round(await ledger.now() * 1000)
    for name, row in (("newer", '{"version":"9","up":5.0,"lane":null,"mood":"good"}'), ("older", "{}")):
        await driver.redis.hset("{relay}:workers", name, f"{now}:{row}")
    found = {worker.name: (worker.version, worker.quiet) for worker in await ledger.heartbeats.all()}
    assert found == {"newer": ("9", False), "older": ("?", False)}


async def test_one_that_stops_signs_off(ledger: Ledger) -> None:
    """It is not missed."""
    await ledger.heartbeats.report("host-1", SIGN)
    await ledger.heartbeats.sign_off("host-1")
    assert await ledger.heartbeats.all() == ()


async def test_workers_and_spools_are_heard_in_a_full_redis(ledger: Ledger, driver: Driver) -> None:
    """Nobody seems dead, and no spool empty, just because nothing can be written any more."""
    await ledger.heartbeats.report("host-1", SIGN)
    try:
        await fill(driver, 2.0)
        for name in ("host-1", "host-2"):
            await ledger.heartbeats.report(name, SIGN)
        await ledger.intake.report_spool("receiver-1", 7)
    finally:
        await driver.redis.config_set("maxmemory", 0)
    assert len(await ledger.heartbeats.all()) == 2
