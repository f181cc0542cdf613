"""The receiver process: it builds its parts, serves them, and ends them in order."""

from __future__ import annotations

import random
import socket
from functools import partial
from typing import NamedTuple

import structlog
import uvloop

from ledger.acl_watch import EVERY as ACL_CHECK_EVERY
from ledger.acl_watch import AclWatch
from ledger.ledger import Ledger
from receiver import http_connection
from receiver.acceptor import Acceptor
from receiver.app import ReceiverApp, routes
from receiver.health import MetricsPage, Readyz, livez
from receiver.interfaces import Spool
from receiver.known_merchants import KnownMerchants
from receiver.limiter import RateLimiter
from receiver.merchant_cache import MerchantCache
from receiver.metrics import ReceiverMetrics
from receiver.no_spool import NoSpool
from receiver.redis_watch import RedisWatch
from receiver.source_address import SourceAddresses
from receiver.spool import FileSpool
from receiver.spool_report import SpoolReport
from receiver.webhook_log import WebhookLog
from receiver.webhooks import WebhookHandler
from runtime.garbage import collect_less
from runtime.http_server import HttpServer, OnTick
from runtime.listening import listen
from runtime.metrics_access import MetricsAccess
from runtime.open_files import allow_open_files
from runtime.periodic import Background, Periodic
from runtime.service_manager import notify_ready
from runtime.settings import Settings
from runtime.startup import Check, check_once
from runtime.tracing import Tracer, tracing
from schemas.errors import LedgerUnavailable

HOST = "0.0.0.0"  # noqa: S104  # webhooks come from outside: on every interface
PORT = 8000
BACKLOG = 2048
"""Connections that may wait to be accepted."""
RATE = 500.0
BURST = 1000.0
"""Webhooks one source may send a second, and at once. This machine, i'mport and RELAY_ALLOWED_IPS have no limit."""
DRAIN_EVERY = 0.5
LEARN_EVERY = 5.0
REPORT_EVERY = 5.0
REDIS_CHECK_EVERY = 60.0
TROUBLED_REDIS_CHECK_EVERY = 5.0
"""Seconds between two checks whether Redis is durable: while it is, and while it is not."""
CELLS_CHECK_EVERY = 1.0
"""Seconds after which the number of cells is checked again, until it proves right."""
START_CHECK_WITHIN = 2.0
"""Seconds that webhooks wait at the start for the checks of the rights in Redis and of the number of cells."""
LAST_ANSWERS = 20
"""Seconds for requests under way when the process is asked to stop; a supervisor allows 30 in all."""

log = structlog.get_logger()


def take_webhooks(settings: Settings) -> int:
    """Take webhooks until SIGTERM or SIGINT; return the exit status. Raises `BadSetting`."""
    allow_open_files(http_connection.CONNECTIONS + 256)
    listener = listen(settings.host or HOST, settings.port or PORT, backlog=BACKLOG)
    with tracing("receiver") as tracer:
        return uvloop.run(serve(settings, listener, tracer))


async def serve(settings: Settings, listener: socket.socket, tracer: Tracer | None = None) -> int:
    """Take webhooks until SIGTERM or SIGINT; return the exit status: 0, or 1 if background work failed and a restart is
    needed.

    Raises `BadSetting` for an invalid Redis URL, for a Redis that lacks what the receiver needs, and for a ledger with
    another number of cells. A Redis that is away is no error: it may come back.
    """
    ledger = Ledger.of(settings)
    spool: Spool = FileSpool(settings.spool_dir) if settings.spool_dir else NoSpool()
    port = listener.getsockname()[1]
    app, parts = _assemble(settings, ledger, spool, port, tracer)
    server = make_server(app)
    tasks = Background(background(parts), server.end)
    started = False
    try:
        await check_once(partial(_check, ledger), within=START_CHECK_WITHIN)
        await parts.acceptor.check_redis()
        collect_less()
        with tasks.running():
            started = True
            log.info("receiver_started", port=port)
            notify_ready()
            await server.serve_on(listener)
        try:
            await parts.acceptor.report_refusals()
        except LedgerUnavailable as error:
            log.warning("refusals_not_reported", reason=str(error))
    finally:
        await spool.close()
        await ledger.close()
        if started:
            log.info("receiver_stopped")
    return tasks.status()


