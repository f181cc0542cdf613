"""What the merchant expects to be paid: as it told the relay or, where it wants that, as it registered with i'mport."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from decimal import Decimal

from iamport.merchant_clients import MerchantClient
from ledger import Ledger
from schemas.errors import IamportError, IamportRefused, MalformedPayment, RelayError
from schemas.payments.derive_facts import shows_approval
from schemas.payments.facts import ExpectedAmount
from schemas.payments.snapshot import Snapshot

Seen = Snapshot | RelayError | None
"""What a look-up says of one payment: how it stands, why that cannot be told, or (None) that i'mport knows none."""

_AT_ONCE = 5


async def expectations(
    ledger: Ledger, account: MerchantClient, seen: dict[str, Seen], *, paid: Collection[str]
) -> dict[str, ExpectedAmount]:
    """What is expected of each payment seen, by imp_uid; of those ``paid`` before, what the merchant told.

    Where the amount registered with i'mport cannot be had, the payment was not seen well enough: ``seen`` takes the
    error.
    """
    snapshots = {imp_uid: found for imp_uid, found in seen.items() if isinstance(found, Snapshot)}
    merchant_uids = list({snapshot.merchant_uid for snapshot in snapshots.values() if snapshot.merchant_uid})
    told = await ledger.refresh_lane.expected(account.merchant.name, merchant_uids)
    expected = {
        uid: told[snapshot.merchant_uid] for uid, snapshot in snapshots.items() if snapshot.merchant_uid in told
    }
    if account.merchant.check_prepared:
        unsaid = {
            imp_uid: snapshot.merchant_uid
            for imp_uid, snapshot in snapshots.items()
            if imp_uid not in expected and imp_uid not in paid and snapshot.merchant_uid and shows_approval(snapshot)
        }
        for imp_uid, prepared in (await _all_prepared(account, unsaid)).items():
            if isinstance(prepared, ExpectedAmount):
                expected[imp_uid] = prepared
            elif prepared is not None:
                seen[imp_uid] = prepared
    return expected


async def _all_prepared(
    account: MerchantClient, orders: dict[str, str]
) -> dict[str, ExpectedAmount | IamportError | None]:
    """What was registered of each order, by imp_uid; after the first call that fails nobody else is asked for.

    An answer that is unusable is no failure: only the payment it was for has to wait.
    """
    room, found = asyncio.Semaphore(_AT_ONCE), dict[str, ExpectedAmount | IamportError | None]()
    trouble: IamportError | None = None

    async def one(imp_uid: str, merchant_uid: str) -> None:
        nonlocal trouble
        async with room:
            if trouble is None:
                try:
                    found[imp_uid] = await _prepared(account, merchant_uid)
                    return
                except MalformedPayment as error:
                    found[imp_uid] = error
                    return
                except IamportError as error:
                    trouble = error
            found[imp_uid] = trouble

    async with asyncio.TaskGroup() as group:
        for imp_uid, merchant_uid in orders.items():
            group.create_task(one(imp_uid, merchant_uid))
    return found


async def _prepared(account: MerchantClient, merchant_uid: str) -> ExpectedAmount | None:
    try:
        row = await account.client.prepared(merchant_uid)
    except IamportRefused:
        return None
    if row is None or row.get("amount") is None:
        return None
    return ExpectedAmount(Decimal(row["amount"]), row.get("currency") or None)
