"""The settings that `decide` needs, as its policy."""

from __future__ import annotations

from runtime.settings import Settings
from schemas.payments.decide import Policy
from schemas.payments.facts import ExpectedAmount


def policy(settings: Settings, since: float, expected: ExpectedAmount | None = None) -> Policy:
    """The policy for a payment whose facts before ``since`` (UNIX seconds) are recorded silently, and for which the
    merchant expects an amount, if it said so."""
    return Policy(
        since=since,
        expected=expected,
        lookback=settings.lookback,
        expiry_grace=settings.expiry_grace,
        pending_schedule=settings.pending_schedule,
    )
