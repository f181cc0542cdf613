"""An endpoint's health: its circuit breaker, and the changes that are announced as events.

The ledger stores these numbers in Redis and changes them when it settles an attempt. The breaker opens at five failures
in a row. While it is open, the lane sends nothing and no attempt is used up. When its time has passed, one delivery
goes out as a probe: a success closes the breaker, a failure opens it for the same time again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schemas.endpoints.endpoint import ENDPOINT_TYPES

OPENS_AT = 5
DISABLES_AT = 20
SOONEST_FAILING = 3600.0
"""Seconds of failing after which `endpoint.failing` is recorded; half of RELAY_DISABLE_AFTER if that is less."""

FINE, FAILING, DISABLED = 0, 1, 2
_FAILING, _DISABLED, _RECOVERED = ENDPOINT_TYPES


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """`failures` counts the failures in a row since `failing_since` (UNIX seconds, 0 without failures). The breaker is
    open until `open_until` (UNIX seconds) and has opened `opens` times since the last success. `stage` is what was last
    announced: 0 fine, 1 failing, 2 disabled."""

    failures: int = 0
    failing_since: float = 0.0
    open_until: float = 0.0
    opens: int = 0
    stage: int = FINE


def after_attempt(
    health: EndpointHealth, ok: bool, now: float, *, first_wait: float, disable_after: float
) -> EndpointHealth:
    """The health after an attempt that ended `now`.

    The breaker waits `first_wait`, the first wait of the retry schedule in seconds, between probes: so the only
    delivery of a lane keeps to its schedule. It waits less if `DISABLES_AT` failures would not fit into
    `disable_after` otherwise. Attempts that were under way when the breaker opened count as failures, but do not
    lengthen its wait.
    """
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
    """The health of an endpoint that was disabled because it answered 410, not because it failed for long."""
    return replace(health, stage=DISABLED)


def enabled(health: EndpointHealth) -> EndpointHealth:
    """The health of an endpoint that an operator enables: a fresh start. If it was failing or disabled, its first
    success is still announced as a recovery."""
    return EndpointHealth(stage=min(health.stage, FAILING))


def announcement(before: EndpointHealth, after: EndpointHealth) -> str | None:
    """The type of the event that announces this change of health; None if it is not announced."""
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
