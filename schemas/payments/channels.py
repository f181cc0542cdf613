"""Payments of test channels: they do not exist for a merchant that does not include them.

i'mport hides them only from the look-up of a single payment. Its batch look-up, its lists and its answers to
cancellations show them, with ``"sandbox": true``. Shops have shipped goods that were paid for through a test channel,
so every payment that i'mport shows is checked here first.
"""

from __future__ import annotations

from typing import Protocol

from schemas.errors import HiddenPayment
from schemas.payments.snapshot import Snapshot


class ChannelPolicy(Protocol):
    """A merchant's settings for test payments. Times are UNIX seconds: ``sandbox_since`` is when ``include_sandbox``
    was switched on, 0 if it was on from the start."""

    @property
    def name(self) -> str: ...
    @property
    def since(self) -> float: ...
    @property
    def include_sandbox(self) -> bool: ...
    @property
    def sandbox_since(self) -> float: ...


def hidden_test_payment(snapshot: Snapshot | None, merchant: ChannelPolicy) -> HiddenPayment | None:
    """The reason why this payment does not exist for the merchant; None if it does, or if there is no snapshot."""
    if snapshot is None or not snapshot.sandbox or merchant.include_sandbox:
        return None
    return HiddenPayment(snapshot.imp_uid, merchant.name)


def silent_before(snapshot: Snapshot, merchant: ChannelPolicy) -> float:
    """The time (UNIX seconds) before which facts of the payment are recorded silently.

    For a test payment, that is at least the time when the merchant included test channels. i'mport's times are whole
    seconds, so facts of the second in which the flag was switched on count as after it.
    """
    return max(merchant.since, float(int(merchant.sandbox_since))) if snapshot.sandbox else merchant.since
