"""Sending callbacks: claim what an endpoint takes, send it concurrently, settle each as its answer comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from random import Random
from typing import Any, TypeVar

import structlog

from ledger import Ledger
from ledger.delivery_lane import ClaimedDeliveries, ClaimedDelivery, Settled
from ledger.keys import Lane
from runtime.encryption import Sealer
from runtime.repeats import Repeats
from runtime.settings import Settings
from schemas.endpoints.delivery import Attempt, AttemptResult, Dead, Delivered, Hold, Retry, Verdict, attempt, judge
from schemas.endpoints.endpoint import TEST_TYPE, Endpoint
from schemas.errors import LedgerUnavailable, Unreadable
from workers.callback_headers import Opened, opened, prepare
from workers.callback_sender import CallbackSender
from workers.health import HealthTracker

log = structlog.get_logger()

SLICE = 0.5
"""Seconds that a lane's turn takes at most; then others of its kicks are looked at, here or in another process."""
WAVE = 0.05
"""Seconds a turn waits for any callback to end; slower ones go on without it and wake the lane when they end."""
MOST_IN_FLIGHT = 5_000
"""Callbacks under way in one process; it is all endpoints' together, so it has to be far above what some may hang."""
MOST_STALE = 3
"""Times that one delivery is sent again at once because the connection kept for it had been dropped."""
INSIST_FOR = 60.0
"""Seconds for which a result is kept in hand while Redis is away."""

Written = TypeVar("Written")


