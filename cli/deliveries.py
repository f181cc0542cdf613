"""`relay deliveries`: list and show deliveries, retry one."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console, path_part
from cli.output import (
    Cursor,
    Json,
    Limit,
    MerchantFilter,
    Since,
    TypeFilter,
    Until,
    print_fields,
    print_list,
    print_result,
)

app = typer.Typer(help="List and show deliveries, retry one.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The delivery's id: {event id}.{endpoint id}.")]


@app.command("list")
def list_(
    endpoint: Annotated[str | None, typer.Option(help="Only deliveries to this endpoint.")] = None,
    event: Annotated[str | None, typer.Option(help="Only deliveries of this event.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only in this state: pending, delivered, dead, held or discarded.")
    ] = None,
    merchant: MerchantFilter = None,
    type_: TypeFilter = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first.

    Example: relay deliveries list --state dead --since 2026-11-23T00:00:00Z
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/deliveries", endpoint=endpoint, event=event, state=state, merchant=merchant, type=type_,
            since=since, until=until, limit=limit, cursor=cursor,
        )  # fmt: skip
    print_list(answer, ("id", "type", "imp_uid", "state", "next_attempt_at", "reason"), as_json=as_json)


@app.command()
def show(delivery: Id, as_json: Json = False) -> None:
    """Show a delivery with its attempts.

    Example: relay deliveries show evt_ab12cd34.ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        print_fields(api.call("GET", f"/v1/deliveries/{path_part(delivery)}"), as_json=as_json)


@app.command()
def retry(delivery: Id, as_json: Json = False) -> None:
    """Attempt a delivery now.

    Example: relay deliveries retry evt_ab12cd34.ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("POST", f"/v1/deliveries/{path_part(delivery)}/retry")
    print_result(f"{delivery} is attempted again", answer, as_json=as_json)
