"""Payments that have left the ledger and come up again: history knows which of their events were announced.

A payment that began recently cannot have left. If the ledger lacks any other payment, the worker asks history, in one
query per batch. While history is away these payments wait; new ones do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import inf

import structlog

from history import History
from ledger import Ledger
from ledger.offload import offload
from ledger.refresh_lane import ClaimedPayment, ClaimedPayments
from runtime.settings import Settings
from schemas.errors import HistoryUnavailable, LedgerFull
from schemas.outbox.entries import Payment
from schemas.payments.decide import Record
from schemas.payments.facts import ExpectedAmount
from schemas.payments.snapshot import Snapshot
from schemas.reasons import Reason
from workers.lookup_outcomes import LookupOutcome

log = structlog.get_logger()

LARGEST_SKEW = 60.0
"""Seconds by which i'mport's clock may be ahead of Redis'."""


class ColdPayments:
    """Finds payments in history, and puts them back before they are committed."""

    def __init__(self, settings: Settings, ledger: Ledger, history: History) -> None:
        self._retention = settings.ledger_retention
        self._kept = settings.retention or inf
        self._skew = min(LARGEST_SKEW, settings.ledger_retention / 10)
        self._ledger = ledger
        self._whole = history
        self._history = history.whole_payments
        self._orders = history.payments.orders

    async def put_back(self, claimed: ClaimedPayments, found: dict[str, LookupOutcome]) -> ClaimedPayments:
        """Put back the claimed payments that had left the ledger; return all claimed payments, these with their
        records. If putting one back fails, the error replaces its snapshot in ``found``. Raises
        `LedgerUnavailable`."""
        merchant = claimed.payments[0].record.merchant
        unknown = {one.record.imp_uid: one for one in claimed.payments if _is_unknown(one.record)}
        shown = [outcome for imp_uid in unknown if isinstance(outcome := found[imp_uid], Snapshot)]
        old = self._may_have_left(shown, claimed.left, claimed.now)
        try:
            payments = await self._payments(merchant, old)
        except HistoryUnavailable as error:
            found |= {imp_uid: _needed(error) for imp_uid in old}
            return claimed
        back = await self._forgotten([unknown[imp_uid] for imp_uid in old if imp_uid not in payments], claimed.now)
        for imp_uid, payment in payments.items():
            try:
                record = await self._record(payment)
                await self._ledger.cold.put_back(self._history, [payment])
                back[imp_uid] = replace(unknown[imp_uid], record=record)
                log.info("payment_put_back", merchant=merchant, imp_uid=imp_uid)
            except HistoryUnavailable as error:
                found[imp_uid] = _needed(error)
            except LedgerFull as error:
                found[imp_uid] = error
        return replace(claimed, payments=tuple(back.get(one.record.imp_uid, one) for one in claimed.payments))

    async def records(
        self, merchant: str, snapshots: Sequence[Snapshot], *, left: float, now: float
    ) -> Mapping[str, Record]:
        """The records of these payments that have left the ledger, by imp_uid. The caller has found none of the
        payments in the ledger; history does not know those that never were there. ``left`` is as in `ClaimedPayments`.
        Raises `HistoryUnavailable` and `LedgerUnavailable`."""
        payments = await self._payments(merchant, self._may_have_left(snapshots, left, now))
        return {imp_uid: await self._record(payment) for imp_uid, payment in payments.items()}

    async def expected(self, merchant: str, merchant_uids: Sequence[str]) -> dict[str, ExpectedAmount]:
        """The expected amounts of these orders, by merchant_uid, as far as history has them: they may have left the
        ledger. Raises `HistoryUnavailable`."""
        if not merchant_uids:
            return {}
        try:
            orders = await self._orders(merchant, merchant_uids)
        except HistoryUnavailable as error:
            raise _needed(error) from error
        return {order.merchant_uid: ExpectedAmount(Decimal(order.amount), order.currency) for order in orders}

    async def forgotten_until(self, merchant: str, now: float) -> float:
        """A time in UNIX seconds. Facts from before it may have been announced although neither the ledger nor history
        knows their payment: history was lost, or no longer keeps the payment."""
        return max(await self._ledger.cold.forgotten_until(merchant), now - self._kept) + self._skew

    async def is_known(self, merchant: str, imp_uid: str) -> bool:
        """Whether history has a payment. Raises `HistoryUnavailable` and `LedgerUnavailable`."""
        return bool(await self._payments(merchant, [imp_uid]))

    async def _forgotten(self, unknown: Sequence[ClaimedPayment], now: float) -> dict[str, ClaimedPayment]:
        """These payments, by imp_uid, each with its ``forgotten_until``: neither the ledger nor history knows them, but
        they may have been known."""
        until = await self.forgotten_until(unknown[0].record.merchant, now) if unknown else 0.0
        return {one.record.imp_uid: replace(one, forgotten_until=until) for one in unknown}

    def _may_have_left(self, snapshots: Sequence[Snapshot], left: float, now: float) -> list[str]:
        """The payments that began so early that they may have left the ledger. ``left`` is later than the retention
        alone would say if RELAY_LEDGER_RETENTION was raised."""
        since = max(now - self._retention, left) + self._skew
        return [snapshot.imp_uid for snapshot in snapshots if snapshot.began_at <= since]

    async def _payments(self, merchant: str, imp_uids: Sequence[str]) -> Mapping[str, Payment]:
        known = await self._history.records([(merchant, imp_uid) for imp_uid in imp_uids])
        if len(known) < len(set(imp_uids)):
            await self._check_whole(merchant)
        return {imp_uid: payment for (_, imp_uid), payment in known.items()}

    async def _record(self, payment: Payment) -> Record:
        return await offload(self._ledger.cold.record_of, payment, rows=len(payment.record) // 20)

    async def _check_whole(self, merchant: str) -> None:
        """Raise `HistoryUnavailable` if history was lost and no worker has noticed yet: then it may have had a payment
        that it does not know now."""
        (state,) = await self._ledger.outbox.states_of(merchant)
        if await self._ledger.outbox.has_lost(merchant, await self._whole.place(state.name)):
            raise HistoryUnavailable(Reason.of("history_incomplete"))


def counted(record: Record, snapshot: Snapshot) -> Record:
    """The record with the sequence at which the payment's events go on.

    After a ledger or history was lost, the sequences of unknown payments start at the time of the loss, in seconds,
    which is above any number that was used before. A payment that began after the loss has used none and starts at 0.
    """
    if _is_unknown(record) and snapshot.began_at > record.sequence + LARGEST_SKEW:
        return replace(record, sequence=0)
    return record


def _is_unknown(record: Record) -> bool:
    return not record.version and not record.facts


def _needed(error: HistoryUnavailable) -> HistoryUnavailable:
    return HistoryUnavailable(Reason.of("history_needed", error.reason))
