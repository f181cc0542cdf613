"""`relay notifications`: list and show received webhooks and their outcome."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console, path_part
from cli.output import Cursor, Json, Limit, MerchantFilter, Since, Until, print_fields, print_list
from schemas.payments.buyer_masking import masked

app = typer.Typer(help="List and show received webhooks and their outcome.", no_args_is_help=True)


@app.command("list")
def list_(
    merchant: MerchantFilter = None,
    imp_uid: Annotated[str | None, typer.Option(help="Only notifications of this payment.")] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Only notifications with this outcome: pending, applied, unchanged or rejected.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List received webhooks, newest first.

    Example: relay notifications list --outcome rejected
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/notifications", merchant=merchant, imp_uid=imp_uid, outcome=outcome, since=since, until=until,
            limit=limit, cursor=cursor,
        )  # fmt: skip
    columns = ("received_at", "id", "merchant", "imp_uid", "status", "source", "outcome", "reason")
    print_list(answer, columns, as_json=as_json)


@app.command()
def show(
    notification: Annotated[str, typer.Argument(help="Its id, ntf_….")],
    as_json: Json = False,
) -> None:
    """Show a received webhook and its outcome.

    `extra` holds the other fields of its body; buyers' data in it are masked, except with --json.

    Example: relay notifications show ntf_01m841g1z3ft8789p01w1dbwnq
    """
    with console() as api:
        answer = api.call("GET", f"/v1/notifications/{path_part(notification)}")
    print_fields(answer if as_json else {**answer, "extra": masked(answer["extra"]) or None}, as_json=as_json)
