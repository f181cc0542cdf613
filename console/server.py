"""The console as a process: put together, served by uvicorn, ended in order."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from console.app import make_app
from console.context import Context
from iamport.merchant_clients import MerchantClients
from iamport.transport import iamport_transport
from ledger.acl_watch import AclWatch
from ledger.ledger import Ledger
from runtime import listening
from runtime.encryption import Sealer
from runtime.http_protocol import HttpProtocol
from runtime.settings import Settings

HOST, PORT = "127.0.0.1", 8001
LAST_ANSWERS = 10
"""Seconds for requests under way when the process is asked to stop; live streams would never end by themselves."""

log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn that leaves the signals to us: its own handlers end the process by the signal."""

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

    def end(self) -> None:
        """Answer what is under way, and end."""
        self.should_exit = True

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on. Raises `BadSetting` when it cannot be had."""
    return listening.listen(settings.host or HOST, settings.port or PORT)


def make_context(settings: Settings) -> Context:
    """What handlers work with. Raises `BadSetting` for what is missing or is no address of a Redis."""
    settings.needs("api_tokens", "encryption_keys")
    sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
    ledger = Ledger.connect(settings.redis_url, settings.queue_url, replica_acks=settings.replica_acks)
    accounts = MerchantClients(settings, sealer, iamport_transport(settings), ledger.tokens, ledger.merchants.get)
    return Context(ledger, sealer, settings, accounts, AclWatch(ledger))


def make_server(context: Context) -> Server:
    """A server of the console's application, which closes the ledger when it ends."""
    app = make_app(context)
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # Whether a request came from this machine decides who may read /metrics: nobody's header says so.
        proxy_headers=False,
        timeout_graceful_shutdown=LAST_ANSWERS,
    )
    server = Server(config)
    # Streams of live pages never end by themselves.
    app.state.is_ending = lambda: server.should_exit
    return server


async def serve(server: Server, listener: socket.socket) -> None:
    """Answer operators until SIGTERM or SIGINT, or until the server is told to end."""
    log.info("console_started", port=listener.getsockname()[1])
    await server.serve(sockets=[listener])
    log.info("console_stopped")
