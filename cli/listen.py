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
from types import FrameType
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import Failed, RelayClient, console, part, succeeded
from cli.output import Json, cell, print_json, screen

app = typer.Typer()

LOOK_EVERY = 0.5
"""Seconds between two looks."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MACHINE = (Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id"))
"""What tells machines with the same host name apart; where there are none (macOS), only the name does."""


@app.command()
def listen(
    forward_to: Annotated[str, typer.Option(help="Where callbacks go, e.g. http://127.0.0.1:3000/hooks.")],
    merchant: Annotated[str, typer.Option(help="Whose events.")] = "default",
    types: Annotated[list[str] | None, typer.Option("--type", help="A type of event; more than once.")] = None,
    as_json: Json = False,
) -> None:
    """Add an endpoint, show what is sent to it, and delete it on Ctrl-C.

    The relay itself calls the URL: for one on this machine it must run here, with RELAY_ALLOW_PRIVATE_ENDPOINTS=true.

    Example: relay listen --forward-to http://127.0.0.1:3000/hooks
    """
    body: dict[str, Any] = {"merchant": merchant, "url": forward_to, "description": _description(os.getpid())}
    with console() as api, _interruptible():
        _delete_left_behind(api, merchant)
        endpoint = api.call("POST", "/v1/endpoints", body | ({"types": types} if types else {}))
        try:
            if as_json:
                print_json(endpoint)
            else:
                screen().print(Text(f"sending to {forward_to}, signed with {endpoint['secret']}", style="bold"))
            for delivery, attempt in attempts(api, endpoint["id"]):
                if as_json:
                    print_json({"delivery": delivery["id"], "type": delivery["type"], **attempt})
                else:
                    screen().print(_told(delivery, attempt))
        finally:
            api.call("DELETE", f"/v1/endpoints/{part(endpoint['id'])}")
            with suppress(OSError):  # the terminal may be gone
                print(f"relay: {endpoint['id']} is deleted", file=sys.stderr)


def attempts(api: RelayClient, endpoint: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every attempt at this endpoint as it is made, for ever. Raises `Failed` when the endpoint is gone."""
    shown: dict[str, int] = {}
    while True:
        try:
            deliveries = api.call("GET", "/v1/deliveries", endpoint=endpoint, limit=200)["data"]
        except Failed as error:
            if error.status is not None and error.status < 500:
                raise
            deliveries = []
        for delivery in reversed(deliveries):
            before = shown.get(delivery["id"], 0)
            for attempt in delivery["attempts"][before:]:
                yield delivery, attempt
            shown[delivery["id"]] = len(delivery["attempts"])
        time.sleep(LOOK_EVERY)


def _told(delivery: dict[str, Any], attempt: dict[str, Any]) -> Text:
    outcome = str(attempt["status_code"] or "no answer") if attempt["error"] is None else cell(attempt["error"]).plain
    return Text.assemble(
        (f"{attempt['at']}  ", "dim"), (f"{delivery['type']:<32}", "bold"), cell(delivery["imp_uid"]), " → ",
        (outcome, "green" if succeeded(attempt) else "red"), (f"  {attempt['duration_ms']} ms", "dim"),
    )  # fmt: skip


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and a terminal that is closed end it like Ctrl-C, once, so that the endpoint is deleted. A signal that
    is ignored stays ignored: `nohup` means that."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    heeded = [number for number in _ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heeded}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _description(pid: int) -> str:
    return f"made by relay listen on {socket.gethostname()} ({_machine()}), process {pid}"


def _machine() -> str:
    """This machine since its start, and whose processes are seen here: a container has numbers of its own."""
    known = []
    for path in _MACHINE:
        with suppress(OSError):
            known.append(path.read_text().strip())
    with suppress(OSError):
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]


def _delete_left_behind(api: RelayClient, merchant: str) -> None:
    """Delete what runs on this machine that were killed have left: the relay would call it for days."""
    for endpoint in _endpoints(api, merchant):
        pid = endpoint["description"].rpartition(" ")[2]
        if pid.isdecimal() and endpoint["description"] == _description(int(pid)) and not _runs(int(pid)):
            api.call("DELETE", f"/v1/endpoints/{part(endpoint['id'])}")
            print(f"relay: {endpoint['id']} of a run that was killed is deleted", file=sys.stderr)


def _endpoints(api: RelayClient, merchant: str) -> list[dict[str, Any]]:
    """All of a merchant's, read to the end before one of them is deleted."""
    page = api.call("GET", "/v1/endpoints", merchant=merchant, limit=200)
    found = list(page["data"])
    while page["next_cursor"] is not None:
        page = api.call("GET", "/v1/endpoints", merchant=merchant, limit=200, cursor=page["next_cursor"])
        found += page["data"]
    return found


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True
