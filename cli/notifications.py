"""`relay notifications`: what came in, and what became of it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console, part
from cli.output import Cursor, Json, Limit, OfMerchant, listed, shown
from schemas.payments.buyer_masking import masked

app = typer.Typer(help="Notifications: what came in, and what became of it.", no_args_is_help=True)


@app.command("list")
def list_(
    merchant: OfMerchant = None,
    imp_uid: Annotated[str | None, typer.Option(help="For one payment.")] = None,
    outcome: Annotated[str | None, typer.Option(help="pending, applied, unchanged or rejected.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List webhooks, newest first.

    Example: relay notifications list --outcome rejected
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/notifications", merchant=merchant, imp_uid=imp_uid, outcome=outcome, limit=limit, cursor=cursor
        )
    columns = ("received_at", "id", "merchant", "imp_uid", "status", "source", "outcome", "reason")
    listed(answer, columns, as_json=as_json)


@app.command()
def show(
    notification: Annotated[str, typer.Argument(help="Its id, ntf_….")],
    as_json: Json = False,
) -> None:
    """Show a webhook: what it said, and what became of it.

    Its extra is what else the body held; what that says of a buyer is hidden, unless you ask for JSON.

    Example: relay notifications show ntf_01m841g1z3ft8789p01w1dbwnq
    """
    with console() as api:
        answer = api.call("GET", f"/v1/notifications/{part(notification)}")
    shown(answer if as_json else {**answer, "extra": masked(answer["extra"]) or None}, as_json=as_json)
