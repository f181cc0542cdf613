"""Endpoints: how each is doing, and what can be done about it."""

from __future__ import annotations

import asyncio
from typing import Any

from console.api.requests import NotValid
from console.web import addresses
from console.web.charts import Pulse, pulse, succeeded
from console.web.refusals import failed
from console.web.visit import Go, Outcome, Page, View, Visit
from schemas.errors import NotFound, RelayError

_A_PAGE, _LATELY, _LONGER = 25, 25, 100


async def endpoints(visit: Visit) -> Outcome:
    """All endpoints with their health."""
    merchant, cursor = visit.query("merchant"), visit.query("cursor")
    query = {"merchant": merchant, "cursor": cursor, "limit": _A_PAGE}
    reply, merchants = await asyncio.gather(
        visit.ask("GET", "/v1/endpoints", query=query), visit.rows("/v1/merchants", limit=200)
    )
    rows = reply.value["data"]
    pulses = await asyncio.gather(*(_pulse(visit, row["id"], _LATELY) for row in rows))
    values = {
        "rows": list(zip(rows, pulses, strict=True)),
        "next_cursor": reply.value["next_cursor"],
        "merchants": [row["merchant"] for row in merchants],
        "chosen": {"merchant": merchant or ""},
    }
    return View("endpoints", values, live=("endpoints",))


async def endpoint(visit: Visit) -> Outcome:
    """One endpoint."""
    return await shown(visit)


async def shown(visit: Visit, **more: Any) -> View:
    """The page of an endpoint. Raises `NotFound`."""
    identity = visit.part("id")
    reply = await visit.ask("GET", "/v1/endpoints/{id}", {"id": identity})
    health, waiting, dead = await asyncio.gather(
        _pulse(visit, identity, _LONGER),
        visit.rows("/v1/deliveries", endpoint=identity, state="pending", limit=10),
        visit.rows("/v1/deliveries", endpoint=identity, state="dead", limit=10),
    )
    values = {"endpoint": reply.value, "pulse": health, "waiting": waiting, "dead": dead, "secrets": None, "test": None}
    return View("endpoint", {**values, **more}, live=("endpoint_health",))


async def enable(visit: Visit) -> Outcome:
    """Release what was held."""
    return await _act(visit, "POST", "/v1/endpoints/{id}/enable", "enabled")


async def disable(visit: Visit) -> Outcome:
    """Hold deliveries from now on."""
    return await _act(visit, "POST", "/v1/endpoints/{id}/disable", "disabled")


async def delete(visit: Visit) -> Outcome:
    """Take an endpoint away, if that is meant."""
    if not visit.form.has("sure"):
        return Go(address(visit), "unsure", bad=True)
    await visit.ask("DELETE", "/v1/endpoints/{id}", {"id": visit.part("id")})
    return Go("/endpoints", "deleted", {"what": visit.part("id")})


async def test(visit: Visit) -> Outcome:
    """Send a test event, and show what came of it."""
    try:
        reply = await visit.ask("POST", "/v1/endpoints/{id}/test", {"id": visit.part("id")})
    except NotFound:
        raise
    except RelayError as error:
        return failed(address(visit), error)
    return await shown(visit, test={**reply.value, "ok": reply.status == 200 and succeeded(reply.value)})


async def secret(visit: Visit) -> Outcome:
    """Show the secrets that sign."""
    reply = await visit.ask("GET", "/v1/endpoints/{id}/secret", {"id": visit.part("id")})
    return await shown(visit, secrets=reply.value)


async def rotate(visit: Visit) -> Outcome:
    """Replace the secret, and show the new one."""
    overlap = visit.form.get("overlap")
    try:
        reply = await visit.ask(
            "POST", "/v1/endpoints/{id}/secret/rotate", {"id": visit.part("id")},
            body={"overlap": overlap} if overlap else {},
        )  # fmt: skip
    except NotValid as error:
        return failed(address(visit), error)
    return await shown(visit, secrets=reply.value)


def address(visit: Visit) -> str:
    """Where the page of this endpoint is."""
    return f"/endpoints/{addresses.part(visit.part('id'))}"


async def _act(visit: Visit, method: str, path: str, notice: str) -> Outcome:
    await visit.ask(method, path, {"id": visit.part("id")})
    return Go(address(visit), notice)


async def _pulse(visit: Visit, endpoint_id: str, most: int) -> Pulse:
    rows = await visit.rows("/v1/deliveries", endpoint=endpoint_id, limit=most)
    attempts = [attempt for row in rows for attempt in row["attempts"]]
    return pulse(sorted(attempts, key=lambda attempt: str(attempt["at"])))


_ONE = "/endpoints/{id}"

PAGES = (
    Page("/endpoints", endpoints),
    Page(_ONE, endpoint),
    Page(f"{_ONE}/enable", enable, "POST"),
    Page(f"{_ONE}/disable", disable, "POST"),
    Page(f"{_ONE}/delete", delete, "POST"),
    Page(f"{_ONE}/test", test, "POST"),
    Page(f"{_ONE}/secret", secret, "POST"),
    Page(f"{_ONE}/rotate", rotate, "POST"),
)
