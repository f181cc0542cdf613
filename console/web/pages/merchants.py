"""Merchants: whose webhooks are accepted; their credentials go in and are never shown."""

from __future__ import annotations

from typing import Any

from console.http import acts
from console.http.models import Listing
from console.http.requests import InvalidFields
from console.operations.put_merchant import delete_merchant, put_merchant
from console.operations.read_merchants import MerchantView, find_merchant, list_merchants
from console.resources.merchants import MerchantIn
from console.web.forms import filled
from console.web.refusals import failed, reason
from console.web.visit import PageResult, PageRoute, Redirect, View, Visit
from schemas.errors import NotFound, RelayError

_FLAGS = ("include_sandbox", "check_prepared")
_FIELDS = ("merchant", "imp_key", "imp_secret", "since", "webhook_token", "tier", *_FLAGS)


async def merchants(visit: Visit) -> PageResult:
    """All merchants."""
    page = await list_merchants(visit.context, visit.listing(Listing).part)
    return View("merchants", visit.listed(page))


async def new(visit: Visit) -> PageResult:
    """The form of a new merchant, or of one whose credentials are to be replaced (`?merchant=`)."""
    name = visit.query("merchant") or ""
    known = await find_merchant(visit.context, name)
    flags = {flag: known is not None and getattr(known.stored, flag) for flag in _FLAGS}
    tier = None if known is None else known.stored.tier
    return _form({**dict.fromkeys(_FIELDS, ""), "merchant": name, "tier": tier or "", **flags}, known)


async def put(visit: Visit) -> PageResult:
    """Add or replace a merchant."""
    form = visit.form
    chosen = {name: form.get(name) for name in _FIELDS}
    body = filled(
        imp_key=chosen["imp_key"],
        imp_secret=chosen["imp_secret"],
        since=form.moment("since", visit.clock.zone),
        webhook_token=chosen["webhook_token"],
        tier=chosen["tier"],
    )
    flags = {name: form.has(name) for name in _FLAGS}
    try:
        given = visit.validated(MerchantIn, {**body, **flags})
        await put_merchant(visit.context, chosen["merchant"], given.settings)
    except (RelayError, InvalidFields) as error:
        # Secrets are not sent back; the operator types them again.
        kept = {**chosen, "imp_key": "", "imp_secret": "", "webhook_token": ""}
        return _form(kept, await find_merchant(visit.context, chosen["merchant"]), error)
    return Redirect("/merchants", "merchant_saved", {"merchant": chosen["merchant"]})


async def delete(visit: Visit) -> PageResult:
    """Delete a merchant, if the box is ticked."""
    name = visit.part("merchant")
    if not visit.form.has("sure"):
        return Redirect("/merchants", "unsure", bad=True)
    try:
        await delete_merchant(visit.context, name)
    except NotFound:
        raise
    except RelayError as error:
        return failed("/merchants", error)
    return Redirect("/merchants", "deleted", {"what": name})


def _form(chosen: dict[str, Any], known: MerchantView | None, error: RelayError | InvalidFields | None = None) -> View:
    values = {
        "chosen": chosen,
        "error": None if error is None else reason(error),
        "is_new": known is None,
        "had_token": known is not None and known.has_webhook_token,
    }
    return View("merchant_form", values, 200 if error is None else 422)


PAGES = (
    PageRoute("/merchants", merchants),
    PageRoute("/merchants/new", new),
    PageRoute("/merchants/new", put, "POST", audited=acts.MERCHANT_PUT),
    PageRoute("/merchants/{merchant}/delete", delete, "POST", audited=acts.MERCHANT_DELETE),
)
