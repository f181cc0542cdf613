"""How the sandbox's two processes listen: on loopback only, with one line where they cannot."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

import uvicorn
from starlette.applications import Starlette

from runtime.http_protocol import HttpProtocol
from schemas import logs
from schemas.errors import BadSetting


def port_of(environ: Mapping[str, str], default: int) -> int:
    """`PORT`, or ``default``. Raises `BadSetting`."""
    text = environ.get("PORT", "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:6]) < 65536:
        raise BadSetting(f"PORT={text!r}: takes a port number, 1 to 65535")
    return int(text)


def set_up_logs(environ: Mapping[str, str]) -> None:
    """By `RELAY_LOG_FORMAT` and `RELAY_LOG_LEVEL`, as the relay's own processes. Raises `BadSetting`."""
    level = (environ.get("RELAY_LOG_LEVEL", "").strip() or "info").upper()
    if level not in logging.getLevelNamesMapping():
        raise BadSetting(f"RELAY_LOG_LEVEL={level!r}: takes debug, info, warning or error")
    log_format: Literal["json", "console"] = "console" if environ.get("RELAY_LOG_FORMAT") == "console" else "json"
    logs.configure(log_format, level)


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
