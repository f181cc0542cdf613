"""The settings that `decide` needs, as its policy."""

from __future__ import annotations

from runtime.settings import Settings
from schemas.payments.decide import Policy


def policy(settings: Settings, since: float) -> Policy:
    """The policy for a merchant whose facts before ``since`` (UNIX seconds) are recorded silently."""
    return Policy(
        since=since,
        lookback=settings.lookback,
        expiry_grace=settings.expiry_grace,
        pending_schedule=settings.pending_schedule,
    )
