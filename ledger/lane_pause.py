"""Why a lane pauses as a whole: the endpoint asked for it, its breaker is open, or its rate limit is used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.endpoint_rows import load_health
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class LanePause:
    """The lane sends nothing before `until` (UNIX seconds)."""

    until: float
    reason: Reason


def lane_pause(row: Sequence[bytes]) -> LanePause | None:
    """The pause of a lane, from what `read_deliveries` returns of it: now, not before, Retry-After until, rate until
    (all in ms, or empty) and the endpoint's health. None if it is not paused."""
    now, until, asked, rate = (float(part or 0) / 1000 for part in row[:4])
    if until <= now:
        return None
    health = load_health(row[4])
    if asked > now and asked >= health.open_until:
        return LanePause(until, Reason.of("retry_after", until=asked))
    if health.open_until > now:
        return LanePause(until, Reason.of("breaker_open", until=health.open_until, failures=health.failures))
    if rate > now:
        return LanePause(until, Reason.of("rate_limited", until=rate))
    return LanePause(until, Reason.of("lane_paused", until=until))
