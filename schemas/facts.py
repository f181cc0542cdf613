"""What happened to a payment: a set of facts that only grows, derived from looks at i'mport's object.

A look proves facts; what is known already is not news. So order, repetition and loss of looks do not matter: a late
or repeated look finds nothing new, and the last one brings everything it still proves. Nothing here touches anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from schemas.payment import ZERO, Cancellation, Deposit, Snapshot, VirtualAccount
from schemas.times import rfc3339


class Kind(StrEnum):
    """What a fact is of; in the order that facts of one moment are told in."""

    ISSUED = "virtual_account_issued"
    EXPIRED = "virtual_account_expired"
    DEPOSITED = "deposited"
    PAID = "paid"
    FAILED = "failed"
    REQUESTED = "cancellation_pending"
    CANCELLED = "cancelled"
    REJECTED = "cancellation_rejected"
    MISMATCH = "amount_mismatch"
    ALIAS = "alias"


_ORDER = {kind: place for place, kind in enumerate(Kind)}


class Status(StrEnum):
    """Where a payment stands, as the facts say."""

    READY = "ready"
    ISSUED = "virtual_account_issued"
    EXPIRED = "virtual_account_expired"
    PAID = "paid"
    FAILED = "failed"
    PENDING = "cancellation_pending"
    PARTIALLY_CANCELLED = "partially_cancelled"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened, under a key that is the same whoever finds it, whenever.

    ``at`` is when it happened, in UNIX seconds (when it was first seen, where i'mport gives no time). ``amount`` is what was
    deposited or cancelled, in the currency's major unit. ``whole``: this cancellation left nothing. ``entry`` is the key of the
    deposit that ``paid`` stands for. ``closes`` are the requests for cancellation that it answers.
    An ``ALIAS`` is an entry of a history for money that another fact has announced: known, but no news.
    """

    key: str
    kind: Kind
    at: int
    amount: Decimal = ZERO
    whole: bool = False
    entry: str | None = None
    closes: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the merchant expects to be paid, in the currency's major unit; any currency where it is None."""

    amount: Decimal
    currency: str | None = None


def new_facts(
    known: Facts, snapshot: Snapshot, now: int, *, grace: float = 0, expected: Expected | None = None
) -> tuple[Fact, ...]:
    """What ``snapshot`` proves and ``known`` lacks, in the order it happened.

    ``now`` is when the look was made, in UNIX seconds; ``grace`` in seconds is what a virtual account is given after its deadline.
    """
    closed = any(fact.kind in (Kind.PAID, Kind.CANCELLED) for fact in known.values())
    paid = known.get("paid") or _paid(snapshot, now)
    cancelled = _cancelled(known, snapshot, now)
    found = [*_deposited(known, snapshot, paid, now), *cancelled]
    if paid is not None:
        found.append(_not_after(paid, cancelled))
    if not closed:
        ended = min((fact.at for fact in found if fact.kind in (Kind.PAID, Kind.CANCELLED)), default=None)
        found.extend(_before_payment(known, snapshot, now, grace, ended))
    found = sorted(found, key=lambda fact: (fact.at, _ORDER[fact.kind]))
    if expected is not None and paid is not None:
        place = next((index for index, fact in enumerate(found) if fact.kind is Kind.PAID), -1) + 1
        found[place:place] = _mismatch(snapshot, expected, paid.at if place and "paid" not in known else now)
    return tuple(fact for fact in found if fact.key not in known)


def status(facts: Iterable[Fact], open_requests: Iterable[str] = ()) -> Status:
    """Where a payment with these facts, in the order they were found, and these open requests stands."""
    if any(True for _ in open_requests):
        return Status.PENDING
    told = list(facts)
    kinds = {fact.kind for fact in told}
    if Kind.CANCELLED in kinds:
        whole = any(fact.whole for fact in told)
        return Status.CANCELLED if whole else Status.PARTIALLY_CANCELLED
    if Kind.PAID in kinds:
        return Status.PAID
    if Kind.FAILED in kinds:
        return Status.FAILED
    issued = [fact.key for fact in told if fact.kind is Kind.ISSUED]
    if not issued:
        return Status.READY
    expired = issued[-1].replace("vbank_issued:", "vbank_expired:", 1)
    return Status.EXPIRED if any(fact.key == expired for fact in told) else Status.ISSUED


def cancelled_amount(facts: Iterable[Fact]) -> Decimal:
    """What was announced as cancelled in all; never more than i'mport's ``cancel_amount``."""
    return sum((fact.amount for fact in facts if fact.kind is Kind.CANCELLED), ZERO)


