"""Looking at payments: claim what is due, ask i'mport once for all of it, decide, commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import structlog

from iamport.client import LARGEST_LOOKUP
from iamport.merchant_clients import MerchantClients, MerchantCredentials
from iamport.responses import LookupResult
from ledger import Ledger
from ledger.keys import Lane
from ledger.offload import offload
from ledger.refresh_lane import ClaimedPayment, ClaimedPayments
from runtime.policy import policy
from runtime.settings import Settings
from schemas.errors import (
    HiddenPayment,
    IamportError,
    IamportFailing,
    LedgerFull,
    MalformedPayment,
    RelayError,
    WrongCredentials,
)
from schemas.payments import escrow
from schemas.payments.channels import hidden_test_payment, silent_before
from schemas.payments.decide import Change, Policy, Record, decide
from schemas.payments.snapshot import Snapshot, history_rows
from schemas.schedule import exhausted, jittered, wait
from workers.bisect_lookup import ask_in_parts
from workers.expected_amounts import Seen, expectations
from workers.pace import Pace

log = structlog.get_logger()

MOST_NAMED = 5
"""Payments that one line of the log names."""
LONGEST_PAUSE = 30.0
"""Seconds between two probes of an i'mport that is failing, at most: what it did meanwhile is caught up soon after."""


class Refresher:
    """The actor behind the lanes ``refresh/…`` and ``unknown/…``."""

    def __init__(self, settings: Settings, ledger: Ledger, accounts: MerchantClients, rng: Random) -> None:
        self._settings = settings
        self._ledger = ledger
        self._accounts = accounts
        self._rng = rng
        self._pace = Pace()

    async def refresh(self, lane_name: str) -> None:
        """Look at the payments of a lane that are due, up to a hundred."""
        lane, clock = Lane.parse(lane_name), asyncio.get_running_loop()
        await asyncio.sleep(self._pace.wait(lane_name, clock.time()))
        claimed = await self._ledger.refresh_lane.claim(lane, LARGEST_LOOKUP)
        count = len(claimed.payments)
        self._pace.claimed(lane_name, count, clock.time(), full=count == LARGEST_LOOKUP)
        if not claimed.payments:
            return
        leases = [payment.lease for payment in claimed.payments]
        self._ledger.leases.hold(leases)
        try:
            await self._look_at(lane, claimed)
        finally:
            self._ledger.leases.drop(leases)

    async def _look_at(self, lane: Lane, claimed: ClaimedPayments) -> None:
        try:
            account = await self._accounts.get(lane.name)
            looked = await ask_in_parts(
                account.client.payments, [payment.record.imp_uid for payment in claimed.payments]
            )
        except IamportError as error:
            await self._stall(lane, claimed, error)
            return
        if looked.others:
            log.warning(
                "iamport_answered_others", merchant=lane.name, asked=len(claimed.payments), others=len(looked.others),
                imp_uids=looked.others[:MOST_NAMED], hint="nothing is made of them; what is missing is asked for again",
            )  # fmt: skip
        if claimed.failures:
            await self._ledger.refresh_lane.resume(lane)
            log.info("iamport_recovered", merchant=lane.name)
        merchant = account.merchant
        seen = {
            imp_uid: await offload(_seen, record, looked, merchant, rows=history_rows(looked.found.get(imp_uid, {})))
            for imp_uid, record in ((payment.record.imp_uid, payment.record) for payment in claimed.payments)
        }
        paid = {payment.record.imp_uid for payment in claimed.payments if "paid" in payment.record.facts}
        expected = await expectations(self._ledger, account, seen, paid=paid)

        def own(snapshot: Snapshot) -> Policy:
            since, wanted = silent_before(snapshot, merchant), expected.get(snapshot.imp_uid)
            return replace(policy(self._settings, since), expected=wanted)

        ends = await asyncio.gather(
            *(self._settle(payment, seen[payment.record.imp_uid], claimed.now, own) for payment in claimed.payments),
            return_exceptions=True,
        )
        # One that fails takes no other with it; the sweep tells of it when its lease has ended.
        for words, imp_uids in _by_error(claimed, ends).items():
            log.error(
                "looks_broke_off", merchant=lane.name, error=words, payments=len(imp_uids),
                imp_uids=imp_uids[:MOST_NAMED], hint="they are looked at again when their leases have ended",
            )  # fmt: skip
        for end in ends:
            if end is not None:
                raise end

    async def _settle(self, payment: ClaimedPayment, seen: Seen, now: float, own: Callable[[Snapshot], Policy]) -> None:
        match seen:
            case Snapshot():
                try:
                    await self._commit(payment, seen, now, own(seen))
                except LedgerFull as error:
                    await self._put_off(payment, error)
            case None:
                await self._unknown(payment)
            case HiddenPayment():
                await self._hide(payment, seen, now)
            case error:
                await self._put_off(payment, error)

    async def _commit(self, payment: ClaimedPayment, snapshot: Snapshot, now: float, own: Policy) -> None:
        rows = len(payment.record.facts) + len(snapshot.deposits) + len(snapshot.cancellations)
        told = (payment.reported_cancellations, payment.escrow_changes)
        change = await offload(decide, payment.record, snapshot, int(now), own, *told, rows=rows)
        outcome = await self._ledger.refresh_lane.commit(change, claimed=payment, now=now, written=_tell_events)
        if outcome == "changed":
            # An operator wrote since, about something this snapshot may be too old to show: a cancellation just sent.
            await self._ledger.refresh_lane.postpone(payment.lease, "again", due_in=0, tries=payment.tries)
        _tell(change, snapshot, outcome)
        if outcome == "ok" and payment.escrow_changes and not snapshot.escrow:
            log.warning(
                "escrow_change_not_believed", merchant=change.record.merchant, imp_uid=change.record.imp_uid,
                reason=escrow.NOT_ESCROW, codes=[one.code for one in payment.escrow_changes],
            )  # fmt: skip
        if outcome == "full":
            raise LedgerFull(f"Redis has no room for {len(change.events)} more events of this payment")

    async def _unknown(self, payment: ClaimedPayment) -> None:
        """i'mport does not know the payment: a few more tries, unless it once did."""
        record, schedule = payment.record, self._settings.unknown_schedule
        if record.facts or record.version:
            await self._put_off(payment, IamportFailing("i'mport does not know a payment that it has shown before"))
            return
        tries = payment.tries if payment.lease.lane.kind == "unknown" else 0
        if exhausted(schedule, tries):
            log.warning(
                "notification_rejected", merchant=record.merchant, imp_uid=record.imp_uid, reason="unknown to i'mport"
            )
            reason = "i'mport knows no payment of this imp_uid"
            await self._ledger.refresh_lane.postpone(payment.lease, "rejected", due_in=None, reason=reason)
            return
        await self._ledger.refresh_lane.postpone(payment.lease, "unknown", due_in=schedule[tries], tries=tries + 1)

    async def _hide(self, payment: ClaimedPayment, why: HiddenPayment, now: float) -> None:
        """The payment does not exist for this merchant, whatever i'mport shows of it."""
        record = payment.record
        log.info("notification_rejected", merchant=record.merchant, imp_uid=record.imp_uid, reason="test channel")
        await self._ledger.refresh_lane.hide(payment.lease, reason=str(why), now=now)

    async def _put_off(self, payment: ClaimedPayment, error: RelayError) -> None:
        """One payment could not be looked at, though i'mport is well: it waits alone."""
        record = payment.record
        due_in = jittered(wait(self._settings.fetch_schedule, payment.tries), self._rng)
        log.warning(
            "look_failed", merchant=record.merchant, imp_uid=record.imp_uid, error=str(error), next_in=round(due_in, 1)
        )
        reason = f"it cannot be looked at: {error}"
        await self._ledger.refresh_lane.postpone(
            payment.lease, "stalled", due_in=due_in, tries=payment.tries + 1, reason=reason
        )

    async def _stall(self, lane: Lane, claimed: ClaimedPayments, error: IamportError) -> None:
        """i'mport fails for this merchant: everything waits, and one probe now and then finds out when it is over."""
        pause = min(jittered(wait(self._settings.fetch_schedule, claimed.failures), self._rng), LONGEST_PAUSE)
        if isinstance(error, IamportFailing) and error.retry_after:
            pause = min(max(pause, error.retry_after), 10 * LONGEST_PAUSE)
        level = log.error if isinstance(error, WrongCredentials) else log.warning
        level(
            "iamport_failing",
            merchant=lane.name,
            error=str(error),
            payments=len(claimed.payments),
            next_in=round(pause, 1),
        )
        await self._ledger.refresh_lane.pause(lane, pause, str(error))
        slow = lane.kind == "unknown"
        await asyncio.gather(
            *(
                self._ledger.refresh_lane.postpone(
                    payment.lease,
                    "stalled",
                    due_in=0 if slow else jittered(wait(self._settings.fetch_schedule, payment.tries), self._rng),
                    tries=payment.tries if slow else payment.tries + 1,
                )
                for payment in claimed.payments
            )
        )


