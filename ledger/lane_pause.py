"""What a whole lane waits for: the endpoint asked for it, its breaker is open, or its rate is used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.endpoint_rows import load_health
from schemas.times import rfc3339


@dataclass(frozen=True, slots=True)
class LanePause:
    """The lane sends nothing before `until` (UNIX seconds), for this reason in words."""

    until: float
    reason: str


def lane_pause(row: Sequence[bytes]) -> LanePause | None:
    """What a lane waits for, from what `read_deliveries` gives of it: now, not before, Retry-After until, rate until
    (all in ms, or empty) and the endpoint's health. None where it does not wait."""
    now, until, asked, rate = (float(part or 0) / 1000 for part in row[:4])
    if until <= now:
        return None
    health = load_health(row[4])
    if asked > now and asked >= health.open_until:
        return LanePause(until, f"the endpoint asked for a pause (Retry-After) until {rfc3339(asked)}")
    if health.open_until > now:
        opened = f"after {health.failures} failures in a row"
        return LanePause(until, f"the circuit breaker is open until {rfc3339(health.open_until)}, {opened}")
    if rate > now:
        return LanePause(until, f"the endpoint's rate limit is used up until {rfc3339(rate)}")
    return LanePause(until, f"the endpoint's lane waits until {rfc3339(until)}")
