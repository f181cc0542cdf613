"""``python -m workers``: one worker process."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading

import uvloop

from schemas import logs
from schemas.errors import BadSetting
from schemas.settings import Settings
from workers.app import App


def main() -> int:
    """Run a worker until SIGTERM or SIGINT; the exit status."""
    try:
        settings = Settings.load()
        settings.needs("encryption_keys")
        logs.configure(settings.log_format, settings.log_level)
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        app = App(settings)
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return app.run(stop)


if __name__ == "__main__":
    sys.exit(main())
