"""The console as a process: its parts put together, served, and ended in order."""

from __future__ import annotations

from functools import partial
from socket import socket

import structlog
import uvloop

from console.app import make_app
from console.context import Context
from history import History
from iamport.merchant_clients import MerchantClients
from iamport.transport import iamport_transport
from ledger.acl_watch import EVERY as ACL_CHECK_EVERY
from ledger.ledger import Ledger
from runtime.encryption import Sealer
from runtime.http_server import HttpServer
from runtime.listening import listen
from runtime.periodic import Background, Periodic
from runtime.service_manager import notify_ready
from runtime.settings import Settings
from runtime.startup import StartupCheck

HOST, PORT = "127.0.0.1", 8001
START_CHECK_WITHIN = 3.0
"""Seconds for which requests wait until rights and keys are checked. If Redis is away for longer, it is checked later.
"""
OPEN_CHECK_EVERY = 5.0
"""Seconds between two checks of whether Redis still has an open ledger, and history still belongs to it."""
LAST_ANSWERS = 10
"""Seconds for requests under way when the process is asked to stop."""

log = structlog.get_logger()


def answer_operators(settings: Settings) -> int:
    """Serve API and console until SIGTERM or SIGINT; return the exit status. Raises `BadSetting`."""
    context = make_context(settings)
    listener = listen(settings.host or HOST, settings.port or PORT)
    return uvloop.run(serve(context, listener))


async def serve(context: Context, listener: socket) -> int:
    """Serve, and return the exit status: 0, or 1 if background work failed and a restart is needed.

    Raises `BadSetting` for keys that are not this ledger's, and for a Redis that lacks rights the console needs. If
    Redis is away, it does so when Redis is back.
    """
    server = make_server(context)
    start = StartupCheck(partial(context.ledger.open_with, context.history, context.sealer))

    def failed() -> None:
        start.give_up()
        server.end()

    tasks = Background(background(context, start), failed)
    with tasks.running():
        await start.passed(within=START_CHECK_WITHIN)
        if tasks.failure is None:
            log.info("console_started", port=listener.getsockname()[1])
            notify_ready()
            await server.serve_on(listener)
            log.info("console_stopped")
    return tasks.status()


def background(context: Context, start: StartupCheck) -> tuple[Periodic, ...]:
    """The console's periodic tasks."""

    async def watch_rights() -> None:
        # A fault at the start ends the process with one line, so it is not logged here as well.
        await start.passed()
        await context.ledger.acl_watch.log_problems()

    async def keep_open() -> None:
        await start.passed()
        if not await context.ledger.is_open_with(context.history):
            await context.ledger.open_with(context.history, context.sealer)

    return (
        start.task("check"),
        Periodic("keep_open", keep_open, OPEN_CHECK_EVERY),
        Periodic("watch_rights", watch_rights, ACL_CHECK_EVERY),
    )


def make_context(settings: Settings) -> Context:
    """The context of all handlers. Raises `BadSetting` for a missing setting or an invalid Redis URL."""
    settings.needs("api_tokens", "encryption_keys")
    sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
    ledger = Ledger.of(settings)
    accounts = MerchantClients(settings, sealer, iamport_transport(settings), ledger.tokens, ledger.merchants.get)
    history = History.connect(settings.history_url)
    return Context(ledger, history, sealer, settings, accounts)


def make_server(context: Context) -> HttpServer:
    """A server of the console's application, which closes the ledger when it ends."""
    app = make_app(context)
    server = HttpServer(app, last_answers=LAST_ANSWERS)
    # Streams of live pages never end by themselves.
    app.state.is_ending = lambda: server.should_exit
    return server
