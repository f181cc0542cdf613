"""Search for payments, and act on one."""

from __future__ import annotations

import structlog

from console.http import acts
from console.http.requests import InvalidFields
from console.operations.cancel_payment import cancel_payment, record_cancellation, reject_cancellation
from console.operations.erase_buyer import erase_buyer
from console.operations.read_payments import list_payments
from console.operations.refresh_payment import refresh_payment
from console.resources.cancellations import CancellationIn, RejectionIn
from console.resources.erasure import ErasureIn
from console.resources.payments import PaymentListing
from console.web.forms import filled
from console.web.pages.payment_detail import address, payment_key, payment_page
from console.web.refusals import failed
from console.web.visit import PAGE_SIZE, PageResult, PageRoute, Redirect, View, Visit
from schemas.errors import RelayError
from schemas.payments.facts import Status
from schemas.payments.snapshot import IMP_UID

log = structlog.get_logger()

STATUSES = tuple(status.value for status in Status)


async def payments(visit: Visit) -> PageResult:
    """The payments of a search, or all of them."""
    wanted, merchant, status = visit.query("q"), visit.query("merchant"), visit.query("status")
    cursor, merchants = visit.query("cursor"), await visit.merchants()
    query = visit.validated(
        PaymentListing,
        {
            **filled(merchant=merchant, status=status, cursor=cursor, merchant_uid=wanted),
            **visit.window(),
            "limit": PAGE_SIZE,
        },
    )
    page = await list_payments(
        visit.context, query.part, merchant=query.merchant, merchant_uid=query.merchant_uid, status=query.status
    )
    listed = visit.listed(page, "q", "merchant", "status")
    if wanted and IMP_UID.fullmatch(wanted) and cursor is None:
        named = await list_payments(
            visit.context, query.part, merchant=query.merchant, imp_uid=wanted, status=query.status
        )
        listed["rows"] = named.rows + page.rows
    is_whole = wanted is None and status is None
    count = await visit.count("payments", query, query.merchant) if is_whole else None
    values = {**listed, "merchants": merchants, "statuses": STATUSES, "count": count}
    return View("payments", values, live=() if values["paged"] else ("payments",))


async def refresh(visit: Visit) -> PageResult:
    """Refresh a payment now."""
    try:
        is_done = await refresh_payment(visit.context, *payment_key(visit))
    except (RelayError, InvalidFields) as error:
        return failed(address(visit), error)
    return Redirect(address(visit), "looked" if is_done else "looking")


async def cancel(visit: Visit) -> PageResult:
    """Cancel a payment, or record that its cancellation was requested elsewhere."""
    form = visit.form
    if not form.has("sure"):
        return Redirect(address(visit), "unsure", bad=True)
    fields = filled(
        amount=form.number("amount"),
        tax_free=form.number("tax_free"),
        reason=form.get("reason"),
        refund_holder=form.get("refund_holder"),
        refund_bank=form.get("refund_bank"),
        refund_account=form.get("refund_account"),
        refund_tel=form.get("refund_tel"),
    )
    is_confirmed = False
    try:
        merchant, imp_uid = payment_key(visit)
        given = visit.validated(CancellationIn, {**fields, "record_only": form.has("record_only")})
        if given.record_only:
            await record_cancellation(visit.context, merchant, imp_uid, given.amount, given.reason)
        else:
            is_confirmed = await cancel_payment(visit.context, merchant, imp_uid, given.params)
    except (RelayError, InvalidFields) as error:
        return failed(address(visit), error)
    return Redirect(address(visit), "cancelled" if is_confirmed else "cancelling")


async def erase(visit: Visit) -> PageResult:
    """Erase the payment's buyer for good."""
    if not visit.form.has("sure"):
        return Redirect(address(visit), "unsure", bad=True)
    try:
        visit.validated(ErasureIn, filled(reason=visit.form.get("reason")))
        await erase_buyer(visit.context, *payment_key(visit))
    except (RelayError, InvalidFields) as error:
        return failed(address(visit), error)
    return Redirect(address(visit), "erased")


async def reject(visit: Visit) -> PageResult:
    """Close a pending cancellation as rejected."""
    try:
        given = visit.validated(RejectionIn, filled(reason=visit.form.get("reason")))
        await reject_cancellation(visit.context, *payment_key(visit), visit.part("id"), given.reason)
    except (RelayError, InvalidFields) as error:
        return failed(address(visit), error)
    return Redirect(address(visit), "rejected")


async def show(visit: Visit) -> PageResult:
    """The payment with the buyer's data. The audit records who opens it."""
    log.info(
        "buyer_data_shown", caller=visit.caller.name, merchant=visit.part("merchant"), imp_uid=visit.part("imp_uid")
    )
    return await payment_page(visit, unmasked=True)


_ONE = "/payments/{merchant}/{imp_uid}"

PAGES = (
    PageRoute("/payments", payments),
    PageRoute(f"{_ONE}/refresh", refresh, "POST", audited=acts.PAYMENT_REFRESH),
    PageRoute(f"{_ONE}/cancel", cancel, "POST", audited=acts.PAYMENT_CANCEL),
    PageRoute(f"{_ONE}/cancellations/{{id}}/reject", reject, "POST", audited=acts.CANCELLATION_REJECT),
    PageRoute(f"{_ONE}/erase", erase, "POST", audited=acts.PAYMENT_ERASE),
    PageRoute(f"{_ONE}/show", show, "POST", for_readers=True, audited=acts.PAYMENT_READ),
)
