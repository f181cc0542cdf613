"""``python -m workers``: `RELAY_WORKERS` worker processes, or this one alone if that is 1."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial

from runtime.garbage import collect_less, importing

with importing():
    import uvloop

    from history import History
    from ledger import Ledger
    from runtime import process
    from runtime.authorities import read_authorities
    from runtime.children import Children
    from runtime.encryption import Sealer
    from runtime.open_files import allow_open_files
    from runtime.service_manager import notify_stopping
    from runtime.settings import Settings
    from runtime.signals import StopRequest, handled
    from runtime.startup import check_once
    from runtime.tracing import tracing
    from workers.app import STOP_WITHIN, WorkerProcess
    from workers.deliver import MOST_IN_FLIGHT


def main() -> int:
    """Run the worker processes; return the exit status."""
    return process.run(run)


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT, in as many processes as the settings say; return the exit status. Raises
    `BadSetting`."""
    settings.needs("encryption_keys")
    if settings.workers == 1:
        return work(settings, on_stop=notify_stopping)
    read_authorities()
    collect_less()  # the collector would write into the memory that the processes share
    return Children(partial(work, settings), settings.workers, STOP_WITHIN).run()


def work(settings: Settings, on_stop: Callable[[], object] | None = None) -> int:
    """Work in this process until SIGTERM or SIGINT, then call `on_stop`; return the exit status. Raises
    `BadSetting`."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    is_history_prepared = asyncio.run(_check(settings))
    allow_open_files(MOST_IN_FLIGHT + 512)  # an endpoint that hangs keeps its connection
    with tracing("worker") as tracer:
        app = WorkerProcess(settings, is_history_prepared=is_history_prepared, tracer=tracer)
        collect_less()
        stop = StopRequest()
        with handled(stop.make):
            return app.run(stop, on_stop)


async def _check(settings: Settings) -> bool:
    """Raise `BadSetting` for wrong keys, and for a Redis or a history that lacks what a worker needs. If one of them is
    away, the worker checks it later. Return whether history is prepared."""
    ledger = Ledger.of(settings)
    history = History.connect(settings.history_url)
    sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
    try:
        await check_once(partial(ledger.begin, sealer))
        return await check_once(history.prepare)
    finally:
        await history.close()
        await ledger.close()


if __name__ == "__main__":
    sys.exit(main())
