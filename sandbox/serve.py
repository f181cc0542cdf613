"""How the sandbox's two processes start: on loopback only, configured like the relay's own processes."""

from __future__ import annotations

import uvicorn
from starlette.applications import Starlette

from runtime import logging
from runtime.http_protocol import HttpProtocol
from runtime.settings import Settings


def load_settings(*names: str) -> Settings:
    """The settings `PORT`, log format and level, and these; also configures logging. Raises `BadSetting`."""
    settings = Settings.load(only=("PORT", "RELAY_LOG_FORMAT", "RELAY_LOG_LEVEL", *names))
    logging.configure(settings.log_format, settings.log_level)
    return settings


def serve(app: Starlette, port: int) -> None:
    """Serves until SIGTERM or SIGINT; work in flight gets two seconds."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
