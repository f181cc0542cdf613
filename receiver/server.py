"""The receiver as a process: everything put together, served by uvicorn, and ended in order."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import structlog
import uvicorn

from ledger.acl_watch import EVERY as WATCH_EVERY
from ledger.acl_watch import AclWatch
from ledger.ledger import Ledger
from receiver import connection
from receiver.acceptor import Acceptor
from receiver.app import App, routes
from receiver.health import MetricsPage, Readyz, livez
from receiver.known_merchants import KnownMerchants
from receiver.limiter import Limiter
from receiver.merchant_cache import MerchantCache
from receiver.metrics import ReceiverMetrics
from receiver.ports import Spool
from receiver.source_address import SourceAddresses
from receiver.spool import FileSpool, NoSpool
from receiver.spool_report import SpoolReport
from receiver.webhook_log import WebhookLog
from receiver.webhooks import WebhookHandler
from runtime import listening
from runtime.periodic import Background, Periodic
from runtime.settings import Settings
from schemas.errors import LedgerUnavailable

HOST = "0.0.0.0"  # noqa: S104  # the public intake: on every interface
PORT = 8000
RATE = 500.0
BURST = 1000.0
"""Webhooks one source may send a second, and at once. This machine, i'mport and RELAY_ALLOWED_IPS are not limited."""
DRAIN_EVERY = 0.5
LEARN_EVERY = 2.0
REPORT_EVERY = 5.0
LOOK_EVERY = 60.0
LOOK_SOON = 5.0
"""Seconds between looks at Redis' durability: while it is as it should be, and while it is not."""
FIRST_LOOK = 2.0
"""Seconds for which webhooks wait at start until it is known what Redis allows."""
LAST_ANSWERS = 20
"""Seconds for requests under way when the process is asked to stop; 30 s is all a supervisor gives."""

log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn that sweeps slow clients away and leaves the signals to us: its own handlers end the process by the
    signal, before anything could be closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the serving; a second one does not wait for anybody."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; whether to end."""
        if counter % 10 == 0:
            connection.sweep(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def end(self) -> None:
        """Answer what is under way, and end."""
        self.should_exit = True

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on. Raises `BadSetting` when it cannot be had."""
    return listening.listen(settings.host or HOST, settings.port or PORT, backlog=2048)


def allow_connections() -> None:
    """Raise this process's limit of open files as far as its connections need, or as it may."""
    wanted = connection.CONNECTIONS + 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Parts(NamedTuple):
    """What a receiver's background work is done by."""

    keeper: Acceptor
    account: WebhookLog
    spool_report: SpoolReport
    watch: AclWatch


def background(parts: Parts) -> tuple[Periodic, ...]:
    """What a receiver does besides answering."""
    keeper = parts.keeper
    return (
        Periodic("drain", keeper.drain, DRAIN_EVERY),
        Periodic("learn_merchants", keeper.learn_merchants, LEARN_EVERY),
        Periodic("report_refusals", keeper.report_refusals, REPORT_EVERY),
        Periodic("tell_account", parts.account.tell, 1.0),
        Periodic("look", _Watchman(keeper).look, LOOK_SOON),
        Periodic("report_spool", parts.spool_report.tell, REPORT_EVERY),
        Periodic("watch", parts.watch.log_problems, WATCH_EVERY),
    )


async def serve(settings: Settings, listener: socket.socket) -> int:
    """Take webhooks until SIGTERM or SIGINT; the exit status: 0, or 1 where background work failed and a restart is
    needed. Raises `BadSetting` for a Redis URL that is none, and for a Redis that does not let it work; one that is
    away may come back."""
    counts, merchants = ReceiverMetrics(), KnownMerchants()
    account = WebhookLog()
    ledger = Ledger.connect(settings.redis_url, settings.queue_url, replica_acks=settings.replica_acks)
    spool: Spool = FileSpool(settings.spool_dir) if settings.spool_dir else NoSpool()
    remembered = MerchantCache(settings.spool_dir) if settings.spool_dir else None
    if remembered is not None and (known := remembered.read()) is not None:
        merchants.learn(known)
    keeper = Acceptor(
        ledger,
        spool,
        counts,
        merchants,
        require_durable=settings.require_durable,
        remember=remembered.write if remembered is not None else None,
    )
    senders = SourceAddresses(settings.allowed_ips, settings.trusted_proxies)
    limiter = Limiter(rate=RATE, burst=BURST)
    _watch(counts, keeper, spool, ledger)
    intake = WebhookHandler(keeper, senders, limiter, merchants, counts, account, random.Random())
    app = App(
        routes(
            webhooks=intake,
            not_posted=intake.not_posted,
            livez=livez,
            readyz=Readyz(keeper, spool, require_durable=settings.require_durable),
            metrics=MetricsPage(counts, senders, [token.value.get_secret_value() for token in settings.api_tokens]),
        ),
        nowhere=intake.nowhere,
    )
    parts = Parts(keeper, account, SpoolReport(ledger.intake, spool, listener.getsockname()[1]), AclWatch(ledger))
    server = Server(configured(app))
    watched = Background(background(parts), server.end)
    started = False
    try:
        await _check(ledger)
        await keeper.look()
        with watched.running():
            started = True
            log.info("receiver_started", port=listener.getsockname()[1])
            await server.serve(sockets=[listener])
        try:
            await keeper.report_refusals()
        except LedgerUnavailable as error:
            log.warning("refusals_unreported", reason=str(error))
    finally:
        await spool.close()
        await ledger.close()
        if started:
            log.info("receiver_stopped")
    return watched.status()


async def _check(ledger: Ledger) -> None:
    """Raise `BadSetting` for a Redis that does not let the receiver work. One that is away is waited for `FIRST_LOOK`
    seconds at most, because webhooks wait meanwhile; it may come back."""
    with suppress(LedgerUnavailable, TimeoutError):
        async with asyncio.timeout(FIRST_LOOK):
            await ledger.check_usable()


class _Watchman:
    """Looks at Redis often while something is wrong with it, and every minute while nothing is."""

    def __init__(self, keeper: Acceptor) -> None:
        self._keeper = keeper
        self._skip = 0

    async def look(self) -> None:
        if self._skip > 0:
            self._skip -= 1
            return
        state = await self._keeper.look()
        self._skip = int(LOOK_EVERY / LOOK_SOON) - 1 if state.available and state.durable else 0


def _watch(counts: ReceiverMetrics, keeper: Acceptor, spool: Spool, ledger: Ledger) -> None:
    counts.watch(
        "relay_redis_refused",
        "Answers of Redis with an error that nobody expects, since this process began.",
        lambda: ledger.refused,
    )
    counts.watch("relay_spool_waiting", "Notifications in this receiver's spool.", lambda: spool.waiting)
    counts.watch("relay_redis_available", "Whether Redis takes webhooks.", lambda: float(keeper.redis.available))
    counts.watch(
        "relay_redis_durable",
        "Whether Redis keeps what it acknowledges.",
        lambda: None if keeper.redis.durable is None else float(keeper.redis.durable),
    )


def configured(app: App, *, host: str = "", port: int = 0) -> uvicorn.Config:
    """How uvicorn serves; host and port where it is not given a socket."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=connection.Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # `sender.py` decides whom to believe
        server_header=False,
        timeout_keep_alive=connection.IDLE_SECONDS,
        timeout_graceful_shutdown=LAST_ANSWERS,
    )