def total(snapshot: Snapshot, at: int | None = None) -> Decimal:
    """What can be cancelled of a payment in all: its amount or, of an unlimited account, what had come in by ``at``."""
    deposits = (deposit.amount for deposit in snapshot.deposits if at is None or deposit.at <= at)
    return max(snapshot.amount, sum(deposits, ZERO))


def plain(amount: Decimal) -> str:
    """One text for equal amounts, however they were written: ``1004``, ``10.5``."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _paid(snapshot: Snapshot, now: int) -> Fact | None:
    if not snapshot.paid_at and snapshot.status != "paid":
        return None
    first = next(iter(_keyed_deposits(snapshot)), None)
    if first is None:
        return Fact("paid", Kind.PAID, snapshot.paid_at or now)
    entry, deposit = first
    return Fact("paid", Kind.PAID, deposit.at or snapshot.paid_at or now, entry=entry)


def _not_after(paid: Fact, cancelled: Iterable[Fact]) -> Fact:
    """Money has to come before it can go back, also where a gateway's clock says otherwise."""
    earliest = min((fact.at for fact in cancelled), default=paid.at)
    return replace(paid, at=min(paid.at, earliest))


def _before_payment(known: Facts, snapshot: Snapshot, now: int, grace: float, ended: int | None) -> Iterable[Fact]:
    """Issued, expired and failed: what a payment goes through until it is paid or cancelled, at ``ended``."""
    failed_at = snapshot.failed_at or (now if snapshot.status == "failed" else 0)
    failed = bool(failed_at) and (ended is None or failed_at < ended)
    account = snapshot.virtual_account
    if account is not None:
        latest = min(at for at in (ended, failed_at if failed else None, now) if at is not None)
        yield _account_fact("vbank_issued", Kind.ISSUED, account, min(account.issued_at or latest, latest))
        waiting = snapshot.status == "ready" and ended is None and not failed and "failed" not in known
        if waiting and account.deadline and now >= account.deadline + grace:
            yield _account_fact("vbank_expired", Kind.EXPIRED, account, account.deadline)
    if failed:
        detail = {"failure": {"reason": snapshot.fail_reason, "failed_at": rfc3339(failed_at)}}
        yield Fact("failed", Kind.FAILED, failed_at, detail=detail)


def _account_fact(prefix: str, kind: Kind, account: VirtualAccount, at: int) -> Fact:
    detail = {
        "bank_code": account.bank_code,
        "bank_name": account.bank_name,
        "number": account.number,
        "holder": account.holder,
        "deadline": rfc3339(account.deadline) if account.deadline else None,
    }
    return Fact(f"{prefix}:{account.number}", kind, at, detail={"virtual_account": detail})


def _deposited(known: Facts, snapshot: Snapshot, paid: Fact | None, now: int) -> Iterable[Fact]:
    """Every deposit but the one that ``paid`` stands for; it takes the first to appear where it had none."""
    paid_lacks_entry = (
        paid is not None
        and paid.entry is None
        and not any(fact.kind is Kind.ALIAS and fact.key.startswith("deposited:") for fact in known.values())
    )
    for key, deposit in _keyed_deposits(snapshot):
        if key in known or (paid is not None and paid.entry == key):
            continue
        if paid_lacks_entry:
            paid_lacks_entry = False
            yield Fact(key, Kind.ALIAS, deposit.at or now, amount=deposit.amount)
            continue
        detail = {
            "id": deposit.pg_tid,
            "amount": deposit.amount,
            "depositor": deposit.depositor,
            "deposited_at": rfc3339(deposit.at) if deposit.at else None,
        }
        yield Fact(key, Kind.DEPOSITED, deposit.at or now, amount=deposit.amount, detail={"deposit": detail})


def _cancelled(known: Facts, snapshot: Snapshot, now: int) -> list[Fact]:
    """The cancellations a snapshot shows, of which together no more is announced than its ``cancel_amount``."""
    announced = cancelled_amount(known.values())
    unexplained = _unexplained(known)
    found: list[Fact] = []
    for key, entry in _keyed_cancellations(snapshot):
        if key in known:
            continue
        told_before = min(unexplained, entry.amount)
        news = entry.amount - told_before
        if announced + news > snapshot.cancel_amount:
            continue
        unexplained -= told_before
        at = entry.at or snapshot.cancelled_at or now
        if told_before and not news:
            found.append(Fact(key, Kind.ALIAS, at, amount=told_before))
            continue
        announced += news
        found.append(
            Fact(
                key, Kind.CANCELLED, at, amount=news, whole=_whole(snapshot, announced, at), detail=_entry_detail(entry)
            )
        )
    told = sum((entry.amount for entry in snapshot.cancellations), ZERO)
    rest = snapshot.cancel_amount - max(announced, told)
    at = snapshot.cancelled_at or now
    if rest > 0:
        announced += rest
        found.append(
            Fact(
                f"cancelled_total:{plain(snapshot.cancel_amount)}",
                Kind.CANCELLED,
                at,
                amount=rest,
                whole=_whole(snapshot, announced, at),
                detail=_rest_detail(snapshot, rest),
            )
        )
    elif _void(known, snapshot):
        found.append(Fact("cancelled:void", Kind.CANCELLED, at, whole=True, detail=_rest_detail(snapshot, ZERO)))
    return found


