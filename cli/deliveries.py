"""`relay deliveries`: what is on its way to whom, and trying again."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console, part
from cli.output import Cursor, Json, Limit, done, listed, shown

app = typer.Typer(help="Deliveries: what is on its way to whom.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The delivery's id: {event id}.{endpoint id}.")]


@app.command("list")
def list_(
    endpoint: Annotated[str | None, typer.Option(help="To one endpoint.")] = None,
    event: Annotated[str | None, typer.Option(help="Of one event.")] = None,
    state: Annotated[str | None, typer.Option(help="pending, delivered, dead, held or discarded.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first.

    Example: relay deliveries list --state dead
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/deliveries", endpoint=endpoint, event=event, state=state, limit=limit, cursor=cursor
        )
    listed(answer, ("id", "type", "imp_uid", "state", "next_attempt_at", "reason"), as_json=as_json)


@app.command()
def show(delivery: Id, as_json: Json = False) -> None:
    """Show a delivery with its attempts.

    Example: relay deliveries show evt_ab12cd34.ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        shown(api.call("GET", f"/v1/deliveries/{part(delivery)}"), as_json=as_json)


@app.command()
def retry(delivery: Id, as_json: Json = False) -> None:
    """Have a delivery attempted now.

    Example: relay deliveries retry evt_ab12cd34.ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("POST", f"/v1/deliveries/{part(delivery)}/retry")
    done(f"{delivery} is sent again", answer, as_json=as_json)
