"""The worker process: its parts, how it starts and how it stops."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any

import dramatiq
import structlog
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.common import iter_queue
from dramatiq.middleware import AsyncIO, Middleware

from history import History
from iamport.merchant_clients import MerchantClients
from iamport.transport import iamport_transport
from ledger import Ledger
from ledger.acl_watch import EVERY as ACL_CHECK_EVERY
from ledger.delivery_lane import ClaimedDeliveries
from ledger.heartbeats import REPORT_EVERY
from ledger.jobs import ERASE_AGAIN, HISTORY, RECONCILE, REPLAY, RETENTION, REWRITE, UNANSWERED
from ledger.leases import RENEW_AGAIN, RENEW_EVERY
from runtime.encryption import Sealer
from runtime.periodic import Background, Periodic
from runtime.service_manager import notify_ready
from runtime.settings import Settings
from runtime.signals import StopRequest
from runtime.startup import StartupCheck
from runtime.tracing import Tracer
from schemas.endpoints.egress import forbidden
from schemas.errors import LedgerUnavailable
from schemas.webhook_address import DEFAULT_MERCHANT
from workers.callback_sender import CallbackSender
from workers.callback_transport import callback_transport
from workers.cold_payments import ColdPayments
from workers.consumer_log import limit_consumer_logs
from workers.deliver import Deliverer
from workers.erase_again import EraseAgainJob
from workers.heartbeat import HeartbeatMiddleware
from workers.jobs import JobRunner
from workers.metrics import WorkerMetrics
from workers.metrics_server import MetricsServer
from workers.reconcile import Reconciler
from workers.recorder import Recorder
from workers.refresh import Refresher
from workers.replay import Replayer
from workers.retention import HistoryRetentionJob, RetentionJob, schedule_retention
from workers.rewrite import Rewriter
from workers.unanswered_webhooks import UnansweredJob, schedule_unanswered
from workers.watchdog import dead_thread

log = structlog.get_logger()

THREADS = 16
THREAD_POLL_MS = 1000
"""Milliseconds after which an idle thread checks whether it must stop; work wakes it at once."""
OPEN_CHECK_EVERY = 5.0
"""Seconds between two checks that Redis still has an open ledger, and that history still belongs to it."""
BREAKER_CHECK_EVERY = 5.0
"""Seconds between two checks whether i'mport, which failed here for a merchant, has answered another worker."""
STOP_WITHIN = 30.0
"""Seconds in which a worker must have stopped."""
FINISH_WITHIN = 20.0
"""Seconds for work in flight to finish; the rest is released."""


