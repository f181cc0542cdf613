"""`relay payments`: list, show, refresh and cancel payments."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import console, path_part
from cli.output import (
    Cursor,
    Json,
    Limit,
    MerchantFilter,
    Since,
    Until,
    Yes,
    cell,
    confirm,
    print_fields,
    print_json,
    print_list,
    print_result,
    terminal,
)
from schemas import wire

app = typer.Typer(help="List, show, refresh and cancel payments.", no_args_is_help=True)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not an amount") from None
    if not amount.is_finite():
        raise typer.BadParameter(f"{text!r} is not an amount")
    return amount


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = wire.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{text!r} is not a JSON object")
    return found


ImpUid = Annotated[str, typer.Argument(help="The payment's imp_uid, imp_….")]
Merchant = Annotated[str, typer.Option(help="The merchant of the payment.")]
Amount = Annotated[Decimal | None, typer.Option(parser=_amount, help="The amount in the currency's major unit.")]
Checksum = Annotated[
    Decimal | None,
    typer.Option(parser=_amount, help="The amount that you expect to be left; by default the relay computes it."),
]
TaxFree = Annotated[
    Decimal | None,
    typer.Option(parser=_amount, help="The tax-free part of the amount, 0 if none; KCP, KICC, NICE and PAYCO need it."),
]
VatAmount = Annotated[Decimal | None, typer.Option(parser=_amount, help="The VAT in the amount.")]
RefundHolder = Annotated[str | None, typer.Option(help="Who holds the account that a deposit is paid back to.")]
RefundBank = Annotated[str | None, typer.Option(help="The code of that account's bank.")]
RefundAccount = Annotated[str | None, typer.Option(help="The number of that account.")]
RefundTel = Annotated[str | None, typer.Option(help="The holder's telephone number.")]
RetainPromotion = Annotated[
    bool | None, typer.Option("--retain-promotion/--no-retain-promotion", help="Whether a promotion is retained.")
]
Extra = Annotated[
    dict[str, Any] | None, typer.Option(parser=_json_object, help="i'mport's field `extra`, a JSON object.")
]


@app.command("list")
def list_(
    merchant: MerchantFilter = None,
    merchant_uid: Annotated[str | None, typer.Option(help="Only payments of this order (merchant_uid).")] = None,
    status: Annotated[str | None, typer.Option(help="Only payments with this status, e.g. paid.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List payments.

    Example: relay payments list --status cancelled --since 2026-11-01T00:00:00Z
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/payments", merchant=merchant, merchant_uid=merchant_uid, status=status, since=since,
            until=until, limit=limit, cursor=cursor,
        )  # fmt: skip
    columns = ("merchant", "imp_uid", "merchant_uid", "status", "amount", "cancelled_amount", "currency", "fetched_at")
    print_list(answer, columns, as_json=as_json)


@app.command()
def show(imp_uid: ImpUid, merchant: Merchant = "default", as_json: Json = False) -> None:
    """Show a payment with its events and cancellations.

    Example: relay payments show imp_448280090638
    """
    with console() as api:
        _print_payment(api.call("GET", f"/v1/payments/{path_part(imp_uid)}", merchant=merchant), as_json=as_json)


@app.command()
def refresh(imp_uid: ImpUid, merchant: Merchant = "default", as_json: Json = False) -> None:
    """Look a payment up at i'mport now.

    Example: relay payments refresh imp_448280090638
    """
    with console() as api:
        answer = api.call("POST", f"/v1/payments/{path_part(imp_uid)}/refresh", merchant=merchant)
    if answer.get("state") == "looking" and not as_json:
        print_result("the look-up is not done yet: run `relay payments show` in a moment", answer, as_json=False)
        return
    _print_payment(answer, as_json=as_json)


@app.command()
def cancel(
    imp_uid: ImpUid,
    merchant: Merchant = "default",
    amount: Amount = None,
    reason: Annotated[str | None, typer.Option(help="The reason, for i'mport and the record.")] = None,
    checksum: Checksum = None,
    tax_free: TaxFree = None,
    vat_amount: VatAmount = None,
    refund_holder: RefundHolder = None,
    refund_bank: RefundBank = None,
    refund_account: RefundAccount = None,
    refund_tel: RefundTel = None,
    retain_promotion: RetainPromotion = None,
    extra: Extra = None,
    record_only: Annotated[bool, typer.Option(help="Only record a cancellation that was requested elsewhere.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Ask i'mport to cancel a payment or a part of it.

    Example: relay payments cancel imp_448280090638 --amount 500 --reason "out of stock"
    """
    what = "all that is left" if amount is None else str(amount)
    confirm(f"Cancel {what} of {imp_uid}?", yes=yes or record_only, as_json=as_json)
    body: dict[str, Any] = {
        "amount": amount, "reason": reason, "checksum": checksum, "tax_free": tax_free, "vat_amount": vat_amount,
        "refund_holder": refund_holder, "refund_bank": refund_bank, "refund_account": refund_account,
        "refund_tel": refund_tel, "retain_promotion": retain_promotion, "extra": extra, "record_only": record_only,
    }  # fmt: skip
    with console() as api:
        answer = api.call("POST", f"/v1/payments/{path_part(imp_uid)}/cancellations", body, merchant=merchant)
    _print_payment(answer, as_json=as_json)


