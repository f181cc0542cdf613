"""`python -m console`: the operator API and the web console, on 127.0.0.1:8001 unless HOST and PORT say otherwise."""

from __future__ import annotations

import asyncio
import os
import sys
from socket import socket

import structlog
import uvloop

from console.context import Context
from console.server import listen, make_context, serve
from ledger.start import begin, usable
from schemas.environment import warn_of_settings_without_effect
from schemas.errors import BadSetting, LedgerUnavailable
from schemas.logs import configure
from schemas.settings import Settings

_FIRST_LOOK = 3.0
"""Seconds for which requests wait until rights and keys are checked; a Redis that is away for longer is asked later."""

log = structlog.get_logger()


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit status. A setting that is missing or wrong is one line on stderr."""
    try:
        settings = Settings.load()
        configure(settings.log_format, settings.log_level)
        warn_of_settings_without_effect(os.environ)
        context = make_context(settings)
        listener = listen(settings)
        uvloop.run(run(context, listener))
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def run(context: Context, listener: socket) -> None:
    """Serve; with keys that are not this ledger's, or a Redis that does not let it work, that ends at once, or as soon
    as a Redis that is away is back.

    Raises `BadSetting`.
    """
    checking = asyncio.create_task(_check(context))
    await asyncio.wait({checking}, timeout=_FIRST_LOOK)
    if checking.done():
        checking.result()
    serving = asyncio.create_task(serve(context, listener))
    await asyncio.wait({checking, serving}, return_when=asyncio.FIRST_COMPLETED)
    if checking.done():
        checking.result()
    await serving


async def _check(context: Context) -> None:
    while True:
        try:
            await usable(context.ledger)
            await begin(context.ledger.store, context.sealer)
        except LedgerUnavailable as error:
            log.warning("ledger_away", error=str(error))
            await asyncio.sleep(1)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
