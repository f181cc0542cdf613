"""When a rebuild may begin: where nothing of its merchant is known, in a ledger that has lost something."""

from __future__ import annotations

import pytest

from ledger import Ledger
from ledger.jobs import RECONCILE
from ledger.reconciliations import Reconciliation
from schemas.errors import Conflict
from tests.support.ledger_driver import Driver, paid
from tests.support.ledger_redis import key


async def rebuild(ledger: Ledger, merchant: str) -> None:
    """Begin the rebuild of a merchant, which leaves no job behind."""
    await ledger.reconciliations.begin(Reconciliation(f"rec_{merchant}", merchant, 0, 1), rebuild=True)
    for lease in (await ledger.jobs.claim(RECONCILE)).leases:
        await ledger.jobs.settle(lease, next_in=None)


async def test_merchants_are_rebuilt_one_after_the_other(ledger: Ledger, driver: Driver) -> None:
    """The first gives the empty ledger its base, and the others keep it; who has payments by then is not rebuilt."""
    for name in ("other", "default-2"):
        await ledger.merchants.put(name, imp_key="k", imp_secret="s")
    await rebuild(ledger, "default")
    base = await driver.redis.get(key("base"))
    for number in range(1200):
        await driver.redis.zadd(key("ageing"), {f"default-2/imp_{number}": 1})
    await driver.look(paid("imp_1"))
    await rebuild(ledger, "other")
    for name in ("default", "default-2"):
        with pytest.raises(Conflict, match="payments"):
            await rebuild(ledger, name)
    assert await driver.redis.get(key("base")) == base
    assert base is not None


async def test_a_ledger_that_has_lost_nothing_is_not_rebuilt(ledger: Ledger, driver: Driver) -> None:
    """Whoever asks: sequences of its payments go on where they are."""
    await ledger.merchants.put("other", imp_key="k", imp_secret="s")
    await driver.look(paid("imp_1"))
    for name in ("default", "other"):
        with pytest.raises(Conflict, match="payments"):
            await rebuild(ledger, name)
    assert await driver.redis.get(key("base")) is None
