"""Sending callbacks: claim as many deliveries as the endpoint's capacity allows, send them concurrently, and settle
each as it is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

import structlog

from ledger import Ledger
from ledger.delivery_lane import ClaimedDeliveries, ClaimedDelivery, Settled
from ledger.keys import Lane
from runtime.encryption import Sealer
from runtime.settings import Settings
from runtime.tracing import Tracer, trace_id
from schemas.endpoints.delivery import (
    Attempt,
    AttemptResult,
    Dead,
    Delivered,
    Disable,
    Hold,
    Retry,
    Verdict,
    attempt,
    judge,
)
from schemas.endpoints.endpoint import TEST_TYPE, Endpoint
from schemas.endpoints.places import Answer
from schemas.errors import LedgerUnavailable, Unreadable
from schemas.reasons import Reason, english
from workers.attempt_trace import begin_attempt, end_attempt
from workers.callback_headers import UnsealedEndpoint, attempt_headers, unseal
from workers.callback_sender import CallbackSender
from workers.callbacks_under_way import CallbacksUnderWay
from workers.health import HealthTracker
from workers.metrics import WorkerMetrics
from workers.turns import MOST_TAKEN_UP, TurnErrors

log = structlog.get_logger()

LONGEST_TURN = 0.5
"""The longest turn of a lane, in seconds. After it other lanes get a turn, in this process or another."""
ANSWER_WAIT = 0.05
"""Seconds that a turn waits for half of its callbacks to end. If not one ends in this time, the turn ends first, and
the callbacks wake the lane when they end."""
MOST_IN_FLIGHT = 5_000
"""Most callbacks under way in one process. All endpoints share this limit; a few that hang must not use it up."""
MOST_OF_COMMIT = 100
"""How many deliveries of one endpoint a commit claims."""
MOST_STALE = 3
"""How often a delivery is sent again at once because its reused connection had been closed."""
WRITE_FOR = 60.0
"""Seconds for which a worker keeps trying to write a result while Redis is away."""

Written = TypeVar("Written")


class Deliverer:
    """The actor behind the lanes ``deliver/…`` and ``replay/…``."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        sealer: Sealer,
        sender: CallbackSender,
        metrics: WorkerMetrics,
        rng: Random,
        tracer: Tracer | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._ledger = ledger
        self._sealer = sealer
        self._sender = sender
        self._rng = rng
        self._tracer = tracer
        self._health = HealthTracker(settings, ledger, metrics)
        self._in_flight: set[asyncio.Task[Any]] = set()
        # The lanes whose turn is under way, and whether a kick has arrived since the last claim: there may be work that
        # this claim did not see.
        self._turns: dict[Lane, bool] = {}
        self._errors = TurnErrors()
        self._finishing = False

    async def deliver(self, lane_name: str) -> None:
        """Begin a lane's turn and return at once: if the thread waited for slow callbacks, the lanes of healthy
        endpoints could not use it. In one process a lane has one turn at a time."""
        self._begin_turn(Lane.parse(lane_name))

    def take_up(self, lane_name: str) -> bool:
        """Begin the turn of a lane that this process kicks, so that the events that it commits are sent without a
        detour through the queue. A turn that is under way claims once more instead.

        Return False, and leave the lane to the queue, if this process is stopping or has `MOST_TAKEN_UP` turns.
        Callbacks do not count: those to hanging endpoints take long, but cost nothing meanwhile.
        """
        lane = Lane.parse(lane_name)
        if self._finishing or (lane not in self._turns and len(self._turns) >= MOST_TAKEN_UP):
            return False
        self._begin_turn(lane)
        return True

    def most(self) -> int:
        """How many deliveries of an endpoint a commit of this process may claim: none while it leaves lanes to the
        queue."""
        if self._finishing or len(self._turns) >= MOST_TAKEN_UP:
            return 0
        return max(0, min(MOST_OF_COMMIT, MOST_IN_FLIGHT - len(self._in_flight)))

    def take(self, claimed: ClaimedDeliveries) -> None:
        """Send deliveries that a commit of this process has claimed."""
        if claimed.endpoint is not None:
            self._send_all(claimed, claimed.endpoint)

    def _begin_turn(self, lane: Lane) -> None:
        if lane in self._turns:
            self._turns[lane] = True
        else:
            self._turns[lane] = False
            self._start(self._take_turn(lane))

    async def _take_turn(self, lane: Lane) -> None:
        try:
            with self._errors.logged(lane):
                await self._send_what_is_due(lane)
        finally:
            if self._turns.pop(lane):
                self._ledger.wake(lane)

    async def _send_what_is_due(self, lane: Lane) -> None:
        """Claim and send for `LONGEST_TURN` at most.

        The turn ends earlier if no callback ends within `ANSWER_WAIT`, or if the lane was not kicked since the last
        claim. A delivery that becomes due kicks the lane, and so does a place that becomes free for one.

        The turn claims again when half of its callbacks have ended, or after `ANSWER_WAIT`. A claim for each callback
        that ends would be too many, and slow callbacks must not hold up the next claim.
        """
        ends = time.monotonic() + LONGEST_TURN
        sending = CallbacksUnderWay()
        while time.monotonic() < ends and len(self._in_flight) < MOST_IN_FLIGHT and not self._finishing:
            self._turns[lane] = False
            claimed = await self._ledger.delivery_lane.claim(lane)
            if claimed.endpoint is not None:
                sending.begin(self._send_all(claimed, claimed.endpoint))
            if sending.count and not await sending.halve(ANSWER_WAIT):
                return
            if not self._turns[lane]:
                return

    async def finish(self, within: float) -> None:
        """Wait for callbacks that are under way, ``within`` seconds at most; begin no more."""
        self._finishing = True
        ends = time.monotonic() + within
        # In a loop: a claim that was under way still starts callbacks.
        while self._in_flight and (left := ends - time.monotonic()) > 0:
            await asyncio.wait(self._in_flight, timeout=left)

    def _send_all(self, claimed: ClaimedDeliveries, endpoint: Endpoint) -> set[asyncio.Task[Any]]:
        try:
            keys = unseal(endpoint, self._sealer, time.time())
        except Unreadable as error:
            log.error("endpoint_unreadable", endpoint=endpoint.id, error=str(error))
            return {self._start_leased(one, self._hold(one, error.reason)) for one in claimed.deliveries}
        return {self._start_leased(one, self._deliver(one, endpoint, keys)) for one in claimed.deliveries}

    def _start_leased(self, delivery: ClaimedDelivery, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start the task that settles a delivery, and drop the lease when the task ends, even if a library cancels it:
        a lease that is renewed for ever would keep other workers out."""
        self._ledger.leases.hold([delivery.lease])
        task = self._start(work)
        task.add_done_callback(lambda _: self._ledger.leases.drop([delivery.lease]))
        return task

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return task

    async def _deliver(self, delivery: ClaimedDelivery, endpoint: Endpoint, keys: UnsealedEndpoint) -> None:
        try:
            await self._send(delivery, endpoint, keys)
        except Exception as error:
            # A bug of ours must not keep a lease for ever, nor count as a failure of the endpoint.
            log.exception("delivery_crashed", delivery=delivery.id, **trace_id(delivery.traceparent))
            await self._hold(delivery, Reason.of("internal_error", error_type=type(error).__name__))

    async def _send(self, delivery: ClaimedDelivery, endpoint: Endpoint, keys: UnsealedEndpoint) -> None:
        body = delivery.callback.thin if endpoint.payload == "thin" else delivery.callback.full
        made: list[Attempt] = []
        while True:
            began = time.time()
            span = begin_attempt(self._tracer, delivery, endpoint)
            headers = attempt_headers(keys, delivery.event, body, began, "" if span is None else span.traceparent)
            waiting_since, worked = time.monotonic(), time.thread_time()
            answer = await self._sender.send(endpoint.url, headers, body, self._settings.delivery_timeout)
            made.append(attempt(answer, began, replay=delivery.replay))
            if span is not None:
                end_attempt(span, answer)
            if not answer.stale_connection or len(made) > MOST_STALE:
                break
            self._note_attempt(delivery, endpoint, answer, Retry(0, Reason.of("connection_reset")))
        if not answer.stale_connection:
            # The thread's CPU time meanwhile, also for other callbacks, is not the endpoint's latency. It counts twice:
            # the thread waited for a core for about as long.
            latency = time.monotonic() - waiting_since - 2 * (time.thread_time() - worked)
            measured = Answer(answer.ok, max(latency, 0.0) * 1000, delivery.in_flight)
            self._ledger.delivery_lane.answered(delivery, measured)
        verdict = judge(answer, delivery.attempts, self._settings.retry_schedule, self._rng)
        if delivery.type == TEST_TYPE and isinstance(verdict, Retry):
            verdict = Dead(verdict.reason, verdict.lane_wait)  # an operator waits for the result of this attempt
        self._note_attempt(delivery, endpoint, answer, verdict)
        if not answer.ok and not answer.stale_connection:
            # Record health before settling: settling frees a slot, and an opened breaker must already be there to keep
            # it empty.
            await self._record_health(delivery, endpoint, answer, verdict)
        settled = await self._settle(delivery, verdict, made)
        if answer.ok and settled == "was_failing":
            await self._record_health(delivery, endpoint, answer, verdict)

    def _note_attempt(
        self, delivery: ClaimedDelivery, endpoint: Endpoint, answer: AttemptResult, verdict: Verdict
    ) -> None:
        self._metrics.attempted(delivery, answer, verdict)
        _log_attempt(delivery, endpoint, answer, verdict)

    async def _hold(self, delivery: ClaimedDelivery, why: Reason) -> None:
        """Hold a delivery that cannot be sent through no fault of the endpoint. A test fails instead: an operator waits
        for its attempt."""
        if delivery.type == TEST_TYPE:
            made = Attempt(time.time(), None, 0, why, "", replay=False)
            await self._settle(delivery, Dead(why), [made])
        else:
            self._metrics.held()
            await self._settle(delivery, Hold(Reason.of("held", why)))

    async def _settle(self, delivery: ClaimedDelivery, verdict: Verdict, made: Sequence[Attempt] = ()) -> Settled:
        """Write the verdict and the attempts."""
        settle = self._ledger.delivery_lane.settle
        return await write_until_done(lambda: settle(delivery.lease, verdict, made)) or "lost"

    async def _record_health(
        self, delivery: ClaimedDelivery, endpoint: Endpoint, answer: AttemptResult, verdict: Verdict
    ) -> None:
        await write_until_done(lambda: self._health.record(endpoint, delivery.lease.token, answer, verdict))


async def write_until_done(write: Callable[[], Awaitable[Written]]) -> Written | None:
    """Retry ``write`` while Redis is away, so that a callback is not sent again. Return None if Redis stays away for
    longer than `WRITE_FOR`."""
    gives_up = time.monotonic() + WRITE_FOR
    while True:
        try:
            return await write()
        except LedgerUnavailable as error:
            if time.monotonic() > gives_up:
                log.error("attempt_not_written", error=str(error))
                return None
            await asyncio.sleep(1)


_OUTCOMES: Mapping[type[Verdict], str] = {
    Delivered: "delivered", Retry: "retry", Dead: "dead", Disable: "disable", Hold: "hold",
}  # fmt: skip
"""What the log calls each verdict; `cli.narrator` reads it."""


def _log_attempt(delivery: ClaimedDelivery, endpoint: Endpoint, answer: AttemptResult, verdict: Verdict) -> None:
    log.info(
        "delivery_attempted", merchant=endpoint.merchant, imp_uid=delivery.imp_uid, event_id=delivery.event,
        delivery=delivery.id, endpoint=endpoint.id, type=delivery.type, outcome=_OUTCOMES[type(verdict)],
        status_code=answer.status_code, error=None if answer.error is None else english(answer.error),
        duration_ms=answer.duration_ms,
        next_in=round(verdict.at_in, 1) if isinstance(verdict, Retry) else None, **trace_id(delivery.traceparent),
    )  # fmt: skip
