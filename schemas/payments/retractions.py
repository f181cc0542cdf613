"""Retractions: i'mport no longer shows a cancellation or a deposit that it showed before.

One look-up that shows less may be an old answer that arrives late. If two look-ups a minute apart show the same,
i'mport has taken something back. That is never announced, because facts are only added. Instead, operators see which
events i'mport no longer supports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from schemas.payments.facts import Fact, FactKind, Facts, plain
from schemas.payments.history_entries import keyed_cancellations, keyed_deposits
from schemas.payments.refunds import VOID
from schemas.payments.snapshot import ZERO, Snapshot

CONFIRM_AFTER = 61
"""Seconds between the two look-ups that must agree. At least a minute lies between them, as times are whole seconds."""

_COURSE = {"ready": 0, "failed": 1, "paid": 2, "cancelled": 3}


@dataclass(frozen=True, slots=True)
class PossibleRetraction:
    """A look-up that showed less than one before it: when (UNIX seconds), and a digest of what it showed."""

    at: int
    digest: str


def confirmed_snapshot(
    known: Snapshot | None, possible: PossibleRetraction | None, snapshot: Snapshot, now: int
) -> tuple[Snapshot, PossibleRetraction | None]:
    """The snapshot that counts after a look-up found ``snapshot``, and the retraction still to be confirmed, if any.

    A snapshot that shows less than ``known`` counts once a second look-up, `CONFIRM_AFTER` later, shows the same.
    """
    if known is None or not shows_less(known, snapshot):
        return snapshot, None
    digest = _digest(snapshot)
    if possible is None or possible.digest != digest:
        return known, PossibleRetraction(now, digest)
    return (snapshot, None) if now - possible.at >= CONFIRM_AFTER else (known, possible)


def shows_less(known: Snapshot, snapshot: Snapshot) -> bool:
    """Whether ``snapshot`` lacks something that ``known`` showed."""
    before, after = _money(known), _money(snapshot)
    went_back = _COURSE.get(snapshot.status, len(_COURSE)) < _COURSE.get(known.status, 0)
    return went_back if before == after else any(new < old for new, old in zip(after, before, strict=True))


def contradicted(facts: Facts, snapshot: Snapshot | None) -> tuple[str, ...]:
    """The keys of the facts that ``snapshot`` no longer supports, in the order they were found.

    If the facts have more deposits or cancelled money than the snapshot, the excess is contradicted: first the facts
    that the snapshot does not list, the latest first.
    """
    if snapshot is None:
        return ()
    gone = {*_contradicted_deposits(facts, snapshot), *_contradicted_cancellations(facts, snapshot)}
    return tuple(key for key in facts if key in gone)


def _money(snapshot: Snapshot) -> tuple[Decimal | int, ...]:
    """Numbers that only grow unless i'mport takes something back."""
    return snapshot.cancel_amount, len(snapshot.deposits), len(snapshot.cancellations)


def _digest(snapshot: Snapshot) -> str:
    """A digest of what two look-ups have to agree on."""
    listed = [key for key, _ in (*keyed_deposits(snapshot), *keyed_cancellations(snapshot))]
    text = "\n".join((snapshot.status, plain(snapshot.cancel_amount), *listed))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _contradicted_deposits(facts: Facts, snapshot: Snapshot) -> Iterable[str]:
    paid = facts.get("paid")
    if paid is not None and not _money_came(snapshot):
        yield paid.key
    announced = [fact for fact in facts.values() if fact.kind is FactKind.DEPOSITED]
    entry = _entry_of(paid, facts)
    excess = len(announced) + (entry is not None) - len(snapshot.deposits)
    if excess <= 0:
        return
    listed = {key for key, _ in keyed_deposits(snapshot)}
    gone = [fact.key for fact in reversed(announced) if fact.key not in listed]
    if paid is not None and entry is not None and entry not in listed:
        gone.append(paid.key)
    yield from gone[:excess]


def _entry_of(paid: Fact | None, facts: Facts) -> str | None:
    """The key of the deposit that the approval stands for, if the history has shown it."""
    if paid is None or paid.entry is not None:
        return None if paid is None else paid.entry
    aliases = (fact.key for fact in facts.values() if fact.kind is FactKind.ALIAS)
    return next((key for key in aliases if key.startswith("deposited:")), None)


def _money_came(snapshot: Snapshot) -> bool:
    """Whether money came in. `cancelled` implies it; for an unknown status it is assumed."""
    shown = snapshot.paid_at or snapshot.cancel_amount or snapshot.deposits
    return bool(shown) or snapshot.status not in ("ready", "failed")


def _contradicted_cancellations(facts: Facts, snapshot: Snapshot) -> Iterable[str]:
    announced = [fact for fact in facts.values() if fact.kind is FactKind.CANCELLED]
    excess = sum((fact.amount for fact in announced), ZERO) - snapshot.cancel_amount
    if excess <= 0:
        if VOID in facts and snapshot.status in ("ready", "paid", "failed"):
            yield VOID
        return
    listed = {key for key, _ in keyed_cancellations(snapshot)}
    latest = announced[::-1]
    latest.sort(key=lambda fact: fact.key in listed)
    for fact in latest:
        if fact.amount and excess > 0:
            excess -= fact.amount
            yield fact.key
        elif not fact.amount and fact.key not in listed:
            yield fact.key
