"""What the merchant expects to be paid: as it told the relay or, where it wants that, as it registered with i'mport."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from ledger import Ledger
from schemas.errors import IamportError, IamportRefused, RelayError
from schemas.facts import Expected
from schemas.payment import Snapshot
from workers.merchants import Account


async def expectations(
    ledger: Ledger, account: Account, snapshots: Mapping[str, Snapshot], troubled: dict[str, RelayError]
) -> dict[str, Expected]:
    """What is expected of each payment, by imp_uid; one whose registered amount cannot be had joins ``troubled``."""
    merchant_uids = list({snapshot.merchant_uid for snapshot in snapshots.values() if snapshot.merchant_uid})
    told = await ledger.refreshing.expected(account.merchant.name, merchant_uids)
    found = {uid: told[snap.merchant_uid] for uid, snap in snapshots.items() if snap.merchant_uid in told}
    if not account.merchant.check_prepared:
        return found
    for imp_uid, snapshot in snapshots.items():
        if imp_uid in found or not snapshot.merchant_uid or not (snapshot.paid_at or snapshot.status == "paid"):
            continue
        try:
            prepared = await _prepared(account, snapshot.merchant_uid)
        except IamportError as error:
            troubled[imp_uid] = error
            continue
        if prepared is not None:
            found[imp_uid] = prepared
    return found


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
