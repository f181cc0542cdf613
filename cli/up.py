"""`relay up`: everything under one roof, a demo, and an account of every step, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import token_of
from cli.data_dir import DataDir
from cli.demo import Demo
from cli.narrator import Narrator
from cli.screen import Screen
from cli.stack import Addresses, Stack, environment
from cli.supervisor import Supervisor
from runtime.settings import Settings
from schemas.errors import RelayError

app = typer.Typer()

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@app.command()
def up(
    directory: Annotated[Path, typer.Option("--var", help="Where Redis, keys and logs are kept.")] = Path("var"),
    demo: Annotated[bool, typer.Option(help="Play the demo once everything is up.")] = True,
    once: Annotated[bool, typer.Option("--once", help="Stop after the demo; fails if a callback is missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every step as an object on a line.")] = False,
) -> None:
    """Start Redis, a sandbox of i'mport, receiver, worker, console and a subscriber; play a demo; stay up.

    Example: relay up --once
    """
    try:
        workplace = DataDir(directory)
    except (RelayError, OSError) as error:
        raise _stopped(error) from None
    try:
        complete = asyncio.run(_Up(workplace, demo, once, Screen(Narrator(), as_json=as_json)).run())
    except (RelayError, OSError) as error:
        raise _stopped(error) from None
    finally:
        workplace.close()
    raise typer.Exit(0 if complete else 1)


def _stopped(error: Exception) -> typer.Exit:
    print(f"relay up: {error}", file=sys.stderr)
    return typer.Exit(1)


class _Up:
    """One run: start, demo, wait, stop."""

    def __init__(self, workplace: DataDir, demo: bool, once: bool, screen: Screen) -> None:
        self._workplace = workplace
        self._play = demo
        self._once = once
        self._screen = screen
        self._complete = True

    async def run(self) -> bool:
        """True unless the demo was asked for `once` and something of it is missing. Raises `RelayError`."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        children = Supervisor(self._workplace.logs, self._workplace.lock, self._screen.line, self._died)

        def asked() -> None:
            if stop.is_set():
                children.kill()
            stop.set()

        for number in _STOPS:
            loop.add_signal_handler(number, asked)
        printing = asyncio.create_task(self._screen.keep_printing())
        work = asyncio.create_task(self._work(children))
        stopping = asyncio.create_task(stop.wait())
        try:
            ends: set[asyncio.Future[Any]] = {work, stopping, children.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            stopping.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({work})
            printing.cancel()
            try:
                self._screen.print_until(time.time())
                self._screen.say("\nstopping …", "dim")
            finally:  # also when nobody reads the account any more
                await children.end()
        if children.failed.done():
            children.failed.result()
        if not work.cancelled():
            work.result()
        self._screen.say("all stopped", "dim")
        return self._complete

    async def _work(self, children: Supervisor) -> None:
        addresses = Addresses.choose(os.environ)
        environ = environment(self._workplace, addresses, os.environ)
        settings = Settings.load(environ)
        for name, usual in addresses.moved.items():
            self._screen.say(f"port {usual} is taken: {name} listens on {addresses.ports[name]}", "yellow")
        stack = Stack(children, self._workplace, addresses, environ)
        self._screen.say("starting …", "dim")
        await stack.redis()
        await stack.server("sandbox", "sandbox", "/", SANDBOX_WEBHOOK_URL=f"{addresses.url('receiver')}/webhooks")
        await asyncio.gather(
            stack.server("receiver", "receiver", "/readyz"),
            stack.worker(),
            stack.server("console", "console", "/livez"),
        )
        token = token_of(settings)
        demo = Demo(self._screen, addresses, token)
        secrets = await demo.register()
        of_paths = ",".join(f"{path}={secret}" for path, secret in secrets.items())
        await stack.server("subscriber", "sandbox.subscriber", "/", SUBSCRIBER_SECRETS=of_paths)
        self._workplace.announce(
            console_url=addresses.url("console"), token=token, sandbox_url=addresses.url("sandbox")
        )
        self._introduce(addresses)
        if self._play:
            self._complete = await demo.play()
        if self._once:
            return
        self._screen.say(
            "\nStill up; what happens next is shown here. Ctrl-C stops everything. More to see, for example:"
        )
        for scenario in ("duplicate", "out-of-order", "forged"):
            self._screen.say(f"  curl -X POST {addresses.url('sandbox')}/_sandbox/scenarios/{scenario}")
        self._screen.say()
        await asyncio.Event().wait()

    def _died(self, name: str, status: int) -> None:
        self._screen.say(f"{name} ended with status {status}: starting it again", "red")

    def _introduce(self, addresses: Addresses) -> None:
        var = self._workplace.shown
        self._screen.say("\niamport-relay is up\n", "bold")
        for name, what in (
            ("receiver", "takes webhooks at /webhooks"),
            ("console", f"operator API and web console; the token is in {var}/api-token"),
            ("sandbox", "plays i'mport"),
            ("subscriber", "hears the callbacks"),
            ("redis", f"the ledger, every write on disk, in {var}/redis"),
        ):
            self._screen.say(f"  {name:<11} {addresses.url(name):<28} {what}")
        self._screen.say(f"  {'worker':<11} {'':<28} logs of all of them are in {var}/log")
