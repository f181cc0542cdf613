"""What the merchant expects to be paid: as it told the relay or, where it wants that, as it registered with i'mport."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from iamport.accounts import Account
from ledger import Ledger
from schemas.errors import IamportError, IamportRefused, RelayError
from schemas.facts import Expected
from schemas.payment import Snapshot

Seen = Snapshot | RelayError | None
"""What a look-up says of one payment: how it stands, why that cannot be told, or (None) that i'mport knows none."""


async def expectations(ledger: Ledger, account: Account, seen: dict[str, Seen]) -> dict[str, Expected]:
    """What is expected of each payment seen, by imp_uid.

    Where the amount registered with i'mport cannot be had, the payment was not seen well enough: ``seen`` takes the
    error.
    """
    snapshots = {imp_uid: found for imp_uid, found in seen.items() if isinstance(found, Snapshot)}
    merchant_uids = list({snapshot.merchant_uid for snapshot in snapshots.values() if snapshot.merchant_uid})
    told = await ledger.refreshing.expected(account.merchant.name, merchant_uids)
    expected = {
        uid: told[snapshot.merchant_uid] for uid, snapshot in snapshots.items() if snapshot.merchant_uid in told
    }
    if not account.merchant.check_prepared:
        return expected
    for imp_uid, snapshot in snapshots.items():
        is_paid = snapshot.paid_at or snapshot.status == "paid"
        if imp_uid in expected or not snapshot.merchant_uid or not is_paid:
            continue
        try:
            prepared = await _prepared(account, snapshot.merchant_uid)
        except IamportError as error:
            seen[imp_uid] = error
            continue
        if prepared is not None:
            expected[imp_uid] = prepared
    return expected


async def _prepared(account: Account, merchant_uid: str) -> Expected | None:
    try:
        row = await account.client.prepared(merchant_uid)
    except IamportRefused:
        return None
    if row is None or row.get("amount") is None:
        return None
    try:
        return Expected(Decimal(row["amount"]), row.get("currency") or None)
    except (InvalidOperation, TypeError, ValueError):
        return None
