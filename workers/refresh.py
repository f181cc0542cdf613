"""Refreshing payments: claim those that are due, look them up in one request, decide, commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import structlog

from iamport.client import LARGEST_LOOKUP
from iamport.merchant_clients import MerchantClient, MerchantClients, MerchantCredentials
from iamport.responses import LookupResult
from ledger import Ledger
from ledger.keys import Lane
from ledger.offload import offload
from ledger.refresh_lane import ClaimedPayment, ClaimedPayments
from runtime.refresh_policy import policy
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
from schemas.reasons import Reason, english
from schemas.schedule import exhausted, jittered, wait
from workers.bisect_lookup import ask_in_parts
from workers.expected_amounts import LookedUp, expectations
from workers.lookup_pace import Pace

log = structlog.get_logger()

MOST_NAMED = 5
"""imp_uids in one line of the log."""
LONGEST_PAUSE = 30.0
"""Seconds between two probes of a failing i'mport, at most, so that payments catch up soon after it recovers."""


class Refresher:
    """The actor behind the lanes ``refresh/…`` and ``unknown/…``."""

    def __init__(self, settings: Settings, ledger: Ledger, clients: MerchantClients, rng: Random) -> None:
        self._settings = settings
        self._ledger = ledger
        self._clients = clients
        self._rng = rng
        self._pace = Pace()

    async def refresh(self, lane_name: str) -> None:
        """Refresh the due payments of a lane, up to a hundred."""
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
            await self._refresh(lane, claimed)
        finally:
            self._ledger.leases.drop(leases)

    async def _refresh(self, lane: Lane, claimed: ClaimedPayments) -> None:
        try:
            client = await self._clients.get(lane.name)
            answer = await ask_in_parts(client.client.payments, [one.record.imp_uid for one in claimed.payments])
        except IamportError as error:
            await self._stall(lane, claimed, error)
            return
        if claimed.failures:
            await self._ledger.refresh_lane.resume(lane)
            log.info("iamport_recovered", merchant=lane.name)
        _log_others(lane, claimed, answer)
        results = await _results(claimed, answer, client.merchant)
        policy_of = await self._policies(client, claimed, results)
        outcomes = await asyncio.gather(
            *(self._settle(one, results[one.record.imp_uid], claimed.now, policy_of) for one in claimed.payments),
            return_exceptions=True,
        )
        _log_failures(lane, claimed, outcomes)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _policies(
        self, client: MerchantClient, claimed: ClaimedPayments, results: dict[str, LookedUp]
    ) -> Callable[[Snapshot], Policy]:
        """The policy for each snapshot: what its merchant records silently and which amount it expects."""
        paid = {one.record.imp_uid for one in claimed.payments if "paid" in one.record.facts}
        expected = await expectations(self._ledger, client, results, paid=paid)

        def policy_of(snapshot: Snapshot) -> Policy:
            since = silent_before(snapshot, client.merchant)
            return replace(policy(self._settings, since), expected=expected.get(snapshot.imp_uid))

        return policy_of

    async def _settle(
        self, payment: ClaimedPayment, result: LookedUp, now: float, policy_of: Callable[[Snapshot], Policy]
    ) -> None:
        match result:
            case Snapshot():
                try:
                    await self._commit(payment, result, now, policy_of(result))
                except LedgerFull as error:
                    await self._postpone(payment, error)
            case None:
                await self._unknown(payment)
            case HiddenPayment():
                await self._hide(payment, result, now)
            case error:
                await self._postpone(payment, error)

    async def _commit(self, payment: ClaimedPayment, snapshot: Snapshot, now: float, own: Policy) -> None:
        rows = len(payment.record.facts) + len(snapshot.deposits) + len(snapshot.cancellations)
        reported = (payment.reported_cancellations, payment.escrow_changes)
        change = await offload(decide, payment.record, snapshot, int(now), own, *reported, rows=rows)
        outcome = await self._ledger.refresh_lane.commit(change, claimed=payment, now=now, written=_log_events)
        if outcome == "changed":
            # An operator changed the record since the claim; the snapshot may not show a cancellation just sent.
            await self._ledger.refresh_lane.postpone(payment.lease, "again", due_in=0, tries=payment.tries)
        _log_refresh(change, snapshot, outcome)
        if outcome == "ok" and payment.escrow_changes and not snapshot.escrow:
            log.warning(
                "escrow_change_not_believed", merchant=change.record.merchant, imp_uid=change.record.imp_uid,
                reason=english(escrow.NOT_ESCROW), codes=[one.code for one in payment.escrow_changes],
            )  # fmt: skip
        if outcome == "full":
            raise LedgerFull(Reason.of("redis_full_for_events", events=len(change.events)))

    async def _unknown(self, payment: ClaimedPayment) -> None:
        """i'mport does not know the payment: try a few more times, unless it was known once."""
        record, schedule = payment.record, self._settings.unknown_schedule
        if record.facts or record.version:
            await self._postpone(payment, IamportFailing(Reason.of("payment_no_longer_known")))
            return
        tries = payment.tries if payment.lease.lane.kind == "unknown" else 0
        if exhausted(schedule, tries):
            log.warning(
                "notification_rejected", merchant=record.merchant, imp_uid=record.imp_uid, reason="unknown to i'mport"
            )
            reason = Reason.of("payment_unknown")
            await self._ledger.refresh_lane.postpone(payment.lease, "rejected", due_in=None, reason=reason)
            return
        await self._ledger.refresh_lane.postpone(payment.lease, "unknown", due_in=schedule[tries], tries=tries + 1)

    async def _hide(self, payment: ClaimedPayment, why: HiddenPayment, now: float) -> None:
        """The payment is of a test channel, which does not exist for this merchant."""
        record = payment.record
        log.info("notification_rejected", merchant=record.merchant, imp_uid=record.imp_uid, reason="test channel")
        await self._ledger.refresh_lane.hide(payment.lease, reason=why.reason, now=now)

    async def _postpone(self, payment: ClaimedPayment, error: RelayError) -> None:
        """One payment could not be refreshed although i'mport works: only this payment waits."""
        record = payment.record
        due_in = jittered(wait(self._settings.fetch_schedule, payment.tries), self._rng)
        log.warning(
            "refresh_failed",
            merchant=record.merchant,
            imp_uid=record.imp_uid,
            error=str(error),
            next_in=round(due_in, 1),
        )
        reason = Reason.of("lookup_failed", error.reason)
        await self._ledger.refresh_lane.postpone(
            payment.lease, "stalled", due_in=due_in, tries=payment.tries + 1, reason=reason
        )

    async def _stall(self, lane: Lane, claimed: ClaimedPayments, error: IamportError) -> None:
        """i'mport fails for this merchant: its lane pauses, and one probe after each pause tests i'mport again."""
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
        await self._ledger.refresh_lane.pause(lane, pause, error.reason)
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


