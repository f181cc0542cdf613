"""What the merchant expects to be paid: the amount it gave to the relay, else (if it wants that) the amount it
registered with i'mport."""

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

LookedUp = Snapshot | RelayError | None
"""What a look-up found of one payment: its snapshot, why there is none, or None if i'mport does not know it."""

_AT_ONCE = 5


async def expectations(
    ledger: Ledger, client: MerchantClient, results: dict[str, LookedUp], *, paid: Collection[str]
) -> dict[str, ExpectedAmount]:
    """The amount that is expected of each payment, by imp_uid. Those that were ``paid`` before are compared only
    with what the merchant gave to the relay.

    If i'mport fails to show the registered amount, the error replaces the payment's entry in ``results``.
    """
    snapshots = {imp_uid: found for imp_uid, found in results.items() if isinstance(found, Snapshot)}
    merchant_uids = list({snapshot.merchant_uid for snapshot in snapshots.values() if snapshot.merchant_uid})
    given = await ledger.refresh_lane.expected(client.merchant.name, merchant_uids)
    expected = {
        uid: given[snapshot.merchant_uid] for uid, snapshot in snapshots.items() if snapshot.merchant_uid in given
    }
    if client.merchant.check_prepared:
        to_ask = {
            imp_uid: snapshot.merchant_uid
            for imp_uid, snapshot in snapshots.items()
            if imp_uid not in expected and imp_uid not in paid and snapshot.merchant_uid and shows_approval(snapshot)
        }
        for imp_uid, prepared in (await _all_prepared(client, to_ask)).items():
            if isinstance(prepared, ExpectedAmount):
                expected[imp_uid] = prepared
            elif prepared is not None:
                results[imp_uid] = prepared
    return expected


async def _all_prepared(
    client: MerchantClient, orders: dict[str, str]
) -> dict[str, ExpectedAmount | IamportError | None]:
    """The registered amount of each order, by imp_uid. After the first failed call the remaining orders get its error
    without a call.

    An unusable answer is not a failed call: only its own payment has to wait.
    """
    slots, found = asyncio.Semaphore(_AT_ONCE), dict[str, ExpectedAmount | IamportError | None]()
    trouble: IamportError | None = None

    async def one(imp_uid: str, merchant_uid: str) -> None:
        nonlocal trouble
        async with slots:
            if trouble is None:
                try:
                    found[imp_uid] = await _prepared(client, merchant_uid)
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


async def _prepared(client: MerchantClient, merchant_uid: str) -> ExpectedAmount | None:
    try:
        row = await client.client.prepared(merchant_uid)
    except IamportRefused:
        return None
    if row is None or row.get("amount") is None:
        return None
    return ExpectedAmount(Decimal(row["amount"]), row.get("currency") or None)