@app.command()
def reject(
    imp_uid: ImpUid,
    cancellation: Annotated[str, typer.Argument(help="The id of the pending cancellation.")],
    merchant: Merchant = "default",
    reason: Annotated[str | None, typer.Option(help="Why it was rejected.")] = None,
    as_json: Json = False,
) -> None:
    """Close a pending cancellation as rejected.

    Example: relay payments reject imp_448280090638 can_ab12cd34 --reason "not refundable"
    """
    path = f"/v1/payments/{path_part(imp_uid)}/cancellations/{path_part(cancellation)}/reject"
    with console() as api:
        _print_payment(api.call("POST", path, {"reason": reason}, merchant=merchant), as_json=as_json)


@app.command()
def erase(
    imp_uid: ImpUid,
    reason: Annotated[str, typer.Option(help="Why, for the audit; without the buyer's name.")],
    merchant: Merchant = "default",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase a payment's buyer for good; amounts, ids, statuses and times stay.

    Example: relay payments erase imp_448280090638 --reason "asked to be forgotten"
    """
    confirm(f"Erase the buyer's data of {imp_uid} for good?", yes=yes, as_json=as_json)
    with console() as api:
        answer = api.call("POST", f"/v1/payments/{path_part(imp_uid)}/erase", {"reason": reason}, merchant=merchant)
    print_result(f"the buyer of {imp_uid} is erased", answer, as_json=as_json)


@app.command()
def expect(
    merchant_uid: Annotated[str, typer.Argument(help="The order's merchant_uid.")],
    amount: Annotated[Decimal, typer.Argument(parser=_amount, help="The amount in the currency's major unit.")],
    currency: Annotated[str | None, typer.Option(help="The currency, e.g. KRW; by default any.")] = None,
    merchant: Merchant = "default",
    as_json: Json = False,
) -> None:
    """Set the amount that is expected for an order.

    Example: relay payments expect order_id_8237352 1004 --currency KRW
    """
    with console() as api:
        body = {"amount": amount, "currency": currency}
        answer = api.call("PUT", f"/v1/orders/{path_part(merchant_uid)}", body, merchant=merchant)
    print_result(f"{answer['amount']} is expected for {merchant_uid}", answer, as_json=as_json)


def _print_payment(payment: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(payment)
        return
    print_fields(payment, as_json=False, leave_out=("events", "payment"))
    contradicted = payment.get("contradicts", ())
    if contradicted:
        terminal().print(Text("i'mport no longer shows what these events announced: it was taken back", style="red"))
    for event in payment.get("events", ()):
        silent = " (silent)" if event["silent"] else ""
        status = event["data"]["status"]
        line = Text.assemble(
            (f"{event['timestamp']}  ", "dim"),
            f"{event['type']}{silent} → ",
            cell(status),
            (f"  {event['id']}", "dim"),
            ("  no longer shown by i'mport" if event["id"] in contradicted else "", "red"),
        )
        terminal().print(line)
