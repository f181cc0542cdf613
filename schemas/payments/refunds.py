"""Money that went back: the cancellations that a look shows, of which no more is announced than ``cancel_amount``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from schemas.payments.facts import Fact, Facts, Kind, cancelled_amount, plain
from schemas.payments.history_entries import Totals, keyed_cancellations, left
from schemas.payments.snapshot import ZERO, Cancellation, Snapshot
from schemas.times import rfc3339

VOID = "cancelled:void"
"""The key of a cancellation in which no money moved."""
UNLISTED = "cancelled_total:"
"""What the key of money begins with that no entry explains: maybe of several cancellations."""


def cancelled(known: Facts, snapshot: Snapshot, now: int, *, paid: bool) -> list[Fact]:
    """The cancellations that ``snapshot`` shows and ``known`` lacks, oldest first.

    Unless it is stale, what is announced comes to its ``cancel_amount`` exactly: what no entry explains is announced
    by itself.
    """
    found = _entries(known, snapshot, now)
    rest = snapshot.cancel_amount - _announced(known, found)
    if rest > 0:
        found.append(_unlisted(f"{UNLISTED}{plain(snapshot.cancel_amount)}", snapshot, rest, found, now))
    found = _with_whole(known, found, snapshot)
    told = any(fact.whole for fact in (*known.values(), *found))
    if told or not _is_over(snapshot, _announced(known, found), paid=paid):
        return found
    if found and found[-1].kind is Kind.CANCELLED:
        return [*found[:-1], replace(found[-1], whole=True)]
    return [*found, replace(_unlisted(VOID, snapshot, ZERO, found, now), whole=True)]


def cancelled_again(
    known: Facts, before: Snapshot | None, snapshot: Snapshot, found: Sequence[Fact], now: int
) -> list[Fact]:
    """Money that had been taken back since it was announced and has gone once more, as cancellations of their own: of
    an entry, which is among ``found`` as an alias, or of what no entry explains. Their amount is nothing: it is
    announced already. ``before`` is i'mport's word until now.

    They are news to whoever has asked for them, and to nobody else.
    """
    if before is None:
        return []
    gone = min(snapshot.cancel_amount, cancelled_amount(known.values())) - before.cancel_amount
    if gone <= 0:
        return []
    rows, listed = dict(keyed_cancellations(snapshot)), dict(keyed_cancellations(before))
    back = (row.amount for key, row in rows.items() if key in known and key not in listed)
    aliases = [fact for fact in found if fact.kind is Kind.ALIAS and fact.key in rows]
    again = [replace(fact, kind=Kind.CANCELLED, amount=ZERO, detail=_entry_detail(rows[fact.key])) for fact in aliases]
    rest = max(gone - sum((fact.amount for fact in aliases), ZERO) - sum(back, ZERO), ZERO)
    is_over = not left(snapshot, snapshot.cancel_amount)
    if rest or (is_over and not again):
        name = f"{UNLISTED}{plain(snapshot.cancel_amount)}"
        same = sum(key == name or key.startswith(f"{name}#") for key in known)
        key = f"{name}#{same + 1}" if same else name
        again.append(replace(_unlisted(key, snapshot, rest, [], now), amount=ZERO))
    if is_over:
        again[-1] = replace(again[-1], whole=True)
    return again


def _entries(known: Facts, snapshot: Snapshot, now: int) -> list[Fact]:
    """The new entries of the history; one for money that is announced already is an alias.

    Such money is what the entries that are known do not account for: it was seen in ``cancel_amount`` before the
    history had it, or its entry has got another name since.
    """
    timed = [(row.at or snapshot.cancelled_at or now, key, row) for key, row in keyed_cancellations(snapshot)]
    announced = cancelled_amount(known.values())
    explained = sum((row.amount for _, key, row in timed if key in known), ZERO)
    unexplained = max(announced - explained, ZERO)
    found: list[Fact] = []
    for at, key, row in sorted(timed, key=lambda entry: entry[0]):
        if key in known:
            continue
        room = max(snapshot.cancel_amount - announced, ZERO)
        told = min(row.amount, unexplained)
        news = row.amount - told
        if news and not room:
            continue
        unexplained -= told
        if told and not news:
            found.append(Fact(key, Kind.ALIAS, at, amount=told))
            continue
        found.append(Fact(key, Kind.CANCELLED, at, amount=min(news, room), detail=_entry_detail(row)))
        announced += min(news, room)
    return found


def _with_whole(known: Facts, found: Sequence[Fact], snapshot: Snapshot) -> list[Fact]:
    """Marks each cancellation after which nothing was left of what had come in by then."""
    announced, totals = cancelled_amount(known.values()), Totals(snapshot)
    marked = []
    for fact in found:
        everything = totals.until(fact.at)
        announced += fact.amount if fact.kind is Kind.CANCELLED else ZERO
        whole = fact.kind is Kind.CANCELLED and 0 < everything <= announced
        marked.append(replace(fact, whole=whole))
    return marked


def _is_over(snapshot: Snapshot, announced: Decimal, *, paid: bool) -> bool:
    """Whether i'mport says `cancelled` and means all of it: after a part, some gateways say so too."""
    if snapshot.status != "cancelled" or announced != snapshot.cancel_amount:
        return False
    return not left(snapshot, announced) or not (paid or announced)


def _announced(known: Facts, found: Sequence[Fact]) -> Decimal:
    return cancelled_amount((*known.values(), *found))


def _entry_detail(entry: Cancellation) -> dict[str, Any]:
    return {
        "id": entry.cancellation_id,
        "amount": entry.amount,
        "reason": entry.reason,
        "cancelled_at": rfc3339(entry.at) if entry.at else None,
        "receipt_url": entry.receipt_url,
    }


def _unlisted(key: str, snapshot: Snapshot, amount: Decimal, found: Sequence[Fact], now: int) -> Fact:
    """A cancellation that no entry of the history tells of; it is the last that is known."""
    detail = {
        "id": None,
        "amount": amount,
        "reason": snapshot.cancel_reason,
        "cancelled_at": rfc3339(snapshot.cancelled_at) if snapshot.cancelled_at else None,
        "receipt_url": None,
    }
    at = max([snapshot.cancelled_at or now, *(fact.at for fact in found)])
    return Fact(key, Kind.CANCELLED, at, amount=amount, detail=detail)
