"""Refreshing payments: claim those that are due, look them up in one request, decide, commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from random import Random

import structlog

from iamport.client import LARGEST_LOOKUP
from iamport.merchant_clients import MerchantClient, MerchantClients, not_set_up
from iamport.responses import LookupResult
from ledger import Ledger
from ledger.constants import MOST_OF_TURN, TURN
from ledger.keys import Lane
from ledger.offload import offload
from ledger.refresh_lane import ClaimedPayment, ClaimedPayments
from runtime.refresh_policy import policy
from runtime.settings import Settings
from runtime.tracing import Tracer
from schemas.errors import HiddenPayment, IamportError, LedgerFull
from schemas.payments.channels import silent_before
from schemas.payments.decide import Change, Policy, decide
from schemas.payments.snapshot import Snapshot
from schemas.reasons import Reason
from workers.bisect_lookup import look_up_in_parts
from workers.cold_payments import ColdPayments, counted
from workers.expected_amounts import expected_amounts
from workers.lookup_outcomes import LookupOutcome, outcomes_of
from workers.metrics import WorkerMetrics
from workers.postponed_refreshes import PostponedRefreshes
from workers.refresh_log import log_commit, log_events, log_failures, log_unrequested
from workers.refresh_trace import begin_commit, begin_look_up
from workers.turns import TakenUp, Turns

log = structlog.get_logger()

PolicyOf = Callable[[ClaimedPayment, Snapshot], Policy]


class Refresher:
    """The actor behind the lanes ``refresh/…`` and ``unknown/…``."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        cold: ColdPayments,
        clients: MerchantClients,
        metrics: WorkerMetrics,
        rng: Random,
        tracer: Tracer | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._cold = cold
        self._ledger = ledger
        self._lane = ledger.refresh_lane
        self._clients = clients
        self._postponed = PostponedRefreshes(settings, ledger.refresh_lane, cold, metrics, rng)
        self._tracer = tracer
        self._turns = Turns(self._go_on)
        self._taken_up = TakenUp()

    async def refresh(self, lane_name: str) -> None:
        """Refresh a lane's due payments, up to a hundred.

        A worker runs one look-up per lane at a time. If a kick arrives meanwhile, the worker sends it again afterwards,
        so that the payments that have become due form the next batch.
        """
        lane = Lane.parse(lane_name)
        with self._turns.of(lane) as turn:
            if turn is not None:
                await self._take_turn(lane, turn)

    def take_up(self, lane_name: str) -> bool:
        """Whether this process goes on with a lane that it kicks; if not, the kick is for the queue."""
        return self._turns.continues(Lane.parse(lane_name))

    async def finish(self, within: float) -> None:
        """Wait for the turns that follow others, ``within`` seconds at most; let no more follow."""
        await self._taken_up.finish(within)

    async def _take_turn(self, lane: Lane, turn: ExitStack) -> None:
        claimed = await self._lane.claim(lane, LARGEST_LOOKUP)
        if not claimed.payments:
            return
        leases = [payment.lease for payment in claimed.payments]
        self._ledger.leases.hold(leases)
        sharing = asyncio.get_running_loop().call_later(TURN, self._share, lane, len(leases))
        try:
            await self._refresh(lane, claimed, turn)
            sharing.cancel()  # what was settled has kicked the lane, if there was anything to do
        finally:
            self._ledger.leases.drop(leases)

    def _go_on(self, lane: Lane) -> None:
        """Begin the next turn of a lane, which was kicked during the one before."""
        if not self._taken_up.begin(lane, partial(self.refresh, lane.address)):
            self._ledger.wake(lane)

    def _share(self, lane: Lane, payments: int) -> None:
        """A turn takes long: others may have what has become due meanwhile. Beside more than `MOST_OF_TURN` payments,
        that has kicked them already."""
        if self._turns.hands_over(lane):
            self._ledger.wake(lane)
        elif payments <= MOST_OF_TURN:
            self._taken_up.begin(lane, partial(self._lane.share, lane))

    async def _refresh(self, lane: Lane, claimed: ClaimedPayments, turn: ExitStack) -> None:
        """Look the payments up and settle each of them. One that fails does not stop the others; the first error is
        raised at the end."""
        span, claimed = begin_look_up(self._tracer, lane.name, claimed)
        try:
            client, answer = await self._look_up(lane, claimed)
        except IamportError as error:
            if span is not None:
                span.end(str(error))
            await self._postponed.pause(lane, claimed, error)
            return
        if span is not None:
            span.end()
        if len(claimed.payments) == LARGEST_LOOKUP:  # there is a backlog
            self._turns.let_next_begin(lane, turn)
        if claimed.failures:
            await self._lane.resume(lane)
            log.info("iamport_recovered", merchant=lane.name)
        log_unrequested(lane, claimed, answer)
        found = await outcomes_of(claimed, answer, client.merchant)
        claimed = await self._cold.put_back(claimed, found)
        policy_of = await self._policies(client, claimed, found)
        self._turns.settle(lane, turn)
        outcomes = await asyncio.gather(
            *(self._settle(one, found[one.record.imp_uid], claimed.now, policy_of) for one in claimed.payments),
            return_exceptions=True,
        )
        log_failures(lane, claimed, outcomes)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _look_up(self, lane: Lane, claimed: ClaimedPayments) -> tuple[MerchantClient, LookupResult]:
        imp_uids = [one.record.imp_uid for one in claimed.payments]
        began = time.monotonic()
        try:
            if claimed.merchant is None:
                raise not_set_up(lane.name)
            client = self._clients.of(claimed.merchant)
            answer = await look_up_in_parts(client.client.payments, imp_uids)
        except IamportError as error:
            self._metrics.looked_up(lane.name, len(imp_uids), time.monotonic() - began, error)
            raise
        self._metrics.looked_up(lane.name, len(imp_uids), time.monotonic() - began)
        return client, answer

    async def _policies(
        self, client: MerchantClient, claimed: ClaimedPayments, found: dict[str, LookupOutcome]
    ) -> PolicyOf:
        """The policy for each snapshot: what its merchant records silently and which amount it expects.

        If i'mport or history fails to return an amount, the error replaces the snapshot in ``found``.
        """
        paid = {one.record.imp_uid for one in claimed.payments if "paid" in one.record.facts}
        expected = await expected_amounts(self._ledger, self._cold, client, found, expects=claimed.expects, paid=paid)

        def policy_of(payment: ClaimedPayment, snapshot: Snapshot) -> Policy:
            since = max(silent_before(snapshot, client.merchant), payment.forgotten_until)
            return policy(self._settings, since, expected.get(snapshot.imp_uid))

        return policy_of

    async def _settle(self, payment: ClaimedPayment, found: LookupOutcome, now: float, policy_of: PolicyOf) -> None:
        match found:
            case Snapshot():
                try:
                    await self._commit(payment, found, now, policy_of(payment, found))
                except LedgerFull as error:
                    await self._postponed.failed(payment, error)
            case None:
                await self._postponed.unknown(payment)
            case HiddenPayment():
                await self._postponed.hide(payment, found, now)
            case error:
                await self._postponed.failed(payment, error)

    async def _commit(self, payment: ClaimedPayment, snapshot: Snapshot, now: float, policy: Policy) -> None:
        """Decide what the snapshot changes, and record it. Raises `LedgerFull`."""
        change = await _decide(payment, snapshot, now, policy)
        span = begin_commit(self._tracer, payment, len(change.events))
        traceparent = "" if span is None else span.traceparent
        outcome = "failed"
        try:
            outcome = await self._lane.commit(
                change, claimed=payment, now=now, written=partial(self._written, traceparent), traceparent=traceparent
            )
        finally:
            if span is not None:
                span.end("" if outcome == "ok" else outcome)
        if outcome == "changed":
            # An operator changed the record since the claim; the snapshot may not show a cancellation just sent.
            await self._lane.postpone(payment, "again", due_in=0, tries=payment.tries)
        log_commit(payment, change, snapshot, outcome)
        if outcome == "full":
            raise LedgerFull(Reason.of("redis_full_for_events", events=len(change.events)))

    def _written(self, traceparent: str, change: Change) -> None:
        log_events(traceparent, change)
        self._metrics.recorded(event.type for event in change.events)


async def _decide(payment: ClaimedPayment, snapshot: Snapshot, now: float, policy: Policy) -> Change:
    rows = len(payment.record.facts) + len(snapshot.deposits) + len(snapshot.cancellations)
    reported = (payment.reported_cancellations, payment.escrow_changes)
    return await offload(decide, counted(payment.record, snapshot), snapshot, int(now), policy, *reported, rows=rows)