class WorkerProcess:
    """Everything a worker process runs."""

    def __init__(self, settings: Settings, *, is_history_prepared: bool = False, tracer: Tracer | None = None) -> None:
        self._settings = settings
        rng = random.Random(secrets.randbits(64))
        self._sealer = sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
        self._ledger = Ledger.of(settings)
        self._history = History.connect(settings.history_url, is_prepared=is_history_prepared)
        self._iamport = iamport_transport(settings)
        self._sender = _callback_sender(settings)
        clients = MerchantClients(settings, sealer, self._iamport, self._ledger.tokens, self._ledger.merchants.get)
        cold = ColdPayments(settings, self._ledger, self._history)
        metrics = WorkerMetrics()
        self._refresher = Refresher(settings, self._ledger, cold, clients, metrics, rng, tracer)
        self._deliverer = Deliverer(settings, self._ledger, sealer, self._sender, metrics, rng, tracer)
        self._reconciler = Reconciler(settings, self._ledger, cold, clients, rng)
        self._jobs = JobRunner(
            self._ledger,
            {
                RECONCILE: self._reconciler.step,
                REPLAY: Replayer(self._ledger, self._history).step,
                REWRITE: Rewriter(self._ledger).step,
                RETENTION: RetentionJob(settings, self._ledger, self._history, self._reconciler).step,
                HISTORY: HistoryRetentionJob(settings, self._ledger, self._history).step,
                ERASE_AGAIN: EraseAgainJob(self._ledger, self._history).step,
                UNANSWERED: UnansweredJob(self._ledger, self._history).step,
            },
        )
        self._name = f"{os.getpid()}-{rng.getrandbits(32):08x}"
        self.recorder = Recorder(self._ledger.outbox, self._history, self._name)
        self.acl_watch = self._ledger.acl_watch
        self.heartbeat = HeartbeatMiddleware(
            self._ledger.heartbeats, self.acl_watch, f"{socket.gethostname()}-{self._name}"
        )
        self.metrics = MetricsServer(settings, metrics, self._ledger.merchants, lambda: dead_thread(self._worker))
        self._background = Background(background(self, serves_metrics=settings.metrics_port != 0))

        broker = self._ledger.broker
        broker.add_middleware(AsyncIO())
        broker.add_middleware(ExpectedErrors())
        broker.add_middleware(self.heartbeat)
        for actor in (self._refresher.refresh, self._deliverer.deliver, self._jobs.work):
            name = actor.__name__
            dramatiq.actor(broker=broker, actor_name=name, queue_name=name, throws=LedgerUnavailable)(actor)
        self._ledger.offer_kicks("refresh", partial(self._take_up, self._refresher.take_up))
        self._ledger.offer_kicks("deliver", partial(self._take_up, self._deliverer.take_up))
        self._ledger.delivery_lane.pass_to(self._take, self._deliverer.most)
        self._worker = dramatiq.Worker(broker, worker_threads=THREADS, worker_timeout=THREAD_POLL_MS)

    def run(self, stop: StopRequest, on_stop: Callable[[], object] | None = None) -> int:
        """Work until ``stop`` is requested, then call ``on_stop``. Return the exit status: 0, or 1 if the process must
        be restarted.

        Raises `BadSetting` if a check that had to wait for Redis or history finds a wrong setting.
        """
        self._worker.start()
        limit_consumer_logs(self._worker)
        self._call_in_loop(self._background.start)
        log.info("worker_ready", threads=THREADS)
        notify_ready()
        status = 0
        while not status and not stop.wait(1.0):
            dead = dead_thread(self._worker)
            if dead is not None:
                log.critical("thread_died", thread=dead, hint="the process exits so that its supervisor restarts it")
            if dead is not None or self._background.failure is not None:
                status = 1
        if on_stop is not None and not status:
            on_stop()
        self._stop(status)
        return self._background.status() or status

    def _take_up(self, begin: Callable[[str], bool], lane: str) -> bool:
        if not begin(lane):
            return False
        self.heartbeat.worked_on(lane)
        return True

    def _take(self, claimed: ClaimedDeliveries) -> None:
        self._deliverer.take(claimed)
        self.heartbeat.worked_on(claimed.lane.address)

    async def sweep(self) -> None:
        """Wait until a lane may be due, then kick every lane that has due work and no kick under way."""
        await self._ledger.rest()
        await self._ledger.sweep(self._name)

    async def renew_leases(self) -> None:
        """Renew the leases that this worker holds."""
        await self._ledger.leases.renew()

    async def prepare(self) -> None:
        """Open the ledger, add the merchant that the environment names, and schedule the recurring jobs.

        Raises `BadSetting` if the encryption keys are not this ledger's, if Redis lacks what the relay needs, or if
        history belongs to another ledger.
        """
        await self._ledger.open_with(self._history, self._sealer)
        if self._settings.imp_key:
            await self._ledger.merchants.ensure(DEFAULT_MERCHANT)
        await schedule_retention(self._ledger)
        await schedule_unanswered(self._ledger)

    async def keep_open(self) -> None:
        """Prepare again if Redis has lost the ledger, which may have to be restored, or if history was lost, which then
        needs its tables and its owner. Raises `BadSetting` if another ledger's history was put in its place."""
        if not await self._ledger.is_open_with(self._history):
            await self.prepare()

    def _stop(self, status: int) -> None:
        """Let work in flight finish and release the rest; exit at the deadline in any case."""
        deadline = threading.Timer(STOP_WITHIN - 2, _exit_now, [status])
        deadline.daemon = True
        deadline.start()
        log.info("worker_stopping")
        ends = time.monotonic() + FINISH_WITHIN
        refreshing = self._submit(self._refresher.finish(FINISH_WITHIN))
        finishing = self._submit(self._deliverer.finish(FINISH_WITHIN))
        self._call_in_loop(self._background.stop, "sweep")
        self._join_actors()
        refreshing.result()
        finishing.result()
        # A commit that was under way when it began to finish may have claimed deliveries.
        self._submit(self._deliverer.finish(ends - time.monotonic())).result()
        self._call_in_loop(self._background.stop)
        try:
            self._submit(self._release_and_close()).result()
        finally:
            loop = get_event_loop_thread()
            if loop is not None:
                loop.stop()
            deadline.cancel()
        log.info("worker_stopped")

    def _join_actors(self) -> None:
        """Stop Dramatiq's threads without Dramatiq's own stop, which may hang while Redis is away."""
        self._ledger.broker.stop_fetching()
        for consumer in self._worker.consumers.values():
            consumer.stop()
        for thread in self._worker.workers:
            thread.stop()
        ends = time.monotonic() + FINISH_WITHIN
        for thread in self._worker.workers:
            thread.join(max(0.0, ends - time.monotonic()))

    async def _release_and_close(self) -> None:
        # No thread took these kicks before it stopped: they are for other workers.
        self._ledger.hand_back(item.message.args[0] for item in iter_queue(self._worker.work_queue))
        try:
            await self._ledger.leases.release()
            await self.heartbeat.sign_off()
            await self.recorder.finish()
        except LedgerUnavailable as error:
            log.warning("leases_not_released", error=str(error), hint="they end within seconds")
        finally:
            await self._history.close()
            await self._sender.close()
            await self._iamport.aclose()
            await self._ledger.close()

    def _submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, _loop())

    def _call_in_loop(self, call: Callable[..., object], *args: str) -> None:
        _loop().call_soon_threadsafe(call, *args)


