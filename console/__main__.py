"""`python -m console`: the operator API and the web console, on 127.0.0.1:8001 unless HOST and PORT say otherwise."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from socket import socket

import uvloop

from console.context import Context
from console.server import listen, make_context, make_server, serve
from ledger.acl_watch import EVERY as WATCH_EVERY
from runtime.environment import warn_of_settings_without_effect
from runtime.logging import configure
from runtime.periodic import Background, Periodic
from runtime.settings import Settings
from schemas.errors import BadSetting

_FIRST_LOOK = 3.0
"""Seconds for which requests wait until rights and keys are checked; a Redis that is away for longer is asked later."""


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit status. A setting that is missing or wrong is one line on stderr."""
    try:
        settings = Settings.load()
        configure(settings.log_format, settings.log_level)
        warn_of_settings_without_effect(os.environ)
        context = make_context(settings)
        listener = listen(settings)
        return uvloop.run(run(context, listener))
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1


def background(context: Context, checked: asyncio.Event) -> tuple[Periodic, ...]:
    """What a console does besides answering; ``checked`` is set when its rights and keys will do."""

    async def check() -> None:
        await context.ledger.check_usable()
        await context.ledger.begin(context.sealer)
        checked.set()

    async def watch() -> None:
        # What is wrong at the start ends the process with one line, so it is not told here as well.
        await checked.wait()
        await context.watch.log_problems()

    return (Periodic("check", check, 1.0, once=True), Periodic("watch", watch, WATCH_EVERY))


async def run(context: Context, listener: socket) -> int:
    """Serve; the exit status: 0, or 1 where background work failed and a restart is needed. With keys that are not this
    ledger's, or a Redis that does not let it work, it ends at once, or as soon as a Redis that is away is back.

    Raises `BadSetting`.
    """
    checked, server = asyncio.Event(), make_server(context)

    def failed() -> None:
        checked.set()
        server.end()

    watched = Background(background(context, checked), failed)
    with watched.running():
        with suppress(TimeoutError):
            await asyncio.wait_for(checked.wait(), _FIRST_LOOK)
        if watched.failure is None:
            await serve(server, listener)
    return watched.status()


if __name__ == "__main__":
    sys.exit(main())