async def _results(
    claimed: ClaimedPayments, answer: LookupResult, merchant: MerchantCredentials
) -> dict[str, LookedUp]:
    """What the look-up found of each payment, by imp_uid."""
    return {
        one.record.imp_uid: await offload(
            _result, one.record, answer, merchant, rows=history_rows(answer.found.get(one.record.imp_uid, {}))
        )
        for one in claimed.payments
    }


def _result(record: Record, answer: LookupResult, merchant: MerchantCredentials) -> LookedUp:
    """What the look-up found of one payment."""
    imp_uid = record.imp_uid
    # A payment once known as a test payment stays one, even if i'mport leaves it out or its object is unreadable now.
    if (known := hidden_test_payment(record.snapshot, merchant)) is not None:
        return known
    if imp_uid in answer.unknown:
        return None
    trouble = answer.malformed.get(imp_uid) or answer.failed.get(imp_uid)
    if trouble is not None:
        return trouble
    try:
        snapshot = Snapshot.parse(answer.found[imp_uid])
    except MalformedPayment as error:
        return error
    return hidden_test_payment(snapshot, merchant) or snapshot


def _log_others(lane: Lane, claimed: ClaimedPayments, answer: LookupResult) -> None:
    if answer.others:
        log.warning(
            "iamport_answered_others", merchant=lane.name, asked=len(claimed.payments), others=len(answer.others),
            imp_uids=answer.others[:MOST_NAMED], hint="they are ignored; payments that are missing are looked up again",
        )  # fmt: skip


def _log_failures(lane: Lane, claimed: ClaimedPayments, outcomes: Sequence[BaseException | None]) -> None:
    """Log a line for each kind of error; a payment that fails does not stop the others."""
    failed: dict[str, list[str]] = {}
    for payment, outcome in zip(claimed.payments, outcomes, strict=True):
        if outcome is not None:
            failed.setdefault(repr(outcome), []).append(payment.record.imp_uid)
    for error, imp_uids in failed.items():
        log.error(
            "refreshes_failed", merchant=lane.name, error=error, payments=len(imp_uids),
            imp_uids=imp_uids[:MOST_NAMED], hint="they are refreshed again when their leases have ended",
        )  # fmt: skip


def _log_refresh(change: Change, snapshot: Snapshot, outcome: str) -> None:
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
            hint="i'mport no longer shows what these events announced; no event takes them back",
        )  # fmt: skip


def _log_events(written: Change) -> None:
    """Log events as soon as their step is written, as a later step of the same commit may fail."""
    record = written.record
    for event in written.events:
        log.info(
            "event_recorded", merchant=record.merchant, imp_uid=record.imp_uid, event_id=event.id, type=event.type,
            sequence=event.sequence, status=event.status.value, silent=event.silent,
        )  # fmt: skip
