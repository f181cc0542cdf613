"""`relay up`: starts everything on this machine, plays a demo and shows every step, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import strongest_token
from cli.data_dir import DataDir
from cli.demo import Demo
from cli.failure import CommandFailed
from cli.narrator import Narrator
from cli.screen import Screen
from cli.stack import Addresses, LocalStack, environment
from cli.supervisor import Supervisor
from runtime.settings import Settings
from runtime.signals import TERMINAL_SIGNALS, handled_in_loop
from schemas.errors import BadSetting, RelayError

app = typer.Typer()


@app.command()
def up(
    directory: Annotated[Path, typer.Option("--var", help="The directory for Redis, keys and logs.")] = Path("var"),
    demo: Annotated[bool, typer.Option(help="Play the demo once everything runs.")] = True,
    once: Annotated[bool, typer.Option("--once", help="Stop after the demo; exit 1 if a callback is missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every step as a line of JSON.")] = False,
) -> None:
    """Start Redis, the i'mport sandbox, receiver, worker, console and a subscriber, play a demo and keep running.

    Example: relay up --once
    """
    try:
        data_dir = DataDir(directory)
    except (CommandFailed, BadSetting, RelayError, OSError) as error:
        raise _fail(error) from None
    try:
        complete = asyncio.run(_Up(data_dir, demo, once, Screen(Narrator(), as_json=as_json)).run())
    except (CommandFailed, BadSetting, RelayError, OSError) as error:
        raise _fail(error) from None
    finally:
        data_dir.close()
    raise typer.Exit(0 if complete else 1)


def _fail(error: Exception) -> typer.Exit:
    print(f"relay up: {error}", file=sys.stderr)
    return typer.Exit(1)


class _Up:
    """One run of `relay up`: start, demo, wait, stop."""

    def __init__(self, data_dir: DataDir, demo: bool, once: bool, screen: Screen) -> None:
        self._data_dir = data_dir
        self._play = demo
        self._once = once
        self._screen = screen
        self._complete = True

    async def run(self) -> bool:
        """Run until the end; whether the demo was complete (True without a demo). Raises `CommandFailed`."""
        stop = asyncio.Event()
        supervisor = Supervisor(self._data_dir.logs, self._data_dir.lock, self._screen.add, self._on_death)

        def stop_or_kill() -> None:
            if stop.is_set():
                supervisor.kill()
            stop.set()

        with handled_in_loop(stop_or_kill, TERMINAL_SIGNALS):
            printing = asyncio.create_task(self._screen.keep_printing())
            work = asyncio.create_task(self._work(supervisor))
            stopping = asyncio.create_task(stop.wait())
            try:
                ends: set[asyncio.Future[Any]] = {work, stopping, supervisor.failed}
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
                finally:  # even if printing fails, because the terminal is gone
                    await supervisor.end()
            if supervisor.failed.done():
                supervisor.failed.result()
            if not work.cancelled():
                work.result()
            self._screen.say("all stopped", "dim")
            return self._complete

    async def _work(self, supervisor: Supervisor) -> None:
        addresses = Addresses.choose(os.environ)
        environ = environment(self._data_dir, addresses, os.environ)
        settings = Settings.load(environ)
        for name, usual in addresses.moved.items():
            self._screen.say(f"port {usual} is taken: {name} listens on {addresses.ports[name]}", "yellow")
        stack = LocalStack(supervisor, self._data_dir, addresses, environ)
        self._screen.say("starting …", "dim")
        await stack.redis()
        await stack.server("sandbox", "sandbox", "/", SANDBOX_WEBHOOK_URL=f"{addresses.url('receiver')}/webhooks")
        await asyncio.gather(
            stack.server("receiver", "receiver", "/readyz"),
            stack.worker(),
            stack.server("console", "console", "/livez"),
        )
        token = strongest_token(settings)
        demo = Demo(self._screen, addresses, token)
        secrets = await demo.register()
        of_paths = ",".join(f"{path}={secret}" for path, secret in secrets.items())
        await stack.server("subscriber", "sandbox.subscriber", "/", SUBSCRIBER_SECRETS=of_paths)
        self._data_dir.announce(console_url=addresses.url("console"), token=token, sandbox_url=addresses.url("sandbox"))
        self._print_addresses(addresses)
        if self._play:
            self._complete = await demo.play()
        if self._once:
            return
        self._screen.say("\nStill up; every further step is shown here. Ctrl-C stops everything. Try for example:")
        for scenario in ("duplicate", "out-of-order", "forged"):
            self._screen.say(f"  curl -X POST {addresses.url('sandbox')}/_sandbox/scenarios/{scenario}")
        self._screen.say()
        await asyncio.Event().wait()

    def _on_death(self, name: str, status: int) -> None:
        self._screen.say(f"{name} ended with status {status}: restarting it", "red")

    def _print_addresses(self, addresses: Addresses) -> None:
        var = self._data_dir.shown
        self._screen.say("\niamport-relay is up\n", "bold")
        for name, what in (
            ("receiver", "takes webhooks at /webhooks"),
            ("console", f"operator API and web console; the token is in {var}/api-token"),
            ("sandbox", "offline i'mport"),
            ("subscriber", "takes the callbacks"),
            ("redis", f"the ledger, stored in {var}/redis"),
        ):
            self._screen.say(f"  {name:<11} {addresses.url(name):<28} {what}")
        self._screen.say(f"  {'worker':<11} {'':<28} refreshes payments, delivers callbacks")
        self._screen.say(f"\nThe logs of all processes are in {var}/log")