def _unexplained(known: Facts) -> Decimal:
    """Money announced from ``cancel_amount`` alone, whose entries in the history had not appeared yet."""
    totals = (fact.amount for fact in known.values() if fact.key.startswith("cancelled_total:"))
    aliases = (fact.amount for fact in known.values() if fact.kind is Kind.ALIAS and fact.key.startswith("cancelled:"))
    return max(sum(totals, ZERO) - sum(aliases, ZERO), ZERO)


def _whole(snapshot: Snapshot, announced: Decimal, at: int) -> bool:
    """Whether nothing is left. A promotion's discount was never paid: i'mport may leave it out of ``cancel_amount``."""
    everything = total(snapshot, at)
    if everything and announced >= everything:
        return True
    last = announced == snapshot.cancel_amount
    return snapshot.status == "cancelled" and last and announced >= total(snapshot) - snapshot.discount


def _void(known: Facts, snapshot: Snapshot) -> bool:
    if snapshot.status != "cancelled" or snapshot.cancel_amount or snapshot.cancellations:
        return False
    nothing_paid = "paid" not in known and not snapshot.paid_at and not snapshot.deposits
    return nothing_paid or not total(snapshot)


def _mismatch(snapshot: Snapshot, expected: Expected, at: int) -> list[Fact]:
    unlimited = snapshot.virtual_account is not None and not snapshot.amount
    other_currency = expected.currency is not None and expected.currency != snapshot.currency
    if unlimited or (snapshot.amount == expected.amount and not other_currency):
        return []
    key = f"amount_mismatch:{plain(expected.amount)}:{expected.currency or ''}"
    detail = {"expected": {"amount": expected.amount, "currency": expected.currency}}
    return [Fact(key, Kind.MISMATCH, at, detail=detail)]


def _entry_detail(entry: Cancellation) -> dict[str, Any]:
    return {
        "id": entry.cancellation_id,
        "amount": entry.amount,
        "reason": entry.reason,
        "cancelled_at": rfc3339(entry.at) if entry.at else None,
        "receipt_url": entry.receipt_url,
    }


def _rest_detail(snapshot: Snapshot, amount: Decimal) -> dict[str, Any]:
    return {
        "id": None,
        "amount": amount,
        "reason": snapshot.cancel_reason,
        "cancelled_at": rfc3339(snapshot.cancelled_at) if snapshot.cancelled_at else None,
        "receipt_url": None,
    }


def _keyed_deposits(snapshot: Snapshot) -> list[tuple[str, Deposit]]:
    rows = sorted(snapshot.deposits, key=lambda row: (row.at, row.amount, row.pg_tid or ""))
    names = _names((row.pg_tid or f"{row.at}:{plain(row.amount)}") for row in rows)
    return [(f"deposited:{name}", row) for name, row in zip(names, rows, strict=True)]


def _keyed_cancellations(snapshot: Snapshot) -> list[tuple[str, Cancellation]]:
    by_id = {row.cancellation_id: row for row in snapshot.cancellations if row.cancellation_id}
    rows = [row for row in snapshot.cancellations if not row.cancellation_id] + list(by_id.values())
    rows.sort(key=lambda row: (row.at, row.amount, row.cancellation_id or "", row.pg_tid or ""))
    names = _names((row.cancellation_id or row.pg_tid or f"{row.at}:{plain(row.amount)}") for row in rows)
    return [(f"cancelled:{name}", row) for name, row in zip(names, rows, strict=True)]


def _names(bases: Iterable[str]) -> list[str]:
    """Each base as it is, and which of equals from the second on: ``a``, ``a#2``."""
    seen: Counter[str] = Counter()
    names = []
    for base in bases:
        seen[base] += 1
        names.append(base if seen[base] == 1 else f"{base}#{seen[base]}")
    return names
