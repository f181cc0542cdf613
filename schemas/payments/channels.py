"""Payments of test channels: for a merchant that does not include them they do not exist.

i'mport hides them from the single look-up only. Its batch, its lists and its answers to cancellations show them, with
``"sandbox": true``, and shops have shipped goods that were paid for through a test channel. So whatever shows a
payment, this is asked before anything is made of it.
"""

from __future__ import annotations

from typing import Protocol

from schemas.errors import HiddenPayment
from schemas.payments.snapshot import Snapshot


class ChannelPolicy(Protocol):
    """What a merchant wants of test payments. Times in UNIX seconds: ``sandbox_since`` is when ``include_sandbox`` was
    switched on, 0 where it was from the start."""

    @property
    def name(self) -> str: ...
    @property
    def since(self) -> float: ...
    @property
    def include_sandbox(self) -> bool: ...
    @property
    def sandbox_since(self) -> float: ...


def hidden(snapshot: Snapshot | None, merchant: ChannelPolicy) -> HiddenPayment | None:
    """Why this payment does not exist for the merchant; None where it does, or where nothing is known of it."""
    if snapshot is None or not snapshot.sandbox or merchant.include_sandbox:
        return None
    return HiddenPayment(snapshot.imp_uid, merchant.name)


def silent_before(snapshot: Snapshot, merchant: ChannelPolicy) -> float:
    """Facts of the payment from before this time, in UNIX seconds, are recorded silently.

    What happened at test channels before the merchant wanted to know is history. i'mport's times are whole seconds, so
    the second in which the flag was switched on counts as after it.
    """
    return max(merchant.since, float(int(merchant.sandbox_since))) if snapshot.sandbox else merchant.since
