"""`relay tail`: shows events as they are recorded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import CallFailed, RelayClient, console
from cli.output import Json, MerchantFilter, cell, print_json, terminal

app = typer.Typer()

POLL_INTERVAL = 1.0
"""Seconds between two requests."""
_REMEMBERED = 5000


@app.command()
def tail(
    merchant: MerchantFilter = None,
    imp_uid: Annotated[str | None, typer.Option(help="Only events of this payment.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only events of this type, e.g. payment.paid.")] = None,
    last: Annotated[int, typer.Option(min=0, max=200, help="Show this many of the latest events first.")] = 10,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after this many events.")] = None,
    as_json: Json = False,
) -> None:
    """Show events as they are recorded, until Ctrl-C; with --json one a line.

    Example: relay tail --type payment.paid
    """
    query = {"merchant": merchant, "imp_uid": imp_uid, "type": type_}
    with suppress(KeyboardInterrupt), console() as api:
        for number, event in enumerate(events(api, query, last), 1):
            if as_json:
                print_json(event)
            else:
                terminal().print(rendered(event))
            if number == count:
                return


def events(api: RelayClient, query: dict[str, str | None], last: int) -> Iterator[dict[str, Any]]:
    """Yields the latest events, oldest first, then new ones without end. Raises `CallFailed` if the first request
    fails; repeats later requests while the console is away."""
    first = api.call("GET", "/v1/events", limit=200, **query)["data"]
    seen = deque((event["id"] for event in reversed(first)), maxlen=_REMEMBERED)
    yield from reversed(first[:last])
    while True:
        time.sleep(POLL_INTERVAL)
        try:
            fresh = _new_events(api, query, set(seen))
        except CallFailed as error:
            if error.status is not None and error.status < 500:
                raise
            continue
        for event in fresh:
            seen.append(event["id"])
            yield event


def rendered(event: dict[str, Any]) -> Text:
    """One event in one line."""
    data = event["data"]
    about = cell(data.get("imp_uid") or data.get("endpoint"))
    status = cell(data.get("status"))
    time_, type_, amount = event["recorded_at"], event["type"], data.get("amount")
    money = f" {amount} {data.get('currency', '')}" if amount is not None else ""
    head, tail_ = (f"{time_}  ", "dim"), (f"  {event['id']}", "dim")
    return Text.assemble(head, (f"{type_:<32}", "bold"), about, " → ", status, money, tail_)


def _new_events(api: RelayClient, query: dict[str, str | None], seen: set[str]) -> list[dict[str, Any]]:
    """The events that are not in `seen`, oldest first. Reads pages until one holds a seen event."""
    fresh: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = api.call("GET", "/v1/events", limit=200, cursor=cursor, **query)
        new = [event for event in page["data"] if event["id"] not in seen]
        fresh += new
        cursor = page["next_cursor"]
        if len(new) < len(page["data"]) or not page["data"] or cursor is None or len(fresh) >= _REMEMBERED:
            return fresh[::-1]
