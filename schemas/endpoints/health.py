"""How an endpoint is doing: its circuit breaker, and when operators hear of it.

The numbers are few and plain, because the ledger keeps them in Redis and changes them where attempts are settled.
The breaker opens at five failures in a row. While it is open the lane sends nothing and no attempt is used up; when
its time has passed, one delivery goes out as a probe: a success closes it, a failure opens it for as long again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schemas.endpoints.endpoint import ENDPOINT_TYPES

OPENS_AT = 5
DISABLES_AT = 20
SOONEST_FAILING = 3600.0
"""Operators hear of a failing endpoint after so many seconds, or half of RELAY_DISABLE_AFTER if that is less."""

FINE, FAILING, DISABLED = 0, 1, 2
_FAILING, _DISABLED, _RECOVERED = ENDPOINT_TYPES


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """`failures` in a row since `failing_since` (UNIX seconds, 0 when there are none); the breaker is open until
    `open_until` (UNIX seconds) and has opened `opens` times since the last success; `stage` is what operators
    were last told: 0 fine, 1 failing, 2 disabled."""

    failures: int = 0
    failing_since: float = 0.0
    open_until: float = 0.0
    opens: int = 0
    stage: int = FINE


def after_attempt(
    health: EndpointHealth, ok: bool, now: float, *, first_wait: float, disable_after: float
) -> EndpointHealth:
    """The health after an attempt that ended `now`. `first_wait` is the first wait of the retry schedule, in
    seconds: probes are so far apart, so that a delivery that waits alone keeps to its schedule; but never so far that
    the failures it takes to disable an endpoint would not fit into `disable_after`. Attempts already under way when
    the breaker opened count as failures but do not lengthen its wait."""
    if ok:
        return EndpointHealth()
    failures = health.failures + 1
    since = health.failing_since or now
    until, opens = health.open_until, health.opens
    if failures >= OPENS_AT and now >= until:
        until = now + min(first_wait, disable_after / DISABLES_AT)
        opens += 1
    stage, failed_for = health.stage, now - since
    if failures >= OPENS_AT and failed_for >= min(SOONEST_FAILING, disable_after / 2):
        stage = max(stage, FAILING)
    if failures >= DISABLES_AT and failed_for >= disable_after:
        stage = DISABLED
    return EndpointHealth(failures, since, until, opens, stage)


def gone(health: EndpointHealth) -> EndpointHealth:
    """The health of an endpoint that was disabled for another reason: it answered 410."""
    return replace(health, stage=DISABLED)


def enabled(health: EndpointHealth) -> EndpointHealth:
    """The health of an endpoint that an operator enables: a fresh start, but a success is still news if operators
    had heard of trouble."""
    return EndpointHealth(stage=min(health.stage, FAILING))


def news(before: EndpointHealth, after: EndpointHealth) -> str | None:
    """The type of the event that this change of health is worth, if any."""
    if before.stage == after.stage:
        return None
    return (_RECOVERED, _FAILING, _DISABLED)[after.stage]


def probe_capacity(health: EndpointHealth) -> int | None:
    """How many deliveries may test the endpoint once an open breaker's time has passed; None while it is closed."""
    return None if health.failures < OPENS_AT else 1


def breaker(health: EndpointHealth, now: float) -> str:
    """The breaker's state in a word: `closed`, `open` or `half_open`."""
    if health.failures < OPENS_AT:
        return "closed"
    return "open" if now < health.open_until else "half_open"
