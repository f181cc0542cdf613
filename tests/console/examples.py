"""The example of every operation, made by carrying it out: a story told to a real console.

What differs from run to run (ids, secrets, times, durations) is replaced by values that do not.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from urllib.parse import quote

from schemas import wire
from schemas.endpoints.delivery import Delivered, Retry
from schemas.reasons import Reason
from tests.console.conftest import Console, worked
from tests.support import machine
from tests.support.iamport_stub import Stub, well

TIME, UNIX = "2026-11-23T01:02:03Z", 1_795_395_723
PAID = "imp_448280090638"
FAILED = Reason.of("retry_scheduled", Reason.of("http_answer", status=500))

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_MADE_UP = re.compile(r"\b(ntf|ep|can|rpl|rec|evt|aud|whsec)_[A-Za-z0-9+/=]{16,}")
_CURSOR = "next_cursor"
_VARYING = {
    "_at": UNIX,
    "oldest_due_seconds": 12,
    "duration_ms": 12,
    "used_bytes": 1_048_576,
    "behind_seconds": 0.0,
    "waiting": 0,
}
"""Numbers that differ from run to run, by how their names end."""


class Recorder:
    """Carries operations out and keeps what was asked and answered."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._names: dict[str, str] = {}
        self.examples: dict[str, dict[str, Any]] = {}

    async def call(
        self, method: str, template: str, *, answers: int = 200, body: Any = None, path: dict[str, str] | None = None,
        **query: Any,
    ) -> Any:  # fmt: skip
        """Carry it out, expecting this status; the answer's body. The first call of an operation is its example."""
        address = template.format(**{name: quote(value, safe="") for name, value in (path or {}).items()})
        answer = await self._console.call(method, address, body, params=query)
        assert answer.status_code == answers, (method, address, answer.text)
        is_json = answer.headers.get("content-type") == "application/json"
        given = wire.loads(answer.content) if answer.content and is_json else None
        example = {"path": path or {}, "query": query, "body": body, "status": answers, "answer": given}
        self.examples.setdefault(f"{method} {template}", self._settled(example))
        return given

    def _settled(self, value: Any, name: str = "") -> Any:
        """The value as it is in every run."""
        if isinstance(value, dict):
            return {key: self._settled(part, key) for key, part in value.items()}
        if isinstance(value, list):
            return [self._settled(part) for part in value]
        if isinstance(value, str):
            return "bWFuZw" if name == _CURSOR else _MADE_UP.sub(self._named, _TIME.sub(TIME, value))
        if value and (settled := next((of for end, of in _VARYING.items() if name.endswith(end)), None)) is not None:
            return settled
        return value

    def _named(self, match: re.Match[str]) -> str:
        text, prefix = match[0], match[1]
        if text not in self._names:
            place = len([name for name in self._names if name.startswith(prefix)])
            digest = hashlib.sha256(f"{prefix}{place}".encode()).digest() * 2
            letters = base64.b32encode(digest).decode().lower()[: len(text) - len(prefix) - 1]
            self._names[text] = f"{prefix}_{letters}"
        return self._names[text]


def paid(imp_uid: str, **fields: Any) -> dict[str, Any]:
    """A payment as i'mport shows it."""
    return machine.payment(imp_uid, merchant_uid="order_id_8237352", pg_provider="html5_inicis", **fields)


