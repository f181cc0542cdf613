"""What all consoles of a ledger know of operators."""

from __future__ import annotations

from ledger import Ledger
from tests.support.ledger_driver import Driver
from tests.support.ledger_redis import key


async def attempt(ledger: Ledger, source: str) -> float:
    """An attempt, where two of one source and five of all are admitted in 15 minutes."""
    return await ledger.operators.try_sign_in(source, of_source=2, of_all=5, within=900.0)


async def test_attempts_of_one_source_are_limited(ledger: Ledger) -> None:
    """After the last one it waits until the first is forgotten; others do not."""
    assert [await attempt(ledger, "a"), await attempt(ledger, "a")] == [0, 0]
    assert 890 < await attempt(ledger, "a") <= 900
    assert await attempt(ledger, "b") == 0


async def test_attempts_of_all_are_limited(ledger: Ledger, driver: Driver) -> None:
    """However many sources there are; and what is stored stops growing with the attempts that are admitted."""
    waits = [await attempt(ledger, str(n)) for n in range(20)]
    assert [wait == 0 for wait in waits] == [True] * 5 + [False] * 15
    assert await driver.redis.hlen(key("sign_ins")) == 6


async def test_a_right_attempt_does_not_count(ledger: Ledger, driver: Driver) -> None:
    """Whoever signs in all day is never locked out; one that was forgotten meanwhile is not taken back."""
    for _ in range(20):
        assert await attempt(ledger, "a") == 0
        await ledger.operators.forgive_sign_in("a", among_all=True)
    await driver.redis.delete(key("sign_ins"))
    await ledger.operators.forgive_sign_in("a", among_all=True)
    assert await driver.redis.exists(key("sign_ins")) == 0


async def test_a_source_may_have_only_its_own_limit(ledger: Ledger) -> None:
    """Then it counts among all neither with an attempt that fails nor with one that succeeds."""
    for n in range(4):
        assert await attempt(ledger, str(n)) == 0
    for _ in range(3):
        assert await ledger.operators.try_sign_in("known", of_source=2, of_all=None, within=900.0) == 0
        await ledger.operators.forgive_sign_in("known", among_all=False)
    assert await ledger.operators.try_sign_in("known", of_source=1, of_all=None, within=900.0) == 0
    assert await attempt(ledger, "the fifth") == 0
    assert await attempt(ledger, "the sixth") > 890
    assert await ledger.operators.try_sign_in("known", of_source=1, of_all=None, within=900.0) > 890


async def test_attempts_are_forgotten(ledger: Ledger, driver: Driver) -> None:
    """Together, so many seconds after the first of them."""
    for _ in range(3):
        await attempt(ledger, "a")
    assert 890_000 < await driver.redis.pttl(key("sign_ins")) <= 900_000
    await driver.redis.pexpire(key("sign_ins"), 0)
    assert await attempt(ledger, "a") == 0


async def test_an_ended_session_is_remembered_as_long_as_its_cookie(ledger: Ledger, driver: Driver) -> None:
    """No other session has ended with it."""
    await ledger.operators.end_session("one", 60)
    assert [await ledger.operators.has_ended(name) for name in ("one", "two")] == [True, False]
    assert 50 < await driver.redis.ttl(key("ended_session", "one")) <= 60


async def test_the_last_use_of_a_token_is_remembered(ledger: Ledger) -> None:
    """By Redis' clock; of a token that was not used, nothing."""
    await ledger.operators.note_use("one")
    used, unused = await ledger.operators.last_uses(["one", "two"])
    assert used is not None
    assert 0 <= await ledger.now() - used < 60
    assert unused is None
