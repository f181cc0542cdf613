"""The amount that a merchant expects for a payment: the one that it gave to the relay, otherwise the one that it
registered with i'mport, if its setting ``check_prepared`` asks for that."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from decimal import Decimal

from iamport.merchant_clients import MerchantClient
from ledger import Ledger
from schemas.errors import HistoryUnavailable, IamportError, IamportRefused, LedgerUnavailable, MalformedPayment
from schemas.payments.derive_facts import shows_approval
from schemas.payments.facts import ExpectedAmount
from schemas.payments.snapshot import Snapshot
from workers.cold_payments import ColdPayments
from workers.lookup_outcomes import LookupOutcome

_CONCURRENT_CALLS = 5


async def expected_amounts(
    ledger: Ledger,
    cold: ColdPayments,
    client: MerchantClient,
    found: dict[str, LookupOutcome],
    *,
    expects: bool,
    paid: Collection[str],
) -> dict[str, ExpectedAmount]:
    """The expected amounts, by imp_uid. The merchant has given none to the relay unless it ``expects`` some. Payments
    in ``paid`` were paid before this look-up: only an amount that the merchant gave to the relay counts for them.

    If i'mport fails to return a registered amount, or history an amount that has left the ledger, the error replaces
    the payment's entry in ``found``. Raises `LedgerUnavailable`.
    """
    snapshots = {imp_uid: outcome for imp_uid, outcome in found.items() if isinstance(outcome, Snapshot)}
    merchant_uids = list({snapshot.merchant_uid for snapshot in snapshots.values() if snapshot.merchant_uid})
    known = await ledger.refresh_lane.expected(client.merchant.name, merchant_uids if expects else [])
    given = known.amounts
    try:
        given |= await cold.expected(client.merchant.name, known.maybe_left)
    except HistoryUnavailable as error:
        unclear = {uid for uid, snapshot in snapshots.items() if snapshot.merchant_uid in known.maybe_left}
        found |= dict.fromkeys(unclear, error)
        snapshots = {uid: snapshot for uid, snapshot in snapshots.items() if uid not in unclear}
    expected = {
        uid: given[snapshot.merchant_uid] for uid, snapshot in snapshots.items() if snapshot.merchant_uid in given
    }
    if client.merchant.check_prepared:
        to_request = {
            imp_uid: snapshot.merchant_uid
            for imp_uid, snapshot in snapshots.items()
            if imp_uid not in expected and imp_uid not in paid and snapshot.merchant_uid and shows_approval(snapshot)
        }
        for imp_uid, registered in (await _registered_amounts(client, to_request)).items():
            if isinstance(registered, ExpectedAmount):
                expected[imp_uid] = registered
            elif registered is not None:
                found[imp_uid] = registered
    return expected


async def _registered_amounts(
    client: MerchantClient, orders: dict[str, str]
) -> dict[str, ExpectedAmount | IamportError | None]:
    """The registered amount of each order, by imp_uid. After the first call that fails, the remaining orders get its
    error without a call. Raises `LedgerUnavailable`.

    An unreadable answer is not a failed call: it concerns one payment only.
    """
    slots, amounts = asyncio.Semaphore(_CONCURRENT_CALLS), dict[str, ExpectedAmount | IamportError | None]()
    failure: IamportError | None = None
    away: LedgerUnavailable | None = None

    async def request(imp_uid: str, merchant_uid: str) -> None:
        nonlocal failure, away
        async with slots:
            if away is not None:
                return
            if failure is None:
                try:
                    amounts[imp_uid] = await _registered_amount(client, merchant_uid)
                    return
                except MalformedPayment as error:
                    amounts[imp_uid] = error
                    return
                except IamportError as error:
                    failure = error
                except LedgerUnavailable as error:  # raised by the token store; a TaskGroup would wrap it
                    away = error
                    return
            amounts[imp_uid] = failure

    async with asyncio.TaskGroup() as group:
        for imp_uid, merchant_uid in orders.items():
            group.create_task(request(imp_uid, merchant_uid))
    if away is not None:
        raise away
    return amounts


async def _registered_amount(client: MerchantClient, merchant_uid: str) -> ExpectedAmount | None:
    try:
        row = await client.client.prepared(merchant_uid)
    except IamportRefused:
        return None
    if row is None or row.get("amount") is None:
        return None
    return ExpectedAmount(Decimal(row["amount"]), row.get("currency") or None)
