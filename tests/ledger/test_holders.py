"""Of a key that most cells lack, only those are asked that have it."""

from __future__ import annotations

from ledger import Ledger
from ledger.holders import ALL_AT_EVERY, Holders
from ledger.keys import MERCHANTS
from tests.support.ledger_driver import queue_url

ALL = range(16)


async def test_cells_that_have_nothing_are_left_out(redis_url: str) -> None:
    """All are asked where more or fewer have it than the last time."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url), cells=16)
    holders = Holders(ledger.cells, MERCHANTS)
    assert list(await holders.candidates()) == []
    await ledger.merchants.ensure("shop")
    assert await holders.candidates() == ALL
    holders.note([ledger.cells.number("shop")])
    assert await holders.candidates() == [ledger.cells.number("shop")]
    await ledger.merchants.delete("shop")
    assert await holders.candidates() == ALL
    await ledger.close()


async def test_now_and_then_all_are_asked(redis_url: str) -> None:
    """As many cells may have it as before, but others."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url), cells=16)
    holders = Holders(ledger.cells, MERCHANTS)
    asked = [len(await holders.candidates()) for _ in range(2 * ALL_AT_EVERY)]
    assert asked.count(16) == 2
    await ledger.close()


async def test_the_receivers_list_follows(redis_url: str) -> None:
    """Merchants of all cells, and `default`, which takes webhooks before it is set up."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url), cells=16)
    assert await ledger.intake.known_merchants() == {"default": None}
    for name in ("shop", "store", "market"):
        await ledger.merchants.put(name, imp_key="k", imp_secret="s", token_hash=f"hash of {name}")
        assert (await ledger.intake.known_merchants())[name] == f"hash of {name}"
    await ledger.merchants.delete("store")
    assert set(await ledger.intake.known_merchants()) == {"default", "shop", "market"}
    await ledger.close()