async def play(console: Console, stub: Stub) -> dict[str, dict[str, Any]]:
    """Every operation once, in an order in which each has something to answer."""
    recorder = Recorder(console)
    call = recorder.call
    merchant = {"imp_key": "imp_apikey", "imp_secret": "ekKoeW8RyKuT0zgaZsUtXXTLQ4AhPFW3"}
    await call("PUT", "/v1/merchants/{merchant}", path={"merchant": "shop"}, body=merchant, answers=201)
    await call("GET", "/v1/merchants", limit=50)
    await call("GET", "/v1/merchants/{merchant}", path={"merchant": "shop"})
    await call("GET", "/v1/merchants/{merchant}/check", path={"merchant": "shop"})
    await call("DELETE", "/v1/merchants/{merchant}", path={"merchant": "shop"}, answers=204)

    subscription = {"merchant": "default", "url": "https://shop.example/payments", "description": "shop"}
    endpoint = (await call("POST", "/v1/endpoints", body=subscription, answers=201))["id"]
    of_endpoint = {"id": endpoint}
    await call("GET", "/v1/endpoints", merchant="default")
    await call("GET", "/v1/endpoints/{id}", path=of_endpoint)
    await call("PATCH", "/v1/endpoints/{id}", path=of_endpoint, body={"types": ["payment.paid", "payment.cancelled"]})
    await call("GET", "/v1/endpoints/{id}/secret", path=of_endpoint)
    await call("POST", "/v1/endpoints/{id}/secret/rotate", path=of_endpoint, body={"overlap": "24h"})
    await call("POST", "/v1/endpoints/{id}/disable", path=of_endpoint)
    await call("POST", "/v1/endpoints/{id}/enable", path=of_endpoint)
    await console.call("PATCH", f"/v1/endpoints/{endpoint}", {"types": ["payment.*"]})

    order, expected = {"merchant_uid": "order_id_8237352"}, {"amount": 1004, "currency": "KRW"}
    await call("PUT", "/v1/orders/{merchant_uid}", path=order, body=expected, merchant="default")
    notification = await machine.notify(console.ledger, PAID)
    await machine.look_at(console.ledger, {PAID: paid(PAID)})
    await call("GET", "/v1/notifications", merchant="default", outcome="applied")
    await call("GET", "/v1/notifications/{id}", path={"id": notification})
    (event,) = (await call("GET", "/v1/events", imp_uid=PAID, type="payment.paid"))["data"]
    of_event = {"id": event["id"]}
    await call("GET", "/v1/events/{id}", path=of_event)
    await machine.send(console.ledger, endpoint, Retry(5.0, FAILED), status_code=500)
    await call("GET", "/v1/events/{id}/explain", path=of_event, endpoint=endpoint)
    delivery = {"id": f"{event['id']}.{endpoint}"}
    await call("GET", "/v1/deliveries", endpoint=endpoint, state="pending")
    await call("GET", "/v1/deliveries/{id}", path=delivery)
    await call("POST", "/v1/deliveries/{id}/retry", path=delivery)
    await machine.send(console.ledger, endpoint, Delivered(), status_code=200)
    await call("GET", "/v1/payments", merchant="default", status="paid")
    of_payment = {"imp_uid": PAID}
    await call("GET", "/v1/payments/{imp_uid}", path=of_payment, merchant="default")
    async with worked(lambda: machine.look_at(console.ledger, {PAID: paid(PAID)})):
        await call("POST", "/v1/payments/{imp_uid}/refresh", path=of_payment, merchant="default")
        asked = {"amount": 400, "reason": "out of stock"}
        stub.reply = lambda _asked: well(paid(PAID))
        place = "/v1/payments/{imp_uid}/cancellations"
        pending = await call("POST", place, path=of_payment, body=asked, answers=202, merchant="default")
        (cancellation,) = pending["cancellations"]
        closing, reason = {**of_payment, "id": cancellation["id"]}, {"reason": "turned down by Paymentwall"}
        await call("POST", place + "/{id}/reject", path=closing, body=reason, merchant="default")
    return {**recorder.examples, **await _jobs(console, recorder, endpoint)}


async def _jobs(console: Console, recorder: Recorder, endpoint: str) -> dict[str, dict[str, Any]]:
    """Replays and reconciliations, numbers, and what ends the endpoint."""
    call, window = recorder.call, {"since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z"}
    asked = {"endpoint": endpoint, "types": ["payment.paid"], **window, "only": "all"}
    replay = {"id": (await call("POST", "/v1/replays", body=asked, answers=202))["id"]}
    await call("GET", "/v1/replays", limit=1)
    await call("GET", "/v1/replays/{id}", path=replay)
    await call("DELETE", "/v1/replays/{id}", path=replay)
    compared = {"merchant": "default", **window}
    run = {"id": (await call("POST", "/v1/reconciliations", body=compared, answers=202))["id"]}
    await call("GET", "/v1/reconciliations", merchant="default")
    await call("GET", "/v1/reconciliations/{id}", path=run)
    await call("GET", "/v1/stats")
    await call("POST", "/v1/keys/reseal")
    await call("GET", "/v1/export/{what}", path={"what": "payments"}, merchant="default", format="csv")
    await call("GET", "/v1/audit", action="export.read")
    await call("GET", "/v1/tokens")

    async with worked(lambda: machine.send(console.ledger, endpoint, Delivered(), status_code=200, response="ok")):
        await call("POST", "/v1/endpoints/{id}/test", path={"id": endpoint})
    await call("DELETE", "/v1/endpoints/{id}", path={"id": endpoint}, answers=204)
    erasure, of_payment = {"reason": "asked to be forgotten"}, {"imp_uid": PAID}
    await call("POST", "/v1/payments/{imp_uid}/erase", path=of_payment, body=erasure, merchant="default")
    return recorder.examples
