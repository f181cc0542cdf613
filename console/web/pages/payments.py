"""Finding payments, and acting on one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

from console.http.requests import InvalidFields
from console.web.forms import filled
from console.web.pages.payment_detail import address, known_payment, shown
from console.web.refusals import failed
from console.web.visit import PAGE_SIZE, Go, Outcome, PageRoute, View, Visit
from schemas.errors import RelayError
from schemas.payments.facts import Status
from schemas.payments.snapshot import IMP_UID

log = structlog.get_logger()

STATUSES = tuple(status.value for status in Status)


async def payments(visit: Visit) -> Outcome:
    """The payments of a search, or all of them."""
    wanted, merchant, status = visit.query("q"), visit.query("merchant"), visit.query("status")
    merchants = await visit.desk.merchants()
    query = {"merchant": merchant, "status": status, "cursor": visit.query("cursor"), "limit": PAGE_SIZE}
    reply = await visit.desk.ask("GET", "/v1/payments", query={**query, "merchant_uid": wanted})
    rows = list(reply.value["data"])
    if wanted and IMP_UID.fullmatch(wanted) and not visit.query("cursor"):
        found = await by_imp_uid(visit, wanted, [merchant] if merchant else ["default", *merchants])
        rows = [row for row in found if status in (None, row["status"])] + rows
    values = {
        "rows": rows,
        "next_cursor": reply.value["next_cursor"],
        "merchants": merchants,
        "statuses": STATUSES,
        "chosen": {"q": wanted or "", "merchant": merchant or "", "status": status or ""},
        "paged": visit.query("cursor") is not None,
    }
    return View("payments", values, live=() if values["paged"] else ("payments",))


async def by_imp_uid(visit: Visit, imp_uid: str, merchants: Iterable[str]) -> list[dict[str, Any]]:
    """The payments of this id, of any of these merchants; one that is named twice counts once."""
    looked = await asyncio.gather(*(known_payment(visit, merchant, imp_uid) for merchant in dict.fromkeys(merchants)))
    return [payment for payment in looked if payment is not None]


async def refresh(visit: Visit) -> Outcome:
    """Look at a payment now."""
    try:
        reply = await visit.desk.ask(
            "POST", "/v1/payments/{imp_uid}/refresh", {"imp_uid": visit.part("imp_uid")},
            query={"merchant": visit.part("merchant")},
        )  # fmt: skip
    except (RelayError, InvalidFields) as error:
        return failed(address(visit), error)
    return Go(address(visit), "looked" if reply.status == 200 else "looking")


async def cancel(visit: Visit) -> Outcome:
    """Cancel a payment, or note that it was asked for elsewhere."""
    form = visit.form
    if not form.has("sure"):
        return Go(address(visit), "unsure", bad=True)
    body = filled(
        amount=form.number("amount"),
        reason=form.get("reason"),
        refund_holder=form.get("refund_holder"),
        refund_bank=form.get("refund_bank"),
        refund_account=form.get("refund_account"),
        refund_tel=form.get("refund_tel"),
    )
    try:
        reply = await visit.desk.ask(
            "POST", "/v1/payments/{imp_uid}/cancellations", {"imp_uid": visit.part("imp_uid")},
            query={"merchant": visit.part("merchant")}, body={**body, "record_only": form.has("record_only")},
        )  # fmt: skip
    except (RelayError, InvalidFields) as error:
        return failed(address(visit), error)
    return Go(address(visit), "cancelled" if reply.status == 200 else "cancelling")


async def reject(visit: Visit) -> Outcome:
    """Close a pending cancellation as turned down."""
    try:
        await visit.desk.ask(
            "POST", "/v1/payments/{imp_uid}/cancellations/{id}/reject",
            {"imp_uid": visit.part("imp_uid"), "id": visit.part("id")},
            query={"merchant": visit.part("merchant")}, body=filled(reason=visit.form.get("reason")),
        )  # fmt: skip
    except (RelayError, InvalidFields) as error:
        return failed(address(visit), error)
    return Go(address(visit), "rejected")


async def show(visit: Visit) -> Outcome:
    """The payment with what it says of its buyer; who asks is noted."""
    log.info(
        "buyer_data_shown", caller=visit.caller.name, merchant=visit.part("merchant"), imp_uid=visit.part("imp_uid")
    )
    return await shown(visit, unmasked=True)


_ONE = "/payments/{merchant}/{imp_uid}"

PAGES = (
    PageRoute("/payments", payments),
    PageRoute(f"{_ONE}/refresh", refresh, "POST"),
    PageRoute(f"{_ONE}/cancel", cancel, "POST"),
    PageRoute(f"{_ONE}/cancellations/{{id}}/reject", reject, "POST"),
    PageRoute(f"{_ONE}/show", show, "POST", for_readers=True),
)
