"""The breaker and what operators hear, as sequences of attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.endpoints.health import EndpointHealth, after_attempt, breaker, enabled, gone, news, probe_capacity

DAY = 86400.0


def run(health: EndpointHealth, now: float, *outcomes: bool, step: float = 0.0) -> EndpointHealth:
    """The health after these outcomes, `step` seconds apart, with the default settings."""
    for outcome in outcomes:
        health = after_attempt(health, outcome, now, first_wait=5.0, disable_after=5 * DAY)
        now += step
    return health


def test_opens_at_five_in_a_row() -> None:
    """Four failures change nothing, the fifth opens the breaker for the first wait."""
    four = run(EndpointHealth(), 1000, *[False] * 4)
    assert (probe_capacity(four), breaker(four, 1000)) == (None, "closed")
    five = run(four, 1000, False)
    assert (probe_capacity(five), breaker(five, 1000)) == (1, "open")
    assert five.open_until == 1005.0


def test_success_in_between_keeps_it_closed() -> None:
    """Only failures in a row count."""
    health = run(EndpointHealth(), 1000, *[False] * 4, True, *[False] * 4)
    assert breaker(health, 1000) == "closed"


def test_probes() -> None:
    """After the wait one delivery goes out; a failure opens the breaker for as long again, so that a delivery that is
    alone is attempted when its schedule says; a success closes it."""
    health = run(EndpointHealth(), 1000, *[False] * 5)
    waits = []
    for _ in range(9):
        now = health.open_until
        assert (probe_capacity(health), breaker(health, now)) == (1, "half_open")
        health = run(health, now, False)
        waits.append(health.open_until - now)
    assert waits == [5] * 9
    assert run(health, health.open_until, True) == EndpointHealth()


def test_those_under_way_do_not_lengthen_the_wait() -> None:
    """What was in flight when the breaker opened counts as failures and no more."""
    health = run(EndpointHealth(), 1000, *[False] * 8)
    assert (health.failures, health.open_until, health.opens) == (8, 1005.0, 1)


def test_failing_then_disabled_then_recovered() -> None:
    """Operators hear of trouble after an hour, of the end after the time and the number set, once each."""
    health, told = EndpointHealth(), []
    for hour in range(0, 140, 5):
        after = run(health, 1000 + hour * 3600, False)
        if word := news(health, after):
            told.append((hour, word))
        health = after
    assert told == [(20, "endpoint.failing"), (120, "endpoint.disabled")]
    fresh = enabled(health)
    assert news(health, fresh) is None or fresh.stage == 1
    assert news(fresh, run(fresh, 1e6, True)) == "endpoint.recovered"


def test_few_failures_do_not_disable() -> None:
    """An endpoint that failed nineteen times in a month is not disabled; the twentieth disables it."""
    nineteen = run(EndpointHealth(), 1000, *[False] * 19, step=1.5 * DAY)
    assert nineteen.stage == 1
    assert run(nineteen, 1000 + 30 * DAY, False).stage == 2


def test_short_settings() -> None:
    """With a short RELAY_DISABLE_AFTER operators still hear of trouble first."""
    health, told = EndpointHealth(), []
    for n in range(40):
        after = after_attempt(health, False, 1000 + n * 0.1, first_wait=0.2, disable_after=2.0)
        told += [word] if (word := news(health, after)) else []
        health = after
    assert told == ["endpoint.failing", "endpoint.disabled"]


def test_a_breaker_never_keeps_an_endpoint_from_being_disabled() -> None:
    """Probes alone make twenty failures soon after RELAY_DISABLE_AFTER, whatever the first wait of the schedule."""
    health, now = EndpointHealth(), 1000.0
    while health.stage < 2:
        health = after_attempt(health, False, now, first_wait=60.0, disable_after=3.0)
        now = max(now, health.open_until)
    assert (health.failures >= 20, now - 1000 <= 4) == (True, True)


def test_gone() -> None:
    """An endpoint that answered 410 is disabled at once, and that is news once."""
    assert news(EndpointHealth(), gone(EndpointHealth())) == "endpoint.disabled"
    assert news(gone(EndpointHealth()), gone(EndpointHealth())) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e6)), max_size=80))
def test_any_history(history: list[tuple[bool, float]]) -> None:
    """A success always heals; the breaker is never open for longer than the first wait; stages only rise while
    an endpoint fails."""
    health, now = EndpointHealth(), 1000.0
    for ok, pause in history:
        now += pause
        after = after_attempt(health, ok, now, first_wait=5.0, disable_after=5 * DAY)
        assert after.open_until <= now + 5
        assert (
            (after == EndpointHealth())
            if ok
            else (after.stage >= health.stage and after.failures == health.failures + 1)
        )
        health = after
