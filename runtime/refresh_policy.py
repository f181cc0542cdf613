"""The settings that `decide` needs, as its policy."""

from __future__ import annotations

from runtime.settings import Settings
from schemas.payments.decide import Policy
from schemas.payments.facts import ExpectedAmount


def policy(settings: Settings, since: float, expected: ExpectedAmount | None = None) -> Policy:
    """The policy for a payment. Facts before ``since`` (UNIX seconds) are recorded silently; ``expected`` is the amount
    that the merchant expects, if it stored one."""
    return Policy(
        since=since,
        expected=expected,
        lookback=settings.lookback,
        expiry_grace=settings.expiry_grace,
        pending_schedule=settings.pending_schedule,
    )