def _assemble(
    settings: Settings, ledger: Ledger, spool: Spool, port: int, tracer: Tracer | None
) -> tuple[ReceiverApp, Parts]:
    """The application, and the parts of it that work in the background."""
    metrics, merchants, webhook_log = ReceiverMetrics(), KnownMerchants(), WebhookLog()
    cache = MerchantCache(settings.spool_dir) if settings.spool_dir else None
    if cache is not None and (known := cache.read()) is not None:
        merchants.learn(known)
    acceptor = Acceptor(
        ledger.intake,
        ledger.durability,
        spool,
        metrics,
        merchants,
        require_durable=settings.require_durable,
        write_cache=cache.write if cache is not None else None,
    )
    _add_gauges(metrics, acceptor, spool, ledger)
    sources = SourceAddresses(settings.allowed_ips, settings.trusted_proxies)
    limiter = RateLimiter(rate=RATE, burst=BURST)
    handler = WebhookHandler(acceptor, sources, limiter, merchants, metrics, webhook_log, random.Random(), tracer)
    app = ReceiverApp(
        routes(
            webhooks=handler,
            not_posted=handler.not_posted,
            livez=livez,
            readyz=Readyz(acceptor, spool, require_durable=settings.require_durable),
            metrics=MetricsPage(metrics.exposed, MetricsAccess(settings.api_tokens)),
        ),
        no_such_path=handler.no_such_path,
    )
    spool_report = SpoolReport(ledger.intake, spool, port, lambda: acceptor.spool_trouble)
    return app, Parts(acceptor, webhook_log, spool_report, ledger.acl_watch, ledger.intake.check_cells)


async def _check(ledger: Ledger) -> None:
    await ledger.check_usable()
    await ledger.intake.check_cells()


def make_server(app: ReceiverApp, end_expired: OnTick | None = http_connection.end_expired) -> HttpServer:
    """A server whose connections have limits (see `http_connection.py`); `end_expired` ends
    those that take too long."""
    return HttpServer(
        app,
        protocol=http_connection.Connection,
        idle_seconds=http_connection.IDLE_SECONDS,
        last_answers=LAST_ANSWERS,
        lifespan="off",
        every_second=end_expired,
    )


class Parts(NamedTuple):
    """The parts that a receiver's periodic tasks use."""

    acceptor: Acceptor
    webhook_log: WebhookLog
    spool_report: SpoolReport
    acl_watch: AclWatch
    check_cells: Check


def background(parts: Parts) -> tuple[Periodic, ...]:
    """The receiver's periodic tasks."""
    acceptor = parts.acceptor
    redis_watch = RedisWatch(acceptor.check_redis, round(REDIS_CHECK_EVERY / TROUBLED_REDIS_CHECK_EVERY))
    return (
        Periodic("drain", acceptor.drain, DRAIN_EVERY),
        Periodic("learn_merchants", acceptor.learn_merchants, LEARN_EVERY),
        Periodic("report_refusals", acceptor.report_refusals, REPORT_EVERY),
        Periodic("log_left_out", parts.webhook_log.log_left_out, 1.0),
        Periodic("watch_redis", redis_watch.step, TROUBLED_REDIS_CHECK_EVERY),
        Periodic("report_spool", parts.spool_report.report, REPORT_EVERY),
        Periodic("watch_rights", parts.acl_watch.log_problems, ACL_CHECK_EVERY),
        Periodic("check_cells", parts.check_cells, CELLS_CHECK_EVERY),
    )


def _add_gauges(metrics: ReceiverMetrics, acceptor: Acceptor, spool: Spool, ledger: Ledger) -> None:
    gauge = metrics.exposed.gauge
    gauge(
        "relay_redis_refused",
        "Answers of Redis with an unexpected error, since this process began.",
        lambda: ledger.refused,
    )
    gauge("relay_spool_waiting", "Notifications in this receiver's spool.", lambda: spool.waiting)
    gauge("relay_redis_available", "Whether Redis takes webhooks.", lambda: float(acceptor.redis.available))
    gauge(
        "relay_redis_durable",
        "Whether Redis keeps what it acknowledges.",
        lambda: None if acceptor.redis.durable is None else float(acceptor.redis.durable),
    )
