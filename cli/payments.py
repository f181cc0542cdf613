"""`relay payments`: where each stands, looking now, cancelling."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import console, part
from cli.output import Cursor, Json, Limit, OfMerchant, Yes, cell, done, listed, print_json, screen, shown, sure

app = typer.Typer(help="Payments: where each stands, and its whole story.", no_args_is_help=True)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not an amount") from None
    if not amount.is_finite():
        raise typer.BadParameter(f"{text!r} is not an amount")
    return amount


ImpUid = Annotated[str, typer.Argument(help="i'mport's number of the payment, imp_….")]
Merchant = Annotated[str, typer.Option(help="Whose payment.")]
Amount = Annotated[Decimal | None, typer.Option(parser=_amount, help="In the currency's major unit.")]


@app.command("list")
def list_(
    merchant: OfMerchant = None,
    merchant_uid: Annotated[str | None, typer.Option(help="Of one order number.")] = None,
    status: Annotated[str | None, typer.Option(help="Of one status, e.g. paid.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List payments.

    Example: relay payments list --status cancellation_pending
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/payments", merchant=merchant, merchant_uid=merchant_uid, status=status, limit=limit,
            cursor=cursor,
        )  # fmt: skip
    columns = ("merchant", "imp_uid", "merchant_uid", "status", "amount", "cancelled_amount", "currency", "fetched_at")
    listed(answer, columns, as_json=as_json)


@app.command()
def show(imp_uid: ImpUid, merchant: Merchant = "default", as_json: Json = False) -> None:
    """Show a payment with its events and cancellations.

    Example: relay payments show imp_448280090638
    """
    with console() as api:
        _shown(api.call("GET", f"/v1/payments/{part(imp_uid)}", merchant=merchant), as_json=as_json)


@app.command()
def refresh(imp_uid: ImpUid, merchant: Merchant = "default", as_json: Json = False) -> None:
    """Look at a payment at i'mport now.

    Example: relay payments refresh imp_448280090638
    """
    with console() as api:
        answer = api.call("POST", f"/v1/payments/{part(imp_uid)}/refresh", merchant=merchant)
    if answer.get("state") == "looking" and not as_json:
        done("still looking; see again in a moment", answer, as_json=False)
        return
    _shown(answer, as_json=as_json)


@app.command()
def cancel(
    imp_uid: ImpUid,
    merchant: Merchant = "default",
    amount: Amount = None,
    reason: Annotated[str | None, typer.Option(help="Why, for i'mport and the record.")] = None,
    record_only: Annotated[bool, typer.Option(help="Only note that it was asked for elsewhere.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Ask i'mport to cancel a payment, or a part of it.

    Example: relay payments cancel imp_448280090638 --amount 500 --reason "out of stock"
    """
    what = "all that is left" if amount is None else str(amount)
    sure(f"Cancel {what} of {imp_uid}?", yes=yes or record_only, as_json=as_json)
    body: dict[str, Any] = {"amount": amount, "reason": reason, "record_only": record_only}
    with console() as api:
        answer = api.call("POST", f"/v1/payments/{part(imp_uid)}/cancellations", body, merchant=merchant)
    _shown(answer, as_json=as_json)


@app.command()
def reject(
    imp_uid: ImpUid,
    cancellation: Annotated[str, typer.Argument(help="The id of the pending cancellation.")],
    merchant: Merchant = "default",
    reason: Annotated[str | None, typer.Option(help="Why it was turned down.")] = None,
    as_json: Json = False,
) -> None:
    """Close a pending cancellation: it was turned down.

    Example: relay payments reject imp_448280090638 can_ab12cd34 --reason "not refundable"
    """
    path = f"/v1/payments/{part(imp_uid)}/cancellations/{part(cancellation)}/reject"
    with console() as api:
        _shown(api.call("POST", path, {"reason": reason}, merchant=merchant), as_json=as_json)


@app.command()
def expect(
    merchant_uid: Annotated[str, typer.Argument(help="The order's number.")],
    amount: Annotated[Decimal, typer.Argument(parser=_amount, help="In the currency's major unit.")],
    currency: Annotated[str | None, typer.Option(help="e.g. KRW; any, unless given.")] = None,
    merchant: Merchant = "default",
    as_json: Json = False,
) -> None:
    """Say what is expected to be paid for an order.

    Example: relay payments expect order_id_8237352 1004 --currency KRW
    """
    with console() as api:
        body = {"amount": amount, "currency": currency}
        answer = api.call("PUT", f"/v1/orders/{part(merchant_uid)}", body, merchant=merchant)
    done(f"{answer['amount']} is expected for {merchant_uid}", answer, as_json=as_json)


def _shown(payment: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(payment)
        return
    shown(payment, as_json=False, leave_out=("events", "payment"))
    gone = payment.get("contradicts", ())
    if gone:
        screen().print(Text("i'mport no longer shows what these events announced: it was taken back", style="red"))
    for event in payment.get("events", ()):
        silent = " (silent)" if event["silent"] else ""
        status = event["data"]["status"]
        line = Text.assemble(
            (f"{event['timestamp']}  ", "dim"),
            f"{event['type']}{silent} → ",
            cell(status),
            (f"  {event['id']}", "dim"),
            ("  no longer shown by i'mport" if event["id"] in gone else "", "red"),
        )
        screen().print(line)
