"""How fast API and console answer from a full history, on SQLite and PostgreSQL: what operators ask, over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx

from bench.figures import Figure, Report
from bench.filling import BEGAN, ENDPOINT, EVERY
from bench.full_histories import NO_POSTGRES, filled, postgres, sqlite_of
from bench.machine import Machine
from bench.plan import Plan
from bench.running import recorded
from bench.stubs import IamportStandIn, serve
from bench.systems import RelaySystem
from tests.support.clients import http_client

PAYMENTS = 1_000_000
ASKED = 20
TOKEN = "bench:a-token-that-only-benchmarks-use"


async def run(machine: Machine, plan: Plan) -> Report:
    """From sending a request to having the answer, or of an export its first bytes; the median of 20."""
    payments = plan.size(PAYMENTS, 2_000)
    found = {"SQLite": await _ask_all(machine, await sqlite_of(machine, payments), payments)}
    with postgres() as database:
        if database is not None:
            url = database.create("full")
            await filled(url, payments)
            found["PostgreSQL"] = await _ask_all(machine, url, payments)
    figures = tuple(
        Figure(f"{question}, {name}", "ms", tuple(rows[question]), more=False, least=50)
        for question in found["SQLite"]
        for name, rows in found.items()
    )
    return Report("answers", figures, notes=() if "PostgreSQL" in found else (NO_POSTGRES,))


async def _ask_all(machine: Machine, url: str, payments: int) -> Mapping[str, list[float]]:
    """How many ms each question took, each time."""
    api, iamport = await serve(IamportStandIn)
    relay = RelaySystem(machine, {"RELAY_HISTORY_URL": url, "RELAY_API_TOKEN": TOKEN})
    await relay.start(api, [])
    console = relay.start_console()
    async with http_client(f"http://127.0.0.1:{console}") as client:
        await _sign_in(client)
        took: dict[str, list[float]] = {}
        for question, path in _questions(payments).items():
            await recorded(relay)  # a list waits for what the looks before have left in the audit
            await _timed(client, path)
            took[question] = [await _timed(client, path) for _ in range(ASKED)]
    iamport.close()
    machine.stop()
    return took


async def _timed(client: httpx.AsyncClient, path: str) -> float:
    """ms until the whole answer is there, or the first bytes of an export."""
    began = time.perf_counter()
    async with client.stream("GET", path, headers={"authorization": f"Bearer {TOKEN.partition(':')[2]}"}) as answer:
        # A search that finds one thing leads to its page.
        if answer.status_code != 200 and not answer.headers.get("location", "").startswith("/payments/"):
            raise RuntimeError(f"{path} was answered with {answer.status_code}")
        if "/export/" in path:
            await anext(answer.aiter_raw())
        else:
            await answer.aread()
        return (time.perf_counter() - began) * 1000


async def _sign_in(client: httpx.AsyncClient) -> None:
    """Have the web console's pages take this client for an operator."""
    form = re.search(r'name="csrf" value="([^"]+)"', (await client.get("/sign-in")).text)
    if form is None:
        raise RuntimeError("the page to sign in has no form")
    await client.post("/sign-in", data={"csrf": form[1], "token": TOKEN.partition(":")[2], "to": "/"})


def _questions(payments: int) -> Mapping[str, str]:
    middle = payments // 2
    since, until = (_moment(BEGAN + (middle + more) * EVERY) for more in (0, 20_000))
    return {
        "payments, first page": "/v1/payments",
        "payments, a page in the middle": f"/v1/payments?until={since}",
        "payments of a rare status": "/v1/payments?status=failed",
        "payments of an order": f"/v1/payments?merchant_uid=ORD-2023-{middle:08d}",
        "events of a window": f"/v1/events?since={since}&until={until}",
        "deliveries, first page": "/v1/deliveries",
        "deliveries that are dead": "/v1/deliveries?state=dead",
        "deliveries, two filters": f"/v1/deliveries?endpoint={ENDPOINT}&type=payment.paid",
        "notifications of a payment": f"/v1/notifications?imp_uid=imp_{middle:012d}",
        "search for an order number": f"/find?q=ORD-2023-{middle:08d}",
        "search for how order numbers begin": "/find?q=ORD-2023-000",
        "search for a buyer": "/find?q=홍길동",
        "search for what there is not": "/find?q=unknown%40nowhere",
        "an export's first byte": f"/v1/export/payments?since={since}",
    }


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
