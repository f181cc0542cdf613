"""`relay audit`: what operators did, and which buyers' data and secrets they looked at."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console
from cli.output import Cursor, Json, Limit, Since, Until, print_list

app = typer.Typer()


@app.command()
def audit(
    actor: Annotated[str | None, typer.Option(help="Only entries by the token with this name or fingerprint.")] = None,
    action: Annotated[str | None, typer.Option(help="Only entries with this action, e.g. endpoint.create.")] = None,
    object_: Annotated[
        str | None,
        typer.Option("--object", help="Only entries about this object: an imp_uid, an endpoint, a merchant, …."),
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List what operators did, and whose data or which secrets they looked at; the latest first.

    Example: relay audit --actor alice --since 2026-11-01T00:00:00Z
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/audit", actor=actor, action=action, object=object_, since=since, until=until, limit=limit,
            cursor=cursor,
        )  # fmt: skip
    print_list(answer, ("at", "actor", "action", "object", "detail"), as_json=as_json)