def _seen(record: Record, looked: LookupResult, merchant: MerchantCredentials) -> Seen:
    """What a look-up says of one payment."""
    imp_uid = record.imp_uid
    # Once known as a test payment it stays one, also where i'mport leaves it out or answers nonsense about it.
    if (known := hidden_test_payment(record.snapshot, merchant)) is not None:
        return known
    if imp_uid in looked.unknown:
        return None
    trouble = looked.malformed.get(imp_uid) or looked.failed.get(imp_uid)
    if trouble is not None:
        return trouble
    try:
        snapshot = Snapshot.parse(looked.found[imp_uid])
    except MalformedPayment as error:
        return error
    return hidden_test_payment(snapshot, merchant) or snapshot


def _by_error(claimed: ClaimedPayments, ends: Sequence[BaseException | None]) -> dict[str, list[str]]:
    """The imp_uids of the payments whose look broke off, by what it broke off with."""
    found: dict[str, list[str]] = {}
    for payment, end in zip(claimed.payments, ends, strict=True):
        if end is not None:
            found.setdefault(repr(end), []).append(payment.record.imp_uid)
    return found


def _tell(change: Change, snapshot: Snapshot, outcome: str) -> None:
    record = change.record
    log.info(
        "payment_looked_up", merchant=record.merchant, imp_uid=record.imp_uid, status=snapshot.status,
        news=len(change.events), stands=record.status.value, outcome=outcome,
    )  # fmt: skip
    if outcome != "ok":
        return
    gone = set(record.contradicts) - set(change.previous.contradicts)
    if gone:
        log.warning(
            "payment_taken_back", merchant=record.merchant, imp_uid=record.imp_uid, no_longer_shown=sorted(gone),
            hint="i'mport no longer shows what these events announced; nothing is announced back",
        )  # fmt: skip


def _tell_events(written: Change) -> None:
    """What is recorded is logged step by step, whatever becomes of the steps after it."""
    record = written.record
    for event in written.events:
        log.info(
            "event_recorded", merchant=record.merchant, imp_uid=record.imp_uid, event_id=event.id, type=event.type,
            sequence=event.sequence, status=event.status.value, silent=event.silent,
        )  # fmt: skip
