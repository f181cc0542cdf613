"""`relay listen`: a temporary endpoint for development."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import CallFailed, RelayClient, console, path_part, succeeded
from cli.output import Json, cell, print_json, terminal
from runtime.signals import TERMINAL_SIGNALS, handled, ignore

app = typer.Typer()

POLL_INTERVAL = 0.5
"""Seconds between two requests."""
_MACHINE = (Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id"))
"""Files that distinguish machines with the same host name; without them (macOS) only the host name counts."""


@app.command()
def listen(
    forward_to: Annotated[str, typer.Option(help="The URL to send callbacks to, e.g. http://127.0.0.1:3000/hooks.")],
    merchant: Annotated[str, typer.Option(help="The merchant whose events it gets.")] = "default",
    types: Annotated[list[str] | None, typer.Option("--type", help="An event type; can be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Add a temporary endpoint, show its callbacks, and delete it on Ctrl-C.

    The relay itself calls the URL. To reach one on this machine, the relay must run here with
    RELAY_ALLOW_PRIVATE_ENDPOINTS=true.

    Example: relay listen --forward-to http://127.0.0.1:3000/hooks
    """
    body: dict[str, Any] = {"merchant": merchant, "url": forward_to, "description": _description(os.getpid())}
    with console() as api, _interruptible():
        _delete_of_killed_runs(api, merchant)
        endpoint = api.call("POST", "/v1/endpoints", body | ({"types": types} if types else {}))
        try:
            if as_json:
                print_json(endpoint)
            else:
                terminal().print(Text(f"sending to {forward_to}, signed with {endpoint['secret']}", style="bold"))
            for delivery, attempt in attempts(api, endpoint["id"]):
                if as_json:
                    print_json({"delivery": delivery["id"], "type": delivery["type"], **attempt})
                else:
                    terminal().print(_rendered(delivery, attempt))
        finally:
            api.call("DELETE", f"/v1/endpoints/{path_part(endpoint['id'])}")
            with suppress(OSError):  # the terminal may be gone
                print(f"relay: {endpoint['id']} is deleted", file=sys.stderr)


def attempts(api: RelayClient, endpoint: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yields the attempts at this endpoint as they are made. Raises `CallFailed` once the endpoint is deleted."""
    shown: dict[str, int] = {}
    while True:
        try:
            deliveries = api.call("GET", "/v1/deliveries", endpoint=endpoint, limit=200)["data"]
        except CallFailed as error:
            if error.status is not None and error.status < 500:
                raise
            deliveries = []
        for delivery in reversed(deliveries):
            before = shown.get(delivery["id"], 0)
            for attempt in delivery["attempts"][before:]:
                yield delivery, attempt
            shown[delivery["id"]] = len(delivery["attempts"])
        time.sleep(POLL_INTERVAL)


def _rendered(delivery: dict[str, Any], attempt: dict[str, Any]) -> Text:
    outcome = str(attempt["status_code"] or "no answer") if attempt["error"] is None else cell(attempt["error"]).plain
    return Text.assemble(
        (f"{attempt['at']}  ", "dim"), (f"{delivery['type']:<32}", "bold"), cell(delivery["imp_uid"]), " → ",
        (outcome, "green" if succeeded(attempt) else "red"), (f"  {attempt['duration_ms']} ms", "dim"),
    )  # fmt: skip


@contextmanager
def _interruptible() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP act like Ctrl-C, so that the endpoint is deleted. Further signals are
    ignored then. A signal that was ignored before (`nohup`) stays ignored."""

    def interrupt() -> None:
        ignore(TERMINAL_SIGNALS)
        raise KeyboardInterrupt

    heeded = [number for number in TERMINAL_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    with handled(interrupt, heeded), suppress(KeyboardInterrupt):
        yield


def _description(pid: int) -> str:
    return f"made by relay listen on {socket.gethostname()} ({_machine()}), process {pid}"


def _machine() -> str:
    """A digest of this machine, its boot, and its process namespace: a container has its own process ids."""
    known = []
    for path in _MACHINE:
        with suppress(OSError):
            known.append(path.read_text().strip())
    with suppress(OSError):
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]


def _delete_of_killed_runs(api: RelayClient, merchant: str) -> None:
    """Deletes the endpoints of killed runs on this machine: the relay would call them for days."""
    for endpoint in list(api.all("/v1/endpoints", merchant=merchant)):
        pid = endpoint["description"].rpartition(" ")[2]
        if pid.isdecimal() and endpoint["description"] == _description(int(pid)) and not _is_running(int(pid)):
            api.call("DELETE", f"/v1/endpoints/{path_part(endpoint['id'])}")
            print(f"relay: {endpoint['id']} of a killed run is deleted", file=sys.stderr)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's process
    return True
