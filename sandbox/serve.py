"""Serves the sandbox's two processes: on loopback only, with the relay's own settings."""

from __future__ import annotations

import structlog
import uvloop
from starlette.applications import Starlette

from runtime.http_server import HttpServer
from runtime.listening import listen

SETTINGS = ("PORT", "RELAY_LOG_FORMAT", "RELAY_LOG_LEVEL")
"""The settings of the relay that both processes read."""
LAST_ANSWERS = 2
"""Seconds for requests under way when the process is asked to stop."""

log = structlog.get_logger()


def serve(app: Starlette, port: int) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status. Raises `BadSetting` for a port that is taken."""
    listener = listen("127.0.0.1", port)
    log.info("listening", port=port)
    uvloop.run(HttpServer(app, last_answers=LAST_ANSWERS).serve_on(listener))
    return 0
