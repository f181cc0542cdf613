"""A payment that has left the ledger, as history has it: what is put back before anything is done to it."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.outbox.entries import Attempt, Delivery, Event, Payment

MOST_ATTEMPTS = 100
"""Attempts of a delivery that are put back, the latest ones: as many as the ledger keeps."""

Name = tuple[str, str]
"""A payment: its merchant and imp_uid."""


@dataclass(frozen=True, slots=True)
class ColdPart:
    """A part of a payment, in the order to put back: some events, whose `body` is the callback as it was sent, with
    their deliveries and the latest attempts of each, oldest first. The last part has the payment; what belongs to no
    payment has an empty imp_uid, and never has one. A delivery is pending, delivered, dead or discarded, as stored.
    """

    merchant: str
    imp_uid: str
    events: tuple[Event, ...] = ()
    deliveries: tuple[tuple[Delivery, tuple[Attempt, ...]], ...] = ()
    payment: Payment | None = None
