"""``python -m workers``: one worker process."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from functools import partial

import uvloop

from ledger import Ledger
from runtime import process
from runtime.encryption import Sealer
from runtime.open_files import allow_open_files
from runtime.settings import Settings
from runtime.signals import handled
from runtime.startup import check_once
from workers.app import App
from workers.deliver import MOST_IN_FLIGHT


def main() -> int:
    """The process; its exit status."""
    return process.run(work)


def work(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; the exit status. Raises `BadSetting`."""
    settings.needs("encryption_keys")
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(_check(settings))
    allow_open_files(MOST_IN_FLIGHT + 512)  # an endpoint that hangs keeps its connection
    app = App(settings)
    _collect_less()
    stop = threading.Event()
    with handled(stop.set):
        return app.run(stop)


async def _check(settings: Settings) -> None:
    """Raise `BadSetting` for wrong keys, and for a Redis that does not let a worker work. One that is away is checked
    again by the worker itself."""
    ledger = Ledger.connect(settings.redis_url, settings.queue_url, replica_acks=settings.replica_acks)
    sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
    try:
        await check_once(partial(ledger.begin, sealer))
    finally:
        await ledger.close()


def _collect_less() -> None:
    """Run the garbage collector less often: it used a tenth of a worker's CPU, although the objects that exist by now
    stay, and nearly all that a batch of payments allocates is freed without it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


if __name__ == "__main__":
    sys.exit(main())
