"""What i'mport takes back: a cancellation or a deposit that it has shown and shows no more.

One look that shows less may be an old answer that comes late. Two that show the same, a minute apart, are i'mport's
word. Nothing is announced back: facts only grow. What they say beyond i'mport's word is for an operator to see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from schemas.payments.facts import Fact, Facts, Kind, plain
from schemas.payments.history_entries import keyed_cancellations, keyed_deposits
from schemas.payments.refunds import VOID
from schemas.payments.snapshot import ZERO, Snapshot

SECOND_LOOK_AFTER = 61
"""Seconds between two looks that agree before i'mport is believed to have taken something back: a minute at least, as
times are whole."""

_COURSE = {"ready": 0, "failed": 1, "paid": 2, "cancelled": 3}


@dataclass(frozen=True, slots=True)
class Lesser:
    """A look that showed less than one before it: when, in UNIX seconds, and what, as a digest."""

    at: int
    shows: str


def present(
    known: Snapshot | None, lesser: Lesser | None, snapshot: Snapshot, now: int
) -> tuple[Snapshot, Lesser | None]:
    """What counts as i'mport's word after a look that found ``snapshot``, and the look that has to be confirmed."""
    if known is None or not is_less(known, snapshot):
        return snapshot, None
    shows = _shows(snapshot)
    if lesser is None or lesser.shows != shows:
        return known, Lesser(now, shows)
    return (snapshot, None) if now - lesser.at >= SECOND_LOOK_AFTER else (known, lesser)


def is_less(known: Snapshot, snapshot: Snapshot) -> bool:
    """Whether a look has lost what an earlier one had seen."""
    before, after = _money(known), _money(snapshot)
    went_back = _COURSE.get(snapshot.status, len(_COURSE)) < _COURSE.get(known.status, 0)
    return went_back if before == after else any(lost < had for lost, had in zip(after, before, strict=True))


def contradicted(facts: Facts, snapshot: Snapshot | None) -> tuple[str, ...]:
    """The keys of the facts that ``snapshot`` no longer bears out, in the order they were found: approvals, deposits
    and cancellations of more money than it shows, the latest of those that it does not list."""
    if snapshot is None:
        return ()
    gone = {*_deposits(facts, snapshot), *_cancellations(facts, snapshot)}
    return tuple(key for key in facts if key in gone)


def _money(snapshot: Snapshot) -> tuple[Decimal | int, ...]:
    """What only ever grows, unless something is taken back."""
    return snapshot.cancel_amount, len(snapshot.deposits), len(snapshot.cancellations)


def _shows(snapshot: Snapshot) -> str:
    """What two looks have to agree on."""
    listed = [key for key, _ in (*keyed_deposits(snapshot), *keyed_cancellations(snapshot))]
    text = "\n".join((snapshot.status, plain(snapshot.cancel_amount), *listed))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _deposits(facts: Facts, snapshot: Snapshot) -> Iterable[str]:
    paid = facts.get("paid")
    if paid is not None and not _money_came(snapshot):
        yield paid.key
    told = [fact for fact in facts.values() if fact.kind is Kind.DEPOSITED]
    entry = _entry_of(paid, facts)
    excess = len(told) + (entry is not None) - len(snapshot.deposits)
    if excess <= 0:
        return
    listed = {key for key, _ in keyed_deposits(snapshot)}
    gone = [fact.key for fact in reversed(told) if fact.key not in listed]
    if paid is not None and entry is not None and entry not in listed:
        gone.append(paid.key)
    yield from gone[:excess]


def _entry_of(paid: Fact | None, facts: Facts) -> str | None:
    """The deposit that the approval stands for, where the history has shown it."""
    if paid is None or paid.entry is not None:
        return None if paid is None else paid.entry
    aliases = (fact.key for fact in facts.values() if fact.kind is Kind.ALIAS)
    return next((key for key in aliases if key.startswith("deposited:")), None)


def _money_came(snapshot: Snapshot) -> bool:
    """Whether money came in, as far as a look can say: an unknown status says nothing, `cancelled` that it had."""
    shown = snapshot.paid_at or snapshot.cancel_amount or snapshot.deposits
    return bool(shown) or snapshot.status not in ("ready", "failed")


def _cancellations(facts: Facts, snapshot: Snapshot) -> Iterable[str]:
    told = [fact for fact in facts.values() if fact.kind is Kind.CANCELLED]
    excess = sum((fact.amount for fact in told), ZERO) - snapshot.cancel_amount
    if excess <= 0:
        if VOID in facts and snapshot.status in ("ready", "paid", "failed"):
            yield VOID
        return
    listed = {key for key, _ in keyed_cancellations(snapshot)}
    latest = told[::-1]
    latest.sort(key=lambda fact: fact.key in listed)
    for fact in latest:
        if fact.amount and excess > 0:
            excess -= fact.amount
            yield fact.key
        elif not fact.amount and fact.key not in listed:
            yield fact.key
