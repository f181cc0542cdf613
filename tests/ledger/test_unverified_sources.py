"""Made-up payments: what unverified sources name is looked up within a budget, and does not delay real payments."""

from __future__ import annotations

import asyncio

import pytest

from ledger import Ledger
from ledger.accept import unverified_source
from tests.support.ledger_driver import REFRESH, UNKNOWN, Driver, notification, paid
from tests.support.ledger_redis import key

FLOOD = 400
OF_ONE, OF_ALL = 300, 3000


async def post(ledger: Ledger, source: str, start: int, count: int = FLOOD, *, verified: bool = False) -> None:
    """So many webhooks for payments of their own."""
    await asyncio.gather(
        *(
            ledger.intake.accept(notification(f"imp_{source}_{n}".replace(".", "_"), source=source, verified=verified))
            for n in range(start, start + count)
        )
    )


async def test_a_source_has_so_many_first_refreshes_a_minute(ledger: Ledger, driver: Driver) -> None:
    """The flood of one source goes to the slow lane, nothing of it is dropped, and it does not delay another source."""
    await post(ledger, "198.51.100.7", 0)
    assert (len(await driver.due(REFRESH)), len(await driver.due(UNKNOWN))) == (OF_ONE, FLOOD - OF_ONE)
    await post(ledger, "198.51.100.8", 0, 10)
    assert len(await driver.due(REFRESH)) == OF_ONE + 10


async def test_all_unverified_sources_together_have_a_budget_and_few_counters(ledger: Ledger, driver: Driver) -> None:
    """A thousand sources get no more than ten, and do not fill the memory with counters, which all expire."""
    await driver.redis.set("{relay:00}:unverified", OF_ALL - 50, px=60_000)
    for source in range(100):
        await post(ledger, f"203.0.113.{source}", 0, 1)
    assert (len(await driver.due(REFRESH)), len(await driver.due(UNKNOWN))) == (50, 50)
    counters = [name async for name in driver.redis.scan_iter("{relay:00}:unverified*")]
    assert len(counters) == 51
    assert all([0 < await driver.redis.pttl(name) <= 60_000 for name in counters])


async def test_imports_own_webhooks_have_no_budget(ledger: Ledger, driver: Driver) -> None:
    """What a verified source posts is refreshed without delay, however many unverified sources there are."""
    await post(ledger, "198.51.100.7", 0)
    await post(ledger, "52.78.100.19", 0, verified=True)
    assert len(await driver.due(REFRESH)) == OF_ONE + FLOOD


async def test_payments_that_are_known_cost_no_budget(ledger: Ledger, driver: Driver) -> None:
    """An unverified webhook for a payment that is known, or due anyway, is refreshed without delay."""
    await driver.look(paid("imp_known"))
    await post(ledger, "198.51.100.7", 0)
    await driver.accept("imp_known", source="198.51.100.7", verified=False)
    assert "imp_known" in await driver.due(REFRESH)
    await _nothing_is_counted(driver, "imp_known")
    before = await driver.redis.get("{relay:00}:unverified")
    await post(ledger, "198.51.100.7", 0, OF_ONE)
    assert await driver.redis.get("{relay:00}:unverified") == before


async def test_a_payment_under_way_costs_no_budget(ledger: Ledger, driver: Driver) -> None:
    """Nor does one whose refresh is under way, known or not."""
    await driver.accept("imp_new", source="198.51.100.7", verified=False)
    await driver.claim_one()
    await _nothing_is_counted(driver, "imp_new")


async def _nothing_is_counted(driver: Driver, imp_uid: str) -> None:
    """An unverified webhook for this payment uses up nothing."""
    before = await driver.redis.get(key("unverified"))
    await driver.accept(imp_uid, source="198.51.100.7", verified=False)
    assert await driver.redis.get(key("unverified")) == before


@pytest.mark.parametrize(
    ("source", "verified", "name"),
    [
        ("198.51.100.7", False, "198.51.100.7"), ("2001:db8::1", False, "2001:db8::/64"), ("127.0.0.1", False, ""),
        ("unknown", False, "unknown"), ("52.78.100.19", True, ""), ("::1", False, ""),
    ],
)  # fmt: skip
def test_who_shares_a_budget(source: str, verified: bool, name: str) -> None:
    """An IPv4 address, an IPv6 customer, all without an address; this machine and verified sources have no budget."""
    assert unverified_source(notification(source=source, verified=verified)) == name
