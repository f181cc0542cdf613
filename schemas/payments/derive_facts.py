"""From a look to facts. A look proves facts; what is known already is not news.

So order, repetition and loss of looks do not matter: a late or repeated look finds nothing new, and the last one brings
everything it still proves. Nothing here touches anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from schemas.payments import escrow
from schemas.payments.escrow import EscrowChange
from schemas.payments.facts import Expected, Fact, Facts, Kind, plain
from schemas.payments.history_entries import keyed_deposits
from schemas.payments.refunds import cancelled
from schemas.payments.snapshot import Snapshot, VirtualAccount
from schemas.times import rfc3339

_ORDER = {kind: place for place, kind in enumerate(Kind)}


def new_facts(
    known: Facts,
    snapshot: Snapshot,
    now: int,
    *,
    grace: float = 0,
    expected: Expected | None = None,
    escrow_changes: Iterable[EscrowChange] = (),
) -> tuple[Fact, ...]:
    """What ``snapshot`` proves and ``known`` lacks, in the order it happened.

    ``now`` is when the look was made, in UNIX seconds; ``grace`` in seconds is what a virtual account is given after
    its deadline. ``escrow_changes`` are what verified webhooks told; only of an escrow payment they are facts.
    """
    paid = known.get("paid") or _paid(known, snapshot, now)
    money = [*cancelled(known, snapshot, now, paid=paid is not None), *_deposited(known, snapshot, paid, now)]
    if paid is not None:
        paid = _not_after(paid, money)
        money.append(paid)
    found = [*money, *_before_payment(known, snapshot, now, grace, money)]
    if snapshot.escrow:
        found += escrow.facts(escrow_changes)
    found = sorted((fact for fact in found if fact.key not in known), key=lambda fact: _place(fact, paid))
    if expected is not None and paid is not None and shows_payment(snapshot):
        place = found.index(paid) + 1 if paid in found else len(found)
        at = paid.at if paid in found else now
        found[place:place] = [fact for fact in _mismatch(snapshot, expected, at) if fact.key not in known]
    return tuple(found)


def _place(fact: Fact, paid: Fact | None) -> tuple[int, int]:
    """Goods are sent once they are paid for, also where Inicis' clock says otherwise."""
    at = max(fact.at, paid.at) if fact.kind is Kind.ESCROW and paid is not None else fact.at
    return at, _ORDER[fact.kind]


def shows_payment(snapshot: Snapshot) -> bool:
    """Money that went back had come, also where ``paid_at`` is gone: it is documented as 0 unless paid."""
    return bool(snapshot.paid_at or snapshot.status == "paid" or snapshot.cancel_amount)


def _paid(known: Facts, snapshot: Snapshot, now: int) -> Fact | None:
    """The approval; but what comes in after a cancellation is a deposit."""
    if not shows_payment(snapshot) or any(fact.kind is Kind.CANCELLED for fact in known.values()):
        return None
    for entry, deposit in keyed_deposits(snapshot):
        return Fact("paid", Kind.PAID, deposit.at or snapshot.paid_at or now, entry=entry)
    return Fact("paid", Kind.PAID, snapshot.paid_at or now)


def _not_after(paid: Fact, money: Iterable[Fact]) -> Fact:
    """Money has to come before more does or any goes back, also where a gateway's clock says otherwise."""
    return replace(paid, at=min([paid.at, *(fact.at for fact in money)]))


def _before_payment(known: Facts, snapshot: Snapshot, now: int, grace: float, money: Iterable[Fact]) -> Iterator[Fact]:
    """Issued, expired and failed: what a payment goes through until it is paid or cancelled."""
    if any(fact.kind in (Kind.PAID, Kind.CANCELLED) for fact in known.values()):
        return
    ended = min((fact.at for fact in money if fact.kind in (Kind.PAID, Kind.CANCELLED)), default=None)
    failed_at = snapshot.failed_at or (now if snapshot.status == "failed" else 0)
    failed = bool(failed_at) and (ended is None or failed_at < ended)
    account = snapshot.virtual_account
    if account is not None:
        waits = snapshot.status == "ready" and not snapshot.deposits and not (ended or failed or "failed" in known)
        expired = waits and 0 < account.deadline <= now - grace
        followed_by = (account.issued_at, ended, failed and failed_at, expired and account.deadline, now)
        yield _account_fact("vbank_issued", Kind.ISSUED, account, min(at for at in followed_by if at))
        if expired:
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


def _deposited(known: Facts, snapshot: Snapshot, paid: Fact | None, now: int) -> Iterator[Fact]:
    """Every deposit but the one that ``paid`` stands for; it takes the first to appear where it had none."""
    paid_has_entry = (
        paid is None
        or paid.entry is not None
        or any(fact.kind is Kind.ALIAS and fact.key.startswith("deposited:") for fact in known.values())
    )
    for key, deposit in keyed_deposits(snapshot):
        at = deposit.at or now
        if key in known or (paid is not None and paid.entry == key):
            continue
        if not paid_has_entry:
            paid_has_entry = True
            yield Fact(key, Kind.ALIAS, at, amount=deposit.amount)
            continue
        detail = {
            "id": deposit.pg_tid,
            "amount": deposit.amount,
            "depositor": deposit.depositor,
            "deposited_at": rfc3339(deposit.at) if deposit.at else None,
        }
        yield Fact(key, Kind.DEPOSITED, at, amount=deposit.amount, detail={"deposit": detail})


def _mismatch(snapshot: Snapshot, expected: Expected, at: int) -> list[Fact]:
    """What came is not what the merchant expected. An unlimited account takes any amount."""
    unlimited = snapshot.virtual_account is not None and not snapshot.amount
    other_currency = expected.currency is not None and expected.currency != snapshot.currency
    if unlimited or (snapshot.amount == expected.amount and not other_currency):
        return []
    key = f"amount_mismatch:{plain(expected.amount)}:{expected.currency or ''}"
    detail = {"expected": {"amount": expected.amount, "currency": expected.currency}}
    return [Fact(key, Kind.MISMATCH, at, detail=detail)]
