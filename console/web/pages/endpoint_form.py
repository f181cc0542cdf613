"""The forms that make and change endpoints."""

from __future__ import annotations

from typing import Any

from console.http import acts
from console.http.requests import InvalidFields
from console.operations.read_endpoints import read_endpoint
from console.operations.register_endpoint import change_endpoint, create_endpoint
from console.resources.endpoint_models import EndpointIn, EndpointPatch
from console.web.forms import Form, filled
from console.web.pages.endpoints import address
from console.web.visit import PageResult, PageRoute, Redirect, View, Visit
from schemas.endpoints.endpoint import ALL_PAYMENTS, EVENT_TYPES, EVERYTHING
from schemas.errors import Invalid, NotFound
from schemas.reasons import Reason
from schemas.webhook_address import DEFAULT_MERCHANT

TYPES = (ALL_PAYMENTS, EVERYTHING, *EVENT_TYPES)
_NEW: dict[str, Any] = {
    "merchant": DEFAULT_MERCHANT,
    "url": "",
    **{name: field.default for name, field in EndpointIn.model_fields.items() if not field.is_required()},
}
"""The values of an empty form: the defaults of the API."""


async def new(visit: Visit) -> PageResult:
    """An empty form."""
    return await _form(visit, _NEW, {})


async def create(visit: Visit) -> PageResult:
    """Create an endpoint."""
    fields = {"merchant": visit.form.get("merchant"), **_fields(visit.form)}
    try:
        given = visit.validated(EndpointIn, fields)
        created = await create_endpoint(visit.context, given.model_dump())
    except (InvalidFields, Invalid, NotFound) as error:
        return await _form(visit, {**_NEW, **fields}, _errors(error))
    return Redirect(f"/endpoints/{created.endpoint.id}", "endpoint_created", made=created.endpoint.id)


async def edit(visit: Visit) -> PageResult:
    """The form of an endpoint as it is."""
    return await _form(visit, await _existing(visit), {})


async def change(visit: Visit) -> PageResult:
    """Change an endpoint."""
    fields = _fields(visit.form)
    if not fields["headers"] and not visit.form.has("no_headers"):
        # Header values are never shown, so an empty field does not mean that they are to be removed.
        del fields["headers"]
    try:
        given = visit.validated(EndpointPatch, fields)
        await change_endpoint(visit.context, visit.part("id"), given.model_dump(exclude_unset=True))
    except (InvalidFields, Invalid) as error:
        return await _form(visit, {**await _existing(visit), **fields}, _errors(error))
    return Redirect(address(visit), "saved")


async def _existing(visit: Visit) -> dict[str, Any]:
    """The form's values for the endpoint as it is; values of headers are never shown."""
    endpoint = (await read_endpoint(visit.context, visit.part("id"), read_only=visit.read_only)).endpoint
    return {name: getattr(endpoint, name) for name in ("id", *_NEW)}


async def _form(visit: Visit, endpoint: dict[str, Any], errors: dict[str, Reason]) -> View:
    merchants = await visit.merchants()
    values = {
        "endpoint": endpoint,
        "merchants": merchants if DEFAULT_MERCHANT in merchants else [DEFAULT_MERCHANT, *merchants],
        "types": TYPES,
        "errors": errors,
        "is_new": "id" not in visit.request.path_params,
        "typed_headers": visit.form.get("headers"),
    }
    return View("endpoint_form", values, 422 if errors else 200)


def _fields(form: Form) -> dict[str, Any]:
    return {
        **filled(max_in_flight=form.number("max_in_flight"), payload=form.get("payload")),
        "url": form.get("url"),
        "types": form.all("types"),
        "description": form.get("description"),
        "ordered": form.has("ordered"),
        "rate_limit": form.number("rate_limit"),
        "headers": form.lines("headers"),
    }


def _errors(error: InvalidFields | Invalid | NotFound) -> dict[str, Reason]:
    match error:
        case InvalidFields():
            return {one.field.partition(".")[0]: one.reason for one in error.errors}
        case Invalid():
            return {error.field: error.reason}
    return {"merchant": error.reason}


PAGES = (
    PageRoute("/endpoints/new", new),
    PageRoute("/endpoints/new", create, "POST", audited=acts.ENDPOINT_CREATE),
    PageRoute("/endpoints/{id}/edit", edit),
    PageRoute("/endpoints/{id}/edit", change, "POST", audited=acts.ENDPOINT_CHANGE),
)
