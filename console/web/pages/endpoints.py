"""Endpoints: how each is doing, and what can be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from console.http import acts
from console.http.requests import InvalidFields
from console.operations.read_deliveries import list_deliveries
from console.operations.read_endpoints import list_endpoints, read_endpoint
from console.operations.register_endpoint import delete_endpoint, disable_endpoint, enable_endpoint
from console.operations.rotate_secret import read_secrets, rotate_secret
from console.operations.try_endpoint import try_endpoint
from console.resources.endpoint_models import EndpointListing, RotateIn
from console.web import addresses
from console.web.charts import Pulse, pulse
from console.web.forms import filled
from console.web.refusals import failed
from console.web.visit import PageResult, PageRoute, Redirect, View, Visit
from history.pages import PageRequest
from ledger.deliveries import DeliveryView
from schemas.endpoints.states import DeliveryState
from schemas.errors import HistoryUnavailable, NotFound, RelayError

_PAGE_SIZE = 25
_RECENT, _MORE = 25, 100
"""The number of deliveries whose attempts are charted: in the list of endpoints, and on the page of one."""
_SHOWN = 10
"""The most undelivered deliveries of each state on the page of an endpoint."""


async def endpoints(visit: Visit) -> PageResult:
    """All endpoints with their health."""
    query = visit.listing(EndpointListing, "merchant", size=_PAGE_SIZE)
    page, merchants = await asyncio.gather(
        list_endpoints(visit.context, query.part, query.merchant, read_only=visit.read_only), visit.merchants()
    )
    pulses = await asyncio.gather(*(_pulse(visit, row.endpoint.id, _RECENT) for row in page.rows))
    values = {**visit.listed(page, "merchant"), "merchants": merchants}
    return View("endpoints", {**values, "rows": list(zip(page.rows, pulses, strict=True))}, live=("endpoints",))


async def endpoint(visit: Visit) -> PageResult:
    """One endpoint."""
    return await _page(visit)


async def enable(visit: Visit) -> PageResult:
    """Enable the endpoint, so that its held deliveries are sent."""
    await enable_endpoint(visit.context, visit.part("id"))
    return Redirect(address(visit), "enabled")


async def disable(visit: Visit) -> PageResult:
    """Hold deliveries from now on."""
    await disable_endpoint(visit.context, visit.part("id"))
    return Redirect(address(visit), "disabled")


async def delete(visit: Visit) -> PageResult:
    """Delete an endpoint, if the box is ticked."""
    if not visit.form.has("sure"):
        return Redirect(address(visit), "unsure", bad=True)
    await delete_endpoint(visit.context, visit.part("id"))
    return Redirect("/endpoints", "deleted", {"what": visit.part("id")})


async def test(visit: Visit) -> PageResult:
    """Send a test event, and show the attempt."""
    try:
        tested = await try_endpoint(visit.context, visit.part("id"))
    except NotFound:
        raise
    except RelayError as error:
        return failed(address(visit), error)
    return await _page(visit, test=tested)


async def secret(visit: Visit) -> PageResult:
    """Show the secrets that sign."""
    return await _page(visit, secrets=await read_secrets(visit.context, visit.part("id")))


async def rotate(visit: Visit) -> PageResult:
    """Replace the secret, and show the new one."""
    try:
        given = visit.validated(RotateIn, filled(overlap=visit.form.get("overlap")))
        secrets = await rotate_secret(visit.context, visit.part("id"), given.overlap)
    except InvalidFields as error:
        return failed(address(visit), error)
    return await _page(visit, secrets=secrets)


def address(visit: Visit) -> str:
    """The address of this endpoint's page."""
    return f"/endpoints/{addresses.path_part(visit.part('id'))}"


async def _page(visit: Visit, **more: Any) -> View:
    """The page of an endpoint. Raises `NotFound`."""
    endpoint_id = visit.part("id")
    row = await read_endpoint(visit.context, endpoint_id, read_only=visit.read_only)
    health, waiting, dead = await asyncio.gather(
        _pulse(visit, endpoint_id, _MORE),
        _latest(visit, endpoint_id, _SHOWN, "pending"),
        _latest(visit, endpoint_id, _SHOWN, "dead"),
    )
    values = {
        "view": row,
        "endpoint": row.endpoint,
        "pulse": health,
        "undelivered": [*dead, *waiting],
        "secrets": None,
        "test": None,
    }
    return View("endpoint", {**values, **more}, live=("endpoint_health",))


async def _pulse(visit: Visit, endpoint_id: str, most: int) -> Pulse:
    """The attempts of an endpoint's latest deliveries."""
    attempts = [attempt for row in await _latest(visit, endpoint_id, most) for attempt in row.attempts]
    return pulse(sorted(attempts, key=lambda attempt: attempt.at), visit.clock)


async def _latest(
    visit: Visit, endpoint_id: str, most: int, state: DeliveryState | None = None
) -> Sequence[DeliveryView]:
    """An endpoint's latest deliveries; none while history, which lists them, is away."""
    try:
        return (await list_deliveries(visit.context, PageRequest(most), endpoint=endpoint_id, state=state)).rows
    except HistoryUnavailable:
        return ()


_ONE = "/endpoints/{id}"

PAGES = (
    PageRoute("/endpoints", endpoints),
    PageRoute(_ONE, endpoint),
    PageRoute(f"{_ONE}/enable", enable, "POST", audited=acts.ENDPOINT_ENABLE),
    PageRoute(f"{_ONE}/disable", disable, "POST", audited=acts.ENDPOINT_DISABLE),
    PageRoute(f"{_ONE}/delete", delete, "POST", audited=acts.ENDPOINT_DELETE),
    PageRoute(f"{_ONE}/test", test, "POST", audited=acts.ENDPOINT_TEST),
    PageRoute(f"{_ONE}/secret", secret, "POST", audited=acts.SECRET_READ),
    PageRoute(f"{_ONE}/rotate", rotate, "POST", audited=acts.SECRET_ROTATE),
)
