"""Derives the facts that a snapshot proves and the record does not have yet.

That is why look-ups may come late, twice or not at all: a late or repeated one finds nothing new, and the last one
finds every fact that it still proves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from schemas.payments import escrow
from schemas.payments.escrow import EscrowChange
from schemas.payments.facts import ExpectedAmount, Fact, FactKind, Facts, plain
from schemas.payments.history_entries import keyed_deposits
from schemas.payments.refunds import cancellation_facts
from schemas.payments.snapshot import IssuedVirtualAccount, Snapshot
from schemas.times import rfc3339

_ORDER = {kind: place for place, kind in enumerate(FactKind)}


def new_facts(
    known: Facts,
    snapshot: Snapshot,
    now: int,
    *,
    grace: float = 0,
    expected: ExpectedAmount | None = None,
    escrow_changes: Iterable[EscrowChange] = (),
) -> tuple[Fact, ...]:
    """The facts that ``snapshot`` proves and ``known`` lacks, in the order they happened.

    ``now`` is the time of the look-up in UNIX seconds; a virtual account expires ``grace`` seconds after its deadline.
    ``escrow_changes`` are those that verified webhooks reported; they are facts of escrow payments only.
    """
    paid = known.get("paid") or _paid(known, snapshot, now)
    money = [*cancellation_facts(known, snapshot, now, paid=paid is not None), *_deposited(known, snapshot, paid, now)]
    if paid is not None:
        paid = _not_after(paid, money)
        money.append(paid)
    found = [*money, *_before_payment(known, snapshot, now, grace, money)]
    if snapshot.escrow:
        found += escrow.facts(escrow_changes)
    found = sorted((fact for fact in found if fact.key not in known), key=lambda fact: _place(fact, paid))
    if expected is not None and paid is not None and shows_approval(snapshot):
        place = found.index(paid) + 1 if paid in found else len(found)
        at = paid.at if paid in found else now
        found[place:place] = [fact for fact in _mismatch(snapshot, expected, at) if fact.key not in known]
    return tuple(found)


def _place(fact: Fact, paid: Fact | None) -> tuple[int, int]:
    """Where a fact stands in the order. Goods are shipped after the payment, even if Inicis' clock says otherwise."""
    at = max(fact.at, paid.at) if fact.kind is FactKind.ESCROW and paid is not None else fact.at
    return at, _ORDER[fact.kind]


def shows_approval(snapshot: Snapshot) -> bool:
    """Whether the payment was approved. Cancelled money proves it too: ``paid_at`` is documented as 0 unless paid."""
    return bool(snapshot.paid_at or snapshot.status == "paid" or snapshot.cancel_amount)


def _paid(known: Facts, snapshot: Snapshot, now: int) -> Fact | None:
    """The approval, with the first deposit as its entry. Money that comes in after a cancellation is no approval, but
    a deposit."""
    if not shows_approval(snapshot) or any(fact.kind is FactKind.CANCELLED for fact in known.values()):
        return None
    for entry, deposit in keyed_deposits(snapshot):
        return Fact("paid", FactKind.PAID, deposit.at or snapshot.paid_at or now, entry=entry)
    return Fact("paid", FactKind.PAID, snapshot.paid_at or now)


def _not_after(paid: Fact, money: Iterable[Fact]) -> Fact:
    """The approval, dated no later than any other money: a gateway's clock may put it later."""
    at = min([paid.at, *(fact.at for fact in money)])
    return paid if at == paid.at else replace(paid, at=at)


def _before_payment(known: Facts, snapshot: Snapshot, now: int, grace: float, money: Iterable[Fact]) -> Iterator[Fact]:
    """Issued, expired and failed: the facts of a payment before it is paid or cancelled."""
    if any(fact.kind in (FactKind.PAID, FactKind.CANCELLED) for fact in known.values()):
        return
    ended = min((fact.at for fact in money if fact.kind in (FactKind.PAID, FactKind.CANCELLED)), default=None)
    failed_at = snapshot.failed_at or (now if snapshot.status == "failed" else 0)
    failed = bool(failed_at) and (ended is None or failed_at < ended)
    account = snapshot.virtual_account
    if account is not None:
        waits = snapshot.status == "ready" and not snapshot.deposits and not (ended or failed or "failed" in known)
        expired = waits and 0 < account.deadline <= now - grace
        no_later_than = (account.issued_at, ended, failed and failed_at, expired and account.deadline, now)
        yield _account_fact("vbank_issued", FactKind.ISSUED, account, min(at for at in no_later_than if at))
        if expired:
            yield _account_fact("vbank_expired", FactKind.EXPIRED, account, account.deadline)
    if failed:
        detail = {"failure": {"reason": snapshot.fail_reason, "failed_at": rfc3339(failed_at)}}
        yield Fact("failed", FactKind.FAILED, failed_at, detail=detail)


def _account_fact(prefix: str, kind: FactKind, account: IssuedVirtualAccount, at: int) -> Fact:
    detail = {
        "bank_code": account.bank_code,
        "bank_name": account.bank_name,
        "number": account.number,
        "holder": account.holder,
        "deadline": rfc3339(account.deadline) if account.deadline else None,
    }
    return Fact(f"{prefix}:{account.number}", kind, at, detail={"virtual_account": detail})


def _deposited(known: Facts, snapshot: Snapshot, paid: Fact | None, now: int) -> Iterator[Fact]:
    """Every deposit except the one that ``paid`` stands for. If ``paid`` stands for none yet, the first deposit to
    appear becomes its alias."""
    paid_has_entry = (
        paid is None
        or paid.entry is not None
        or any(fact.kind is FactKind.ALIAS and fact.key.startswith("deposited:") for fact in known.values())
    )
    for key, deposit in keyed_deposits(snapshot):
        at = deposit.at or now
        if key in known or (paid is not None and paid.entry == key):
            continue
        if not paid_has_entry:
            paid_has_entry = True
            yield Fact(key, FactKind.ALIAS, at, amount=deposit.amount)
            continue
        detail = {
            "id": deposit.pg_tid,
            "amount": deposit.amount,
            "depositor": deposit.depositor,
            "deposited_at": rfc3339(deposit.at) if deposit.at else None,
        }
        yield Fact(key, FactKind.DEPOSITED, at, amount=deposit.amount, detail={"deposit": detail})


def _mismatch(snapshot: Snapshot, expected: ExpectedAmount, at: int) -> list[Fact]:
    """The fact that the amount or currency is not the expected one. An unlimited account takes any amount."""
    unlimited = snapshot.virtual_account is not None and not snapshot.amount
    other_currency = expected.currency is not None and expected.currency != snapshot.currency
    if unlimited or (snapshot.amount == expected.amount and not other_currency):
        return []
    key = f"amount_mismatch:{plain(expected.amount)}:{expected.currency or ''}"
    detail = {"expected": {"amount": expected.amount, "currency": expected.currency}}
    return [Fact(key, FactKind.MISMATCH, at, detail=detail)]
