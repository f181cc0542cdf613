"""A payment with everything that belongs to it, as history has it; it is put back into a ledger that lacks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.outbox.entries import Attempt, Delivery, Event, Payment

Name = tuple[str, str]
"""A payment: its merchant and imp_uid."""


@dataclass(frozen=True, slots=True)
class WholePayment:
    """`payment` is None for events that belong to none (tests, and events about endpoints).

    `events` are in the order in which they were recorded. Their bodies are not compressed. If an event has an
    `object_revision`, its body lacks i'mport's object, which `objects` has, not compressed, under that revision. A
    delivery's state is the stored one, so held deliveries are pending. Its attempts are the latest hundred, oldest
    first.
    """

    payment: Payment | None
    events: tuple[Event, ...]
    deliveries: tuple[tuple[Delivery, tuple[Attempt, ...]], ...]
    objects: Mapping[int, bytes] = field(default_factory=dict, repr=False)
