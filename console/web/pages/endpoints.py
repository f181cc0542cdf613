"""Endpoints: how each is doing, and what can be done about it."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from console.http.requests import InvalidFields
from console.web import addresses
from console.web.charts import Pulse, pulse, succeeded
from console.web.forms import filled
from console.web.refusals import failed
from console.web.visit import Go, Outcome, PageRoute, View, Visit
from schemas.errors import NotFound, RelayError

_A_PAGE, _LATELY, _LONGER = 25, 25, 100


async def endpoints(visit: Visit) -> Outcome:
    """All endpoints with their health."""
    listed, merchants = await asyncio.gather(
        visit.listed("/v1/endpoints", "merchant", size=_A_PAGE), visit.desk.merchants()
    )
    pulses = await asyncio.gather(*(_pulse(visit, row["id"], _LATELY) for row in listed["rows"]))
    values = {**listed, "rows": list(zip(listed["rows"], pulses, strict=True)), "merchants": merchants}
    return View("endpoints", values, live=("endpoints",))


async def endpoint(visit: Visit) -> Outcome:
    """One endpoint."""
    return await shown(visit)


async def shown(visit: Visit, **more: Any) -> View:
    """The page of an endpoint. Raises `NotFound`."""
    identity = visit.part("id")
    reply = await visit.desk.ask("GET", "/v1/endpoints/{id}", {"id": identity})
    health, waiting, dead = await asyncio.gather(
        _pulse(visit, identity, _LONGER),
        visit.desk.rows("/v1/deliveries", endpoint=identity, state="pending", limit=10),
        visit.desk.rows("/v1/deliveries", endpoint=identity, state="dead", limit=10),
    )
    values = {"endpoint": reply.value, "pulse": health, "waiting": waiting, "dead": dead, "secrets": None, "test": None}
    return View("endpoint", {**values, **more}, live=("endpoint_health",))


async def enable(visit: Visit) -> Outcome:
    """Release what was held."""
    return await _switch(visit, "enable")


async def disable(visit: Visit) -> Outcome:
    """Hold deliveries from now on."""
    return await _switch(visit, "disable")


async def delete(visit: Visit) -> Outcome:
    """Take an endpoint away, if that is meant."""
    if not visit.form.has("sure"):
        return Go(address(visit), "unsure", bad=True)
    await visit.desk.ask("DELETE", "/v1/endpoints/{id}", {"id": visit.part("id")})
    return Go("/endpoints", "deleted", {"what": visit.part("id")})


async def test(visit: Visit) -> Outcome:
    """Send a test event, and show what came of it."""
    try:
        reply = await visit.desk.ask("POST", "/v1/endpoints/{id}/test", {"id": visit.part("id")})
    except NotFound:
        raise
    except RelayError as error:
        return failed(address(visit), error)
    return await shown(visit, test={**reply.value, "ok": reply.status == 200 and succeeded(reply.value)})


async def secret(visit: Visit) -> Outcome:
    """Show the secrets that sign."""
    reply = await visit.desk.ask("GET", "/v1/endpoints/{id}/secret", {"id": visit.part("id")})
    return await shown(visit, secrets=reply.value)


async def rotate(visit: Visit) -> Outcome:
    """Replace the secret, and show the new one."""
    try:
        reply = await visit.desk.ask(
            "POST", "/v1/endpoints/{id}/secret/rotate", {"id": visit.part("id")},
            body=filled(overlap=visit.form.get("overlap")),
        )  # fmt: skip
    except InvalidFields as error:
        return failed(address(visit), error)
    return await shown(visit, secrets=reply.value)


def address(visit: Visit) -> str:
    """Where the page of this endpoint is."""
    return f"/endpoints/{addresses.part(visit.part('id'))}"


async def _switch(visit: Visit, verb: Literal["enable", "disable"]) -> Outcome:
    await visit.desk.ask("POST", f"/v1/endpoints/{{id}}/{verb}", {"id": visit.part("id")})
    return Go(address(visit), f"{verb}d")


async def _pulse(visit: Visit, endpoint_id: str, most: int) -> Pulse:
    rows = await visit.desk.rows("/v1/deliveries", endpoint=endpoint_id, limit=most)
    attempts = [attempt for row in rows for attempt in row["attempts"]]
    return pulse(sorted(attempts, key=lambda attempt: str(attempt["at"])))


_ONE = "/endpoints/{id}"

PAGES = (
    PageRoute("/endpoints", endpoints),
    PageRoute(_ONE, endpoint),
    PageRoute(f"{_ONE}/enable", enable, "POST"),
    PageRoute(f"{_ONE}/disable", disable, "POST"),
    PageRoute(f"{_ONE}/delete", delete, "POST"),
    PageRoute(f"{_ONE}/test", test, "POST"),
    PageRoute(f"{_ONE}/secret", secret, "POST"),
    PageRoute(f"{_ONE}/rotate", rotate, "POST"),
)
