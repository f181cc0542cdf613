"""The worker process, put together: what it is made of, how it starts, how it stops."""

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
from typing import Any

import dramatiq
import structlog
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import AsyncIO, Middleware

from iamport.merchant_clients import MerchantClients
from iamport.transport import iamport_transport
from ledger import Ledger
from ledger.acl_watch import EVERY as ACL_CHECK_EVERY
from ledger.acl_watch import AclWatch
from ledger.heartbeats import REPORT_EVERY
from ledger.jobs import RECONCILE, REPLAY, TIDY
from ledger.leases import RENEW_EVERY
from runtime.encryption import Sealer
from runtime.periodic import Background, Periodic
from runtime.settings import Settings
from runtime.startup import StartupCheck
from schemas.endpoints.egress import forbidden
from schemas.errors import BadSetting, LedgerUnavailable
from workers.callback_sender import CallbackSender
from workers.callback_transport import callback_transport
from workers.consumers import hush
from workers.deliver import Deliverer
from workers.heartbeat import HeartbeatMiddleware
from workers.jobs import JobRunner
from workers.reconcile import Reconciler
from workers.refresh import Refresher
from workers.replay import Replayer
from workers.retention import RetentionJob, start_tidying
from workers.watchdog import dead_thread

log = structlog.get_logger()

THREADS = 16
IDLE_POLL_MS = 20
"""How long an idle queue waits before it looks again: the latency of the first kick after a pause."""
THREAD_WAKES_AFTER = 0.5
SWEEP_EVERY = 0.25
"""Seconds between two looks for due work that nobody was told of; of all workers, one looks at a time."""
STOP_WITHIN = 30.0
FINISH_WITHIN = 20.0


