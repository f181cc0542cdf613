"""`relay events`: list and show events, explain their delivery."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console, path_part
from cli.output import Cursor, Json, Limit, MerchantFilter, Since, TypeFilter, Until, print_fields, print_list

app = typer.Typer(help="List and show events, explain their delivery.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The event's id, evt_….")]


@app.command("list")
def list_(
    merchant: MerchantFilter = None,
    imp_uid: Annotated[str | None, typer.Option(help="Only events of this payment.")] = None,
    type_: TypeFilter = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List events, the latest recorded first.

    Example: relay events list --imp-uid imp_448280090638
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/events", merchant=merchant, imp_uid=imp_uid, type=type_, since=since, until=until, limit=limit,
            cursor=cursor,
        )  # fmt: skip
    columns = ("recorded_at", "id", "type", "data.merchant", "data.imp_uid", "data.sequence", "data.status", "silent")
    print_list(answer, columns, as_json=as_json)


@app.command()
def show(event: Id, as_json: Json = False) -> None:
    """Show an event: the callback's body.

    Example: relay events show evt_ab12cd34 --json | jq .data
    """
    with console() as api:
        print_fields(api.call("GET", f"/v1/events/{path_part(event)}"), as_json=as_json)


@app.command()
def explain(
    event: Id,
    endpoint: Annotated[str, typer.Option(help="The endpoint's id.")],
    as_json: Json = False,
) -> None:
    """Explain why an endpoint has or has not received an event.

    Example: relay events explain evt_ab12cd34 --endpoint ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("GET", f"/v1/events/{path_part(event)}/explain", endpoint=endpoint)
    print_fields(answer, as_json=as_json, leave_out=("delivery",))
