"""`relay events`: what happened, and who heard of it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console, part
from cli.output import Cursor, Json, Limit, OfMerchant, listed, shown

app = typer.Typer(help="Events: what happened, and who heard of it.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The event's id, evt_….")]


@app.command("list")
def list_(
    merchant: OfMerchant = None,
    imp_uid: Annotated[str | None, typer.Option(help="Of one payment.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Of one type, e.g. payment.paid.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded from this RFC 3339 time on.")] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this RFC 3339 time.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List events, newest recorded first.

    Example: relay events list --imp-uid imp_448280090638
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/events", merchant=merchant, imp_uid=imp_uid, type=type_, since=since, until=until, limit=limit,
            cursor=cursor,
        )  # fmt: skip
    columns = ("recorded_at", "id", "type", "data.merchant", "data.imp_uid", "data.sequence", "data.status", "silent")
    listed(answer, columns, as_json=as_json)


@app.command()
def show(event: Id, as_json: Json = False) -> None:
    """Show an event: the callback's body.

    Example: relay events show evt_ab12cd34 --json | jq .data
    """
    with console() as api:
        shown(api.call("GET", f"/v1/events/{part(event)}"), as_json=as_json)


@app.command()
def explain(
    event: Id,
    endpoint: Annotated[str, typer.Option(help="The endpoint's id.")],
    as_json: Json = False,
) -> None:
    """Why an endpoint has, has not, or not yet got an event.

    Example: relay events explain evt_ab12cd34 --endpoint ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("GET", f"/v1/events/{part(event)}/explain", endpoint=endpoint)
    shown(answer, as_json=as_json, leave_out=("delivery",))
