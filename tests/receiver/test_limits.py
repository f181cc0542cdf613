"""The rate limit and the breaker, which are given the time."""

from __future__ import annotations

import random

from receiver.breaker import LONGEST_WAIT, Breaker
from receiver.limiter import RateLimiter
from tests.support.reasons import because


def test_a_source_gets_its_burst_and_then_its_rate() -> None:
    """A full bucket empties at once and refills at the rate, never beyond the burst."""
    limiter = RateLimiter(rate=10, burst=3)
    assert [limiter.admits("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert [limiter.admits("a", 0.1) for _ in range(2)] == [True, False]
    assert [limiter.admits("a", 100.0) for _ in range(4)] == [True, True, True, False]


def test_sources_do_not_share_a_bucket() -> None:
    """One source's flood costs another nothing."""
    limiter = RateLimiter(rate=1, burst=1)
    assert limiter.admits("a", 0.0)
    assert not limiter.admits("a", 0.0)
    assert limiter.admits("b", 0.0)


def test_made_up_sources_take_bounded_memory() -> None:
    """However many sources there are, only so many are remembered, the latest."""
    limiter = RateLimiter(rate=1, burst=1, sources=100)
    rng = random.Random(1)
    for _ in range(10_000):
        limiter.admits(str(rng.getrandbits(64)), 0.0)
    limiter.admits("last", 0.0)
    assert len(limiter) == 100
    assert not limiter.admits("last", 0.0)


def test_the_breaker_admits_one_probe_a_wait() -> None:
    """While it is open only one caller a wait may try, and the first success closes it."""
    breaker = Breaker()
    assert breaker.admits(0.0)
    assert breaker.trip(0.0, because("away"))
    assert not breaker.trip(0.0, because("away"))
    now = LONGEST_WAIT * 2
    assert [breaker.admits(now), breaker.admits(now)] == [True, False]
    assert breaker.reset()
    assert not breaker.reset()
    assert breaker.closed
    assert [breaker.admits(now), breaker.admits(now)] == [True, True]


def test_the_breakers_waits_are_bounded() -> None:
    """However long the ledger is away, it is probed again after the longest wait."""
    breaker = Breaker()
    for now in range(100):
        breaker.trip(float(now), because("away"))
    assert breaker.admits(99.0 + LONGEST_WAIT)