def background(app: WorkerProcess, *, serves_metrics: bool) -> tuple[Periodic, ...]:
    """The periodic tasks of a worker, which run beside its actors."""
    start = StartupCheck(app.prepare)

    async def keep_open() -> None:
        await start.passed()
        await app.keep_open()

    return (
        Periodic("sweep", app.sweep, 0.0),
        Periodic("renew_leases", app.renew_leases, RENEW_EVERY, retry=RENEW_AGAIN),
        Periodic("report_heartbeat", app.heartbeat.report, REPORT_EVERY),
        Periodic("watch_rights", app.acl_watch.log_problems, ACL_CHECK_EVERY),
        Periodic("record", app.recorder.step, 0.0),
        start.task("prepare"),
        Periodic("keep_open", keep_open, OPEN_CHECK_EVERY),
        *(_metrics(app) if serves_metrics else ()),
    )


def _metrics(app: WorkerProcess) -> tuple[Periodic, ...]:
    return (
        Periodic("serve_metrics", app.metrics.serve, 0.0),
        Periodic("check_breakers", app.metrics.check_breakers, BREAKER_CHECK_EVERY),
    )


class ExpectedErrors(Middleware):
    """Keeps errors that an actor names in ``throws`` out of the log: they are not bugs."""

    @property
    def actor_options(self) -> set[str]:
        return {"throws"}


def _callback_sender(settings: Settings) -> CallbackSender:
    networks, private = settings.allowed_endpoint_networks, settings.allow_private_endpoints
    transport = callback_transport(lambda address: forbidden(address, networks, private))
    return CallbackSender(transport, allowed_networks=networks, allow_private=private)


def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of the actors and of the background work, which runs in one of Dramatiq's threads."""
    loop_thread = get_event_loop_thread()
    if loop_thread is None:
        raise RuntimeError("the worker has not started")
    return loop_thread.loop


def _exit_now(status: int) -> None:
    log.error("worker_stopped_late", hint="its leases end within seconds, and other workers go on with their work")
    os._exit(status)