class Deliverer:
    """The actor behind the lanes ``deliver/…`` and ``replay/…``."""

    def __init__(self, settings: Settings, ledger: Ledger, sealer: Sealer, sender: CallbackSender, rng: Random) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sealer = sealer
        self._sender = sender
        self._rng = rng
        self._health = HealthTracker(settings, ledger)
        self._in_flight: set[asyncio.Task[Any]] = set()
        # The lanes that are having their turn, and whether a kick has come meanwhile: it may tell of work that the
        # last claim has not seen.
        self._turns: dict[str, bool] = {}
        self._left = Repeats()
        self._finishing = False

    async def deliver(self, lane_name: str) -> None:
        """Give a lane its turn, and do not wait for it: a thread that waited for slow callbacks would be one that the
        lanes of healthy endpoints wait for. One turn at a time is enough in one process."""
        if lane_name in self._turns:
            self._turns[lane_name] = True
        else:
            self._turns[lane_name] = False
            self._start(self._take_turn(Lane.parse(lane_name)))

    async def _take_turn(self, lane: Lane) -> None:
        try:
            await self._send_what_is_due(lane)
        except LedgerUnavailable as error:
            if (times := self._left.times(str(error))) is not None:
                log.warning(
                    "lane_left", lane=str(lane), error=str(error), times=times, hint="the sweep will tell of it"
                )
        finally:
            if self._turns.pop(str(lane)):
                self._ledger.kick([lane])

    async def _send_what_is_due(self, lane: Lane) -> None:
        """Send wave after wave for a slice of time, as long as any callback of the last one ends soon."""
        ends = time.monotonic() + SLICE
        under_way: set[asyncio.Task[Any]] = set()
        while time.monotonic() < ends and len(self._in_flight) < MOST_IN_FLIGHT and not self._finishing:
            self._turns[str(lane)] = False
            claimed = await self._ledger.delivery_lane.claim(lane)
            if claimed.endpoint is not None:
                under_way |= self._send_all(claimed, claimed.endpoint)
            if under_way:
                ended, under_way = await asyncio.wait(under_way, timeout=WAVE)
                if not ended:
                    return
            elif not self._turns[str(lane)]:
                return

    async def finish(self, within: float) -> None:
        """Wait for callbacks that are under way, ``within`` seconds at most; no more are begun."""
        self._finishing = True
        ends = time.monotonic() + within
        # Again and again: a claim that was under way brings callbacks that were not there before.
        while self._in_flight and (left := ends - time.monotonic()) > 0:
            await asyncio.wait(self._in_flight, timeout=left)

    def _send_all(self, claimed: ClaimedDeliveries, endpoint: Endpoint) -> set[asyncio.Task[Any]]:
        self._ledger.leases.hold(delivery.lease for delivery in claimed.deliveries)
        try:
            keys = opened(endpoint, self._sealer, time.time())
        except Unreadable as error:
            log.error("endpoint_unreadable", endpoint=endpoint.id, error=str(error))
            return {self._start(self._hold(delivery, str(error))) for delivery in claimed.deliveries}
        return {self._start(self._deliver(delivery, endpoint, keys)) for delivery in claimed.deliveries}

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return task

    async def _deliver(self, delivery: ClaimedDelivery, endpoint: Endpoint, keys: Opened) -> None:
        try:
            await self._send(delivery, endpoint, keys)
        except Exception as error:
            # A mistake of ours must not keep a lease for ever, nor be taken for a failure of the endpoint.
            log.exception("delivery_broke", delivery=delivery.id)
            await self._hold(delivery, f"internal error: {type(error).__name__}")

    async def _send(self, delivery: ClaimedDelivery, endpoint: Endpoint, keys: Opened) -> None:
        body = delivery.callback.thin if endpoint.payload == "thin" else delivery.callback.full
        made: list[Attempt] = []
        while True:
            began = time.time()
            headers = prepare(keys, delivery.event, body, began)
            answer = await self._sender.send(endpoint.url, headers, body, self._settings.delivery_timeout)
            made.append(attempt(answer, began, replay=delivery.replay))
            if not answer.stale_connection or len(made) > MOST_STALE:
                break
            _tell(delivery, endpoint, answer, Retry(0, "its connection had been dropped"))
        verdict = judge(answer, delivery.attempts, self._settings.retry_schedule, self._rng)
        if delivery.type == TEST_TYPE and isinstance(verdict, Retry):
            verdict = Dead(verdict.reason, verdict.lane_wait)  # it was for somebody who is watching now
        _tell(delivery, endpoint, answer, verdict)
        if not answer.ok and not answer.stale_connection:
            # Noted before it is settled: that makes room in the lane, into which a breaker that opens now lets nobody.
            await self._note(delivery, endpoint, answer, verdict)
        settled = await self._settle(delivery, verdict, made)
        if answer.ok and settled == "unwell":
            await self._note(delivery, endpoint, answer, verdict)

    async def _hold(self, delivery: ClaimedDelivery, why: str) -> None:
        """Keep what cannot be sent, for a reason in words that is none of the endpoint's. A test is not kept: whoever
        asked for it waits for an attempt."""
        if delivery.type == TEST_TYPE:
            made = Attempt(time.time(), None, 0, why, "", replay=False)
            await self._settle(delivery, Dead(why), [made])
        else:
            await self._settle(delivery, Hold(f"held: {why}"))

    async def _settle(self, delivery: ClaimedDelivery, verdict: Verdict, made: Sequence[Attempt] = ()) -> Settled:
        """Write what became of it."""
        settle = self._ledger.delivery_lane.settle
        try:
            return await _insist(lambda: settle(delivery.lease, verdict, made)) or "lost"
        finally:
            self._ledger.leases.drop([delivery.lease])

    async def _note(
        self, delivery: ClaimedDelivery, endpoint: Endpoint, answer: AttemptResult, verdict: Verdict
    ) -> None:
        await _insist(lambda: self._health.note(endpoint, delivery.lease.token, answer, verdict))


async def _insist(write: Callable[[], Awaitable[Written]]) -> Written | None:
    """Write it. While Redis is away it is tried again: what was sent should not be sent again. None where it was away
    for too long."""
    gives_up = time.monotonic() + INSIST_FOR
    while True:
        try:
            return await write()
        except LedgerUnavailable as error:
            if time.monotonic() > gives_up:
                log.error("attempt_not_written", error=str(error))
                return None
            await asyncio.sleep(1)


def _tell(delivery: ClaimedDelivery, endpoint: Endpoint, answer: AttemptResult, verdict: Verdict) -> None:
    log.info(
        "delivery_attempted", delivery=delivery.id, endpoint=endpoint.id, type=delivery.type, imp_uid=delivery.imp_uid,
        outcome="delivered" if isinstance(verdict, Delivered) else type(verdict).__name__.lower(),
        status_code=answer.status_code, error=answer.error, duration_ms=answer.duration_ms,
        next_in=round(verdict.at_in, 1) if isinstance(verdict, Retry) else None,
    )  # fmt: skip
