"""i'mport's tokens, shared by all processes."""

from __future__ import annotations

import asyncio

from ledger import Ledger
from tests.support.ledger_redis import key, redis_of


async def test_a_token_is_kept_until_it_expires(ledger: Ledger) -> None:
    """Whoever asks is given it with the seconds it has left; another merchant's is another."""
    assert await ledger.tokens.get_token("shop") is None
    await ledger.tokens.put_token("shop", "secret", 1800)
    found = await ledger.tokens.get_token("shop")
    assert found is not None
    assert found[0] == "secret"
    assert 1790 < found[1] <= 1800
    assert await ledger.tokens.get_token("other") is None


async def test_an_expired_token_is_gone(ledger: Ledger) -> None:
    """Not even one that had no time left when it came is given out for long."""
    await ledger.tokens.put_token("shop", "secret", 0)
    await asyncio.sleep(0.02)
    assert await ledger.tokens.get_token("shop") is None


async def test_only_the_token_that_failed_is_forgotten(ledger: Ledger) -> None:
    """A late report about an old token does not take the new one away."""
    await ledger.tokens.put_token("shop", "new", 1800)
    await ledger.tokens.forget_token("shop", "old")
    assert await ledger.tokens.get_token("shop") is not None
    await ledger.tokens.forget_token("shop", "new")
    assert await ledger.tokens.get_token("shop") is None


async def test_one_asks_for_a_new_token_at_a_time(ledger: Ledger) -> None:
    """Of many who find none, one may ask; when it has put the token the next may, later."""
    locks = await asyncio.gather(*(ledger.tokens.lock_token("shop", 10) for _ in range(20)))
    assert sorted(locks) == [False] * 19 + [True]
    assert await ledger.tokens.lock_token("other", 10)
    await ledger.tokens.put_token("shop", "secret", 1800)
    assert await ledger.tokens.lock_token("shop", 10)
    assert 0 < await redis_of(ledger).pttl(key("imp_lock", "shop")) <= 10_000
