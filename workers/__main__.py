"""``python -m workers``: one worker process."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading

import structlog
import uvloop

from ledger import Ledger
from runtime import logging
from runtime.encryption import Sealer
from runtime.environment import warn_of_settings_without_effect
from runtime.settings import Settings
from schemas.errors import BadSetting, LedgerUnavailable
from workers.app import App
from workers.callback_transport import allow_connections
from workers.deliver import MOST_IN_FLIGHT


def main() -> int:
    """Run a worker until SIGTERM or SIGINT; the exit status."""
    try:
        settings = Settings.load()
        settings.needs("encryption_keys")
        logging.configure(settings.log_format, settings.log_level)
        warn_of_settings_without_effect(os.environ)
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.run(_begin(settings))
        allow_connections(MOST_IN_FLIGHT + 512)
        app = App(settings)
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _collect_less()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return app.run(stop)


def _collect_less() -> None:
    """What is there by now stays, and what a batch of payments allocates is mostly freed without the collector, which
    was a tenth of a worker's CPU: it looks at new objects less often, and at the rest hardly ever."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _begin(settings: Settings) -> None:
    """Stop here with the wrong keys, or with a Redis that does not let it work; one that is away is asked again by the
    worker itself."""
    ledger = Ledger.connect(settings.redis_url, settings.queue_url, replica_acks=settings.replica_acks)
    try:
        await ledger.check_usable()
        await ledger.begin(Sealer([key.get_secret_value() for key in settings.encryption_keys]))
    except LedgerUnavailable as error:
        structlog.get_logger().warning("ledger_away", error=str(error))
    finally:
        await ledger.close()


if __name__ == "__main__":
    sys.exit(main())
