"""Cancelled money: the cancellations that a snapshot shows. No more than ``cancel_amount`` is ever announced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from schemas.payments.facts import Fact, FactKind, Facts, cancelled_amount, plain
from schemas.payments.history_entries import CancellableTotals, keyed_cancellations, uncancelled
from schemas.payments.snapshot import ZERO, CancellationEntry, Snapshot
from schemas.times import rfc3339

VOID = "cancelled:void"
"""The key of a cancellation in which no money moved."""
UNLISTED = "cancelled_total:"
"""The prefix of the key of cancelled money that no entry explains. The money may come from several cancellations."""


def cancellation_facts(known: Facts, snapshot: Snapshot, now: int, *, paid: bool) -> list[Fact]:
    """The cancellations that ``snapshot`` shows and ``known`` lacks, oldest first.

    Unless the snapshot is stale, the announced sum equals its ``cancel_amount`` afterwards, because money that no entry
    explains becomes a fact of its own.
    """
    found = _entries(known, snapshot, now)
    rest = snapshot.cancel_amount - _announced(known, found)
    if rest > 0:
        found.append(_unlisted(f"{UNLISTED}{plain(snapshot.cancel_amount)}", snapshot, rest, found, now))
    found = _with_whole(known, found, snapshot)
    has_whole = any(fact.whole for fact in (*known.values(), *found))
    if has_whole or not _is_over(snapshot, _announced(known, found), paid=paid):
        return found
    if found and found[-1].kind is FactKind.CANCELLED:
        return [*found[:-1], replace(found[-1], whole=True)]
    return [*found, replace(_unlisted(VOID, snapshot, ZERO, found, now), whole=True)]


def repeated_cancellations(
    known: Facts, before: Snapshot | None, snapshot: Snapshot, found: Sequence[Fact], now: int
) -> list[Fact]:
    """Cancellations of money that was announced, then taken back, and is now cancelled once more.

    Each stands for an entry that ``found`` has as an alias, or for money that no entry explains. Its amount is 0,
    because the money is announced already. It becomes a fact only if a request waits for it
    (`cancellations.settle_requests`). ``before`` is the snapshot that counted until now.
    """
    if before is None:
        return []
    cancelled = min(snapshot.cancel_amount, cancelled_amount(known.values())) - before.cancel_amount
    if cancelled <= 0:
        return []
    entries, entries_before = dict(keyed_cancellations(snapshot)), dict(keyed_cancellations(before))
    listed_again = (entry.amount for key, entry in entries.items() if key in known and key not in entries_before)
    aliases = [fact for fact in found if fact.kind is FactKind.ALIAS and fact.key in entries]
    repeated = [
        replace(fact, kind=FactKind.CANCELLED, amount=ZERO, detail=_entry_detail(entries[fact.key])) for fact in aliases
    ]
    rest = max(cancelled - sum((fact.amount for fact in aliases), ZERO) - sum(listed_again, ZERO), ZERO)
    is_over = not uncancelled(snapshot, snapshot.cancel_amount)
    if rest or (is_over and not repeated):
        name = f"{UNLISTED}{plain(snapshot.cancel_amount)}"
        same = sum(key == name or key.startswith(f"{name}#") for key in known)
        key = f"{name}#{same + 1}" if same else name
        repeated.append(replace(_unlisted(key, snapshot, rest, [], now), amount=ZERO))
    if is_over:
        repeated[-1] = replace(repeated[-1], whole=True)
    return repeated


def _entries(known: Facts, snapshot: Snapshot, now: int) -> list[Fact]:
    """The new entries of the history. An entry for money that is announced already is an alias.

    Such money was announced before i'mport listed its entry (only ``cancel_amount`` showed it), or under an earlier key
    of the entry. Its sum is what was announced, less the known entries.
    """
    if not snapshot.cancellations:
        return []
    timed = [(row.at or snapshot.cancelled_at or now, key, row) for key, row in keyed_cancellations(snapshot)]
    announced = cancelled_amount(known.values())
    explained = sum((row.amount for _, key, row in timed if key in known), ZERO)
    unexplained = max(announced - explained, ZERO)
    found: list[Fact] = []
    for at, key, row in sorted(timed, key=lambda entry: entry[0]):
        if key in known:
            continue
        left = max(snapshot.cancel_amount - announced, ZERO)
        already_announced = min(row.amount, unexplained)
        new = row.amount - already_announced
        if new and not left:
            continue
        unexplained -= already_announced
        if already_announced and not new:
            found.append(Fact(key, FactKind.ALIAS, at, amount=already_announced))
            continue
        found.append(Fact(key, FactKind.CANCELLED, at, amount=min(new, left), detail=_entry_detail(row)))
        announced += min(new, left)
    return found


def _with_whole(known: Facts, found: Sequence[Fact], snapshot: Snapshot) -> list[Fact]:
    """Marks as whole each cancellation that left nothing of the money that had come in by then."""
    if not found:
        return []
    announced, totals = cancelled_amount(known.values()), CancellableTotals(snapshot)
    marked = []
    for fact in found:
        everything = totals.until(fact.at)
        announced += fact.amount if fact.kind is FactKind.CANCELLED else ZERO
        whole = fact.kind is FactKind.CANCELLED and 0 < everything <= announced
        marked.append(replace(fact, whole=whole))
    return marked


def _is_over(snapshot: Snapshot, announced: Decimal, *, paid: bool) -> bool:
    """Whether all of the payment is cancelled. The status alone is not enough: some gateways report `cancelled` after
    a partial cancellation."""
    if snapshot.status != "cancelled" or announced != snapshot.cancel_amount:
        return False
    return not uncancelled(snapshot, announced) or not (paid or announced)


def _announced(known: Facts, found: Sequence[Fact]) -> Decimal:
    return cancelled_amount((*known.values(), *found))


def _entry_detail(entry: CancellationEntry) -> dict[str, Any]:
    return {
        "id": entry.cancellation_id,
        "amount": entry.amount,
        "reason": entry.reason,
        "cancelled_at": rfc3339(entry.at) if entry.at else None,
        "receipt_url": entry.receipt_url,
    }


def _unlisted(key: str, snapshot: Snapshot, amount: Decimal, found: Sequence[Fact], now: int) -> Fact:
    """A cancellation that no entry of the history explains, dated no earlier than those in ``found``."""
    detail = {
        "id": None,
        "amount": amount,
        "reason": snapshot.cancel_reason,
        "cancelled_at": rfc3339(snapshot.cancelled_at) if snapshot.cancelled_at else None,
        "receipt_url": None,
    }
    at = max([snapshot.cancelled_at or now, *(fact.at for fact in found)])
    return Fact(key, FactKind.CANCELLED, at, amount=amount, detail=detail)
