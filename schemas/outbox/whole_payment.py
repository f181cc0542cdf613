"""A payment with everything that belongs to it, as history has it: what a ledger that lacks it is given back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.outbox.entries import Attempt, Delivery, Event, Payment

Name = tuple[str, str]
"""A payment: its merchant and imp_uid."""


@dataclass(frozen=True, slots=True)
class WholePayment:
    """`payment` is None for events that belong to none (tests, and events about endpoints).

    `events` are in the order in which they were recorded. Their bodies are plain, and lack i'mport's object where
    `object_revision` names it; `objects` has it, plain, under that revision. A delivery's state is the stored one, so
    held ones are pending; its attempts are the latest hundred, oldest first.
    """

    payment: Payment | None
    events: tuple[Event, ...]
    deliveries: tuple[tuple[Delivery, tuple[Attempt, ...]], ...]
    objects: Mapping[int, bytes] = field(default_factory=dict, repr=False)
