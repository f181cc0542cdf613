"""uvicorn as every process uses it: HTTP/1.1, stopped by our signals, logging nothing but errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from socket import socket
from typing import Any, Literal

import uvicorn

from runtime.http_protocol import HttpProtocol
from runtime.service_manager import notify_stopping
from runtime.signals import handled_in_loop

TICKS = 10
"""How often a second uvicorn calls `on_tick`."""

OnTick = Callable[[Iterable[Any], float], object]
"""Called once a second with the open connections and the loop's time."""


class HttpServer(uvicorn.Server):
    """Serves an ASGI application. After SIGTERM or SIGINT it stops serving and returns, so that the process can close
    what it has open. uvicorn's own handlers would end the process by the signal instead."""

    def __init__(
        self,
        app: Any,
        *,
        last_answers: int,
        protocol: type[HttpProtocol] = HttpProtocol,
        idle_seconds: int = 5,
        lifespan: Literal["auto", "off"] = "auto",
        every_second: OnTick | None = None,
        stops_by_signals: bool = True,
    ) -> None:
        """`last_answers`: seconds for requests under way when the process is asked to stop. `idle_seconds`: how long a
        connection is kept between two requests. `stops_by_signals`: the process has nothing else to stop."""
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan=lifespan,
            interface="asgi3",
            log_config=None,
            log_level=logging.ERROR,  # each process logs its own start and end, and a client's errors are not ours
            access_log=False,
            proxy_headers=False,  # the application decides which proxies to believe
            server_header=False,
            timeout_keep_alive=idle_seconds,
            timeout_graceful_shutdown=last_answers,
        )
        super().__init__(config)
        self._every_second = every_second
        self._stops_by_signals = stops_by_signals

    async def serve_on(self, listener: socket) -> None:
        """Answer requests until SIGTERM, SIGINT or `end`. A second signal ends it without the answers under way."""
        await self.serve(sockets=[listener])

    def end(self) -> None:
        """Answer the requests under way, then end."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals that stop the server while it serves."""
        with handled_in_loop(self._stop) if self._stops_by_signals else nullcontext():
            yield

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls this `TICKS` times a second; True ends the server."""
        if self._every_second is not None and counter % TICKS == 0:
            self._every_second(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def _stop(self) -> None:
        notify_stopping()
        self.force_exit = self.should_exit
        self.should_exit = True