class App:
    """Everything a worker process runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        rng = random.Random(secrets.randbits(64))
        self._sealer = sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
        self._ledger = Ledger.connect(settings.redis_url, settings.queue_url, replica_acks=settings.replica_acks)
        self._iamport = iamport_transport(settings)
        self._sender = _sender(settings)
        accounts = MerchantClients(settings, sealer, self._iamport, self._ledger.tokens, self._ledger.merchants.get)
        self._refresher = Refresher(settings, self._ledger, accounts, rng)
        self._deliverer = Deliverer(settings, self._ledger, sealer, self._sender, rng)
        self._reconciler = Reconciler(settings, self._ledger, accounts, rng)
        self._jobs = JobRunner(
            self._ledger,
            {
                RECONCILE: self._reconciler.step,
                REPLAY: Replayer(self._ledger).step,
                TIDY: RetentionJob(settings, self._ledger, self._reconciler).step,
            },
        )
        self._name = f"{os.getpid()}-{rng.getrandbits(32):08x}"
        self.acl_watch = AclWatch(self._ledger)
        self.heartbeat = HeartbeatMiddleware(
            self._ledger.heartbeats, self.acl_watch, f"{socket.gethostname()}-{self._name}"
        )
        self._background = Background(background(self))

        broker = self._ledger.broker
        broker.add_middleware(AsyncIO())
        broker.add_middleware(ExpectedErrors())
        broker.add_middleware(self.heartbeat)
        for actor in (self._refresher.refresh, self._deliverer.deliver, self._jobs.work):
            name = actor.__name__
            dramatiq.actor(broker=broker, actor_name=name, queue_name=name, throws=LedgerUnavailable)(actor)
        self._worker = dramatiq.Worker(broker, worker_threads=THREADS, worker_timeout=IDLE_POLL_MS)

    def run(self, stop: threading.Event) -> int:
        """Work until ``stop`` is set; the exit status: 0, or 1 where a thread died and a restart is needed."""
        self._worker.start()
        hush(self._worker)
        for thread in self._worker.workers:
            # Only its queue is polled that often; a worker's thread is woken by the work itself.
            thread.timeout = THREAD_WAKES_AFTER
        self._in_loop(self._background.start)
        log.info("worker_ready", threads=THREADS)
        status = 0
        while not status and not stop.wait(1.0):
            dead = dead_thread(self._worker)
            if dead is not None:
                log.critical("thread_died", thread=dead, hint="the process exits so that its supervisor restarts it")
            if isinstance(self._background.failure, BadSetting):
                log.critical("cannot_work", error=str(self._background.failure))
            if dead is not None or self._background.failure is not None:
                status = 1
        self._stop(status)
        return status

    async def sweep(self) -> None:
        """Kick every lane with due work that nobody was told of."""
        await self._ledger.sweep(self._name)

    async def renew_leases(self) -> None:
        """Lengthen what this worker holds."""
        await self._ledger.leases.renew()

    async def prepare(self) -> None:
        """The merchant of the environment is known from the start, not from its first webhook on.

        Raises `BadSetting` for keys that are not this ledger's, and for a Redis that does not let it work."""
        await self._ledger.begin(self._sealer)
        if self._settings.imp_key:
            await self._ledger.merchants.ensure("default")
        await start_tidying(self._ledger)

    def _stop(self, status: int) -> None:
        """Let work in flight finish, hand the rest back; never longer than the deadline, at which it just exits."""
        deadline = threading.Timer(STOP_WITHIN - 2, _exit_now, [status])
        deadline.daemon = True
        deadline.start()
        log.info("worker_stopping")
        finishing = self._submit(self._deliverer.finish(FINISH_WITHIN))
        self._in_loop(self._background.stop, "sweep")
        self._join_actors()
        finishing.result()
        self._in_loop(self._background.stop)
        self._submit(self._hand_back()).result()
        loop = get_event_loop_thread()
        if loop is not None:
            loop.stop()
        deadline.cancel()
        log.info("worker_stopped")

    def _join_actors(self) -> None:
        """Stop Dramatiq's threads without its own stop, which may wait for a Redis that is away."""
        for thread in self._worker.workers:
            thread.stop()
        ends = time.monotonic() + FINISH_WITHIN
        for thread in self._worker.workers:
            thread.join(max(0.0, ends - time.monotonic()))
        for consumer in self._worker.consumers.values():
            consumer.stop()

    async def _hand_back(self) -> None:
        try:
            await self._ledger.leases.release()
            await self.heartbeat.sign_off()
        except LedgerUnavailable as error:
            log.warning("leases_not_given_back", error=str(error), hint="they end by themselves")
        await self._sender.aclose()
        await self._iamport.aclose()
        await self._ledger.close()

    def _submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, _loop())

    def _in_loop(self, call: Callable[..., object], *args: str) -> None:
        _loop().call_soon_threadsafe(call, *args)


def background(app: App) -> tuple[Periodic, ...]:
    """What a worker does besides its actors."""
    return (
        Periodic("sweep", app.sweep, SWEEP_EVERY),
        Periodic("renew_leases", app.renew_leases, RENEW_EVERY),
        Periodic("report_heartbeat", app.heartbeat.report, REPORT_EVERY),
        Periodic("watch_rights", app.acl_watch.log_problems, ACL_CHECK_EVERY),
        StartupCheck(app.prepare).task("prepare"),
    )


class ExpectedErrors(Middleware):
    """Lets an actor name in ``throws`` the errors that are no bugs of its own."""

    @property
    def actor_options(self) -> set[str]:
        return {"throws"}


def _sender(settings: Settings) -> CallbackSender:
    networks, private = settings.allowed_endpoint_networks, settings.allow_private_endpoints
    transport = callback_transport(lambda address: forbidden(address, networks, private))
    return CallbackSender(transport, allowed_networks=networks, allow_private=private)


def _loop() -> asyncio.AbstractEventLoop:
    """Where the actors and the background work run: a thread of Dramatiq's."""
    loop_thread = get_event_loop_thread()
    if loop_thread is None:
        raise RuntimeError("the worker has not started")
    return loop_thread.loop


def _exit_now(status: int) -> None:
    log.error("worker_stopped_late", hint="what it held comes back by itself within seconds")
    os._exit(status)
