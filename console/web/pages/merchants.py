"""Merchants: whose webhooks are taken; their credentials go in and never come out."""

from __future__ import annotations

from typing import Any

from console.http.requests import InvalidFields
from console.web.forms import filled
from console.web.refusals import failed, reason
from console.web.visit import Go, Outcome, PageRoute, View, Visit
from schemas.errors import NotFound, RelayError

_FLAGS = ("include_sandbox", "check_prepared")
_FIELDS = ("merchant", "imp_key", "imp_secret", "since", "webhook_token", "tier", *_FLAGS)


async def merchants(visit: Visit) -> Outcome:
    """All merchants."""
    return View("merchants", await visit.listed("/v1/merchants"))


async def new(visit: Visit) -> Outcome:
    """The form of a new merchant, or of one whose credentials are to be replaced (`?merchant=`)."""
    name = visit.query("merchant") or ""
    known = await _known(visit, name)
    flags = {flag: known is not None and known[flag] for flag in _FLAGS}
    tier = None if known is None else known["tier"]
    return _form({**dict.fromkeys(_FIELDS, ""), "merchant": name, "tier": tier or "", **flags}, known)


async def put(visit: Visit) -> Outcome:
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
        await visit.desk.ask(
            "PUT", "/v1/merchants/{merchant}", {"merchant": chosen["merchant"]}, body={**body, **flags}
        )
    except (RelayError, InvalidFields) as error:
        # What is secret is typed again rather than sent back.
        kept = {**chosen, "imp_key": "", "imp_secret": "", "webhook_token": ""}
        return _form(kept, await _known(visit, chosen["merchant"]), error)
    return Go("/merchants", "merchant_saved", {"merchant": chosen["merchant"]})


async def delete(visit: Visit) -> Outcome:
    """Forget a merchant, if that is meant."""
    name = visit.part("merchant")
    if not visit.form.has("sure"):
        return Go("/merchants", "unsure", bad=True)
    try:
        await visit.desk.ask("DELETE", "/v1/merchants/{merchant}", {"merchant": name})
    except NotFound:
        raise
    except RelayError as error:
        return failed("/merchants", error)
    return Go("/merchants", "deleted", {"what": name})


async def _known(visit: Visit, name: str) -> dict[str, Any] | None:
    """The merchant of this name as it is, None where there is none yet."""
    try:
        found: dict[str, Any] = (await visit.desk.ask("GET", "/v1/merchants/{merchant}", {"merchant": name})).value
    except NotFound:
        return None
    return found


def _form(
    chosen: dict[str, Any], known: dict[str, Any] | None, error: RelayError | InvalidFields | None = None
) -> View:
    values = {
        "chosen": chosen,
        "error": None if error is None else reason(error),
        "is_new": known is None,
        "had_token": known is not None and known["has_webhook_token"],
    }
    return View("merchant_form", values, 200 if error is None else 422)


PAGES = (
    PageRoute("/merchants", merchants),
    PageRoute("/merchants/new", new),
    PageRoute("/merchants/new", put, "POST"),
    PageRoute("/merchants/{merchant}/delete", delete, "POST"),
)
